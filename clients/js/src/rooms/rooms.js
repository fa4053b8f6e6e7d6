// The rooms that were entered, and what is said about them.

import { AyesError, MOST_INTERNAL } from "./error.js";
import { Room } from "./room.js";

/** How long a diff may be on its way after a heartbeat that shows its position. */
const GRACE_MS = 1_000;

export class Rooms {
  open = new Map();
  #refs = new Map();
  #timers = new Map();
  /** Event → how often it was refused in a row, to be asked for again. */
  #refusals = new Map();

  /** `command` is the client's; `renew()` asks for a new token. */
  constructor({ connection, clock, backoff, answerTimeout, newRef, command, renew }) {
    Object.assign(this, { connection, clock, backoff, answerTimeout, newRef, command, renew });
  }

  /** For `hello`: every room, with its position where there is one. */
  get positions() {
    return Array.from(this.open.values(), (room) => room._position);
  }

  enter(event) {
    let room = this.open.get(event);
    if (!room) {
      room = new Room(this, event);
      this.open.set(event, room);
      this.subscribe(room);
    }
    return room._entered.promise;
  }

  /** Ask the server for a room, from its position; asked again where there is no answer. */
  subscribe(room) {
    this.#unplan(room.event);
    if (!this.connection.open || this.connection.leaving) return;
    const ref = this.newRef();
    this.#refs.set(ref, room);
    this.connection.send([{ type: "subscribe", ref, ...room._position }]);
    this.#plan(room, this.answerTimeout, () => this.subscribe(room));
  }

  leave(room) {
    const ref = this.newRef();
    this.#remove(room);
    this.#refs.set(ref, null);
    if (this.connection.open) this.connection.send([{ type: "unsubscribe", ref, event: room.event }]);
    room._close("client");
  }

  /** A welcome came, and the answers to its `resume` will follow. */
  welcomed(resumed) {
    for (const room of this.open.values()) {
      if (resumed.has(room.event)) this.#plan(room, this.answerTimeout, () => this.subscribe(room));
      else this.subscribe(room);
    }
  }

  renewed() {
    for (const room of this.open.values()) {
      if (!room.live) this.subscribe(room);
    }
  }

  down() {
    this.#refs.clear();
    for (const event of [...this.#timers.keys()]) this.#unplan(event);
    for (const room of this.open.values()) room._down();
  }

  end(reason, error) {
    this.down();
    const left = [...this.open.values()];
    this.open.clear();
    for (const room of left) room._close(reason, error);
  }

  /** Whether `message` was for a room. */
  takes(message) {
    if (message.type === "heartbeat") {
      this.#compare(message.positions ?? {});
      return true;
    }
    if (message.type === "error") return this.#refused(message);
    const take = TAKES[message.type];
    if (!take) return false;
    this.#refs.delete(message.ref);
    const room = this.open.get(message.event);
    if (room) take(this, room, message);
    return true;
  }

  answered(room) {
    this.#unplan(room.event);
    this.#refusals.delete(room.event);
  }

  /** The server put us out; `client` is the echo of a `leave`, which was heeded when it was given. */
  putOut(room, reason) {
    if (reason === "client") return;
    this.#remove(room);
    room._close(reason);
  }

  #refused(message) {
    const byRef = this.#refs.has(message.ref);
    const ofResume = message.ref === undefined && message.id === undefined;
    const room = byRef ? this.#refs.get(message.ref) : ofResume ? this.open.get(message.event) : undefined;
    if (byRef) this.#refs.delete(message.ref);
    // Another room of this event may have been entered since.
    if (!room || this.open.get(room.event) !== room) return byRef;
    const error = AyesError.from(message);
    const refusals = this.#refusals.get(room.event) ?? { tries: 0, defects: 0 };
    this.#refusals.set(room.event, refusals);
    if (error.code === "internal") refusals.defects += 1;
    if (error.retry === "same" && refusals.defects < MOST_INTERNAL) {
      refusals.tries += 1;
      const wait = error.retryAfterMs ?? this.backoff.after(refusals.tries);
      this.#plan(room, wait, () => this.subscribe(room));
    } else if (error.retry === "auth") {
      this.#unplan(room.event);
      this.renew();
    } else {
      this.#remove(room);
      room._close(error.code, error);
    }
    return true;
  }

  /** Look at where the server says that the rooms stand. */
  #compare(positions) {
    for (const event of Object.keys(positions)) {
      const room = this.open.get(event);
      if (!room?._isBehind(positions[event])) continue;
      const [epoch] = positions[event];
      if (epoch !== room.epoch) room._resync();
      else if (!this.#timers.has(event)) {
        this.#plan(room, GRACE_MS, () => {
          if (room._isBehind(positions[event])) room._resync();
        });
      }
    }
  }

  #remove(room) {
    this.#unplan(room.event);
    if (this.open.get(room.event) !== room) return;
    this.open.delete(room.event);
    this.#refusals.delete(room.event);
  }

  #plan(room, ms, run) {
    this.#unplan(room.event);
    const timer = this.clock.setTimeout(() => {
      this.#timers.delete(room.event);
      if (this.open.get(room.event) === room) run();
    }, ms);
    this.#timers.set(room.event, timer);
  }

  #unplan(event) {
    if (!this.#timers.has(event)) return;
    this.clock.clearTimeout(this.#timers.get(event));
    this.#timers.delete(event);
  }
}

const TAKES = Object.freeze({
  snapshot: (rooms, room, message) => {
    rooms.answered(room);
    room._snapshot(message);
  },
  resumed: (rooms, room, message) => {
    rooms.answered(room);
    room._resumed(message);
  },
  diff: (rooms, room, message) => room._diff(message),
  you: (rooms, room, message) => room._you(message),
  presence: (rooms, room, message) => room._presence(message),
  unsubscribed: (rooms, room, message) => rooms.putOut(room, message.reason),
});
