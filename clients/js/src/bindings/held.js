// Rooms in use by components: entered once, held while any component uses them, and left a moment after the last one.

import { AyesError } from "../error.js";

/** Time for which a room without users stays entered, so that a view that is replaced by another finds it. */
const GRACE_MS = 1_000;
/** Time for which a room that no component has taken yet stays entered: its first render may be thrown away. */
const UNCLAIMED_MS = 30_000;
/** Time for which a refusal is remembered, so that every component that waits hears of it. */
const REFUSAL_MS = 1_000;

/** Client → event → its room in use. */
const all = new WeakMap();

/** The room of `event` for the components of `client`; entered if it is not. */
export function held(client, event) {
  if (!all.has(client)) all.set(client, new Map());
  const ofClient = all.get(client);
  const found = ofClient.get(event);
  if (found && !found.isOver) return found;
  const made = new Held(client, event, ofClient);
  ofClient.set(event, made);
  return made;
}

class Held {
  room = undefined;
  /** Why it was not entered, or why the server closed it. */
  error = undefined;
  #users = 0;
  #timer = null;

  constructor(client, event, ofClient) {
    this.client = client;
    this.event = event;
    this.ofClient = ofClient;
    /** Settles once there is a room or an error; never rejects. */
    this.settled = client.subscribe(event).then(
      (room) => {
        this.room = room;
        // Its components are redrawn by their own listeners, which come later.
        room.on("closed", ({ reason, error }) => {
          if (reason !== "client" && reason !== "stopped") this.error = error ?? closed(this.event, reason);
        });
        if (this.#isForgotten) this.#leave();
      },
      (error) => {
        this.error = error;
        this.#later(REFUSAL_MS);
      },
    );
    this.#later(UNCLAIMED_MS);
  }

  /** Whether the next component that asks gets another one in its place: its room was closed. */
  get isOver() {
    return this.room?.closed !== undefined && this.room.closed !== "stopped";
  }

  /** Use it; return the function that ends this use. */
  use() {
    this.#users += 1;
    if (this.error === undefined) this.#cancel();
    let isUsed = true;
    return () => {
      if (!isUsed) return;
      isUsed = false;
      this.#users -= 1;
      if (this.#users === 0) this.#later(GRACE_MS);
    };
  }

  get #isForgotten() {
    return this.ofClient.get(this.event) !== this;
  }

  #later(ms) {
    this.#cancel();
    this.#timer = setTimeout(() => {
      if (this.#users > 0 && this.error === undefined) return;
      if (!this.#isForgotten) this.ofClient.delete(this.event);
      if (this.room) this.#leave();
    }, ms);
    // This timer must not keep a Node process alive.
    this.#timer?.unref?.();
  }

  #cancel() {
    clearTimeout(this.#timer);
    this.#timer = null;
  }

  #leave() {
    this.#cancel();
    this.room.leave();
  }
}

function closed(event, reason) {
  return new AyesError("room_closed", `the room was closed: ${reason}`, { event, details: { reason } });
}
