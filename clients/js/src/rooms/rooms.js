// The rooms that were entered: subscribes them, and passes on the messages that concern them.

import { abortable } from "../deferred.js";
import { AyesError, MAX_INTERNAL_ERRORS } from "../error.js";
import { Timers } from "../timers.js";
import { Room } from "./room.js";

/** Longest wait for a diff after a heartbeat that shows its position; beyond that the room subscribes again. */
const LATE_DIFF_TIMEOUT_MS = 1_000;

export class Rooms {
  open = new Map();
  /** `ref` of a subscribe or unsubscribe → its room, or `null` once that was left. */
  #refs = new Map();
  /** Event → the one timer of its room. */
  #timers;
  /** Event → errors in a row that allow another try. */
  #refusals = new Map();

  /**
   * `command` and `query` are the client's; `renew()` asks for a new token. `vote(event, proposal)` is the user's newest command on
   * the votes of a proposal that its room does not show yet, `pending(event)` all that it does not show yet;
   * `shown(event, seq)` is called with the position that a room shows.
   */
  constructor({ connection, clock, backoff, answerTimeout, newRef, command, query, renew, vote, pending, shown }) {
    Object.assign(this, { connection, clock, backoff, answerTimeout, newRef, command, query, renew, vote, pending, shown });
    this.#timers = new Timers(clock);
  }

  /** Every room for `hello`, with its position if it has one. */
  get positions() {
    return Array.from(this.open.values(), (room) => room._position);
  }

  /** Enter a room for one more user; the room is left when each has left it. An aborted wait is no user. */
  enter(event, signal) {
    let room = this.open.get(event);
    if (!room) {
      room = new Room(this, event);
      this.open.set(event, room);
      this.subscribe(room);
    }
    room._users += 1;
    return abortable(signal, room._entered.promise, () => (room._users -= 1));
  }

  /** Return whether the room of `event` is entered and does not show `seq` yet. */
  isBehind(event, seq) {
    return this.open.get(event)?.seq < seq;
  }

  /** Subscribe from the room's position, and again if no answer comes. */
  subscribe(room) {
    this.#timers.clear(room.event);
    if (!this.connection.open || this.connection.draining) return;
    const ref = this.newRef();
    this.#refs.set(ref, room);
    this.connection.send([{ type: "subscribe", ref, ...room._position }]);
    this.#schedule(room, this.answerTimeout, () => this.subscribe(room));
  }

  leave(room) {
    const ref = this.newRef();
    this.#remove(room);
    this.#refs.set(ref, null);
    if (this.connection.open) this.connection.send([{ type: "unsubscribe", ref, event: room.event }]);
    room._close("client");
  }

  /** A welcome came. The answers for the events in `resumed` will follow; other rooms subscribe now. */
  welcomed(resumed) {
    for (const room of this.open.values()) {
      if (resumed.has(room.event)) this.#schedule(room, this.answerTimeout, () => this.subscribe(room));
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
    this.#timers.clearAll();
    for (const room of this.open.values()) room._down();
  }

  end(reason, error) {
    this.down();
    const left = [...this.open.values()];
    this.open.clear();
    for (const room of left) room._close(reason, error);
  }

  /** Return true if `message` concerns a room, which then handles it. */
  handle(message) {
    if (message.type === "heartbeat") {
      this.#compare(message.positions ?? {});
      return true;
    }
    if (message.type === "error") return this.#onError(message);
    const handle = HANDLERS[message.type];
    if (!handle) return false;
    if (!isWhole(message)) throw new TypeError(`a message of type ${message.type} that this client cannot read`);
    this.#refs.delete(message.ref);
    const room = this.open.get(message.event);
    if (room) handle(this, room, message);
    return true;
  }

  onSubscribed(room) {
    this.#timers.clear(room.event);
    this.#refusals.delete(room.event);
  }

  /** Close the room. The reason `client` answers a `leave`, which closed it already. */
  onUnsubscribed(room, reason) {
    if (reason === "client") return;
    this.#remove(room);
    room._close(reason);
  }

  #onError(message) {
    const byRef = this.#refs.has(message.ref);
    const ofResume = message.ref === undefined && message.id === undefined;
    const room = byRef ? this.#refs.get(message.ref) : ofResume ? this.open.get(message.event) : undefined;
    if (byRef) this.#refs.delete(message.ref);
    // The application may have left the room and entered it again.
    if (!room || this.open.get(room.event) !== room) return byRef;
    room._down();
    const error = AyesError.from(message);
    const refusals = this.#refusals.get(room.event) ?? { tries: 0, defects: 0 };
    this.#refusals.set(room.event, refusals);
    if (error.code === "internal") refusals.defects += 1;
    if (error.retry === "same" && refusals.defects < MAX_INTERNAL_ERRORS) {
      refusals.tries += 1;
      const delay = error.retryAfterMs ?? this.backoff.after(refusals.tries);
      this.#schedule(room, delay, () => this.subscribe(room));
    } else if (error.retry === "auth") {
      this.#timers.clear(room.event);
      this.renew();
    } else {
      this.#remove(room);
      room._close(error.code, error);
    }
    return true;
  }

  /** Compare the rooms with the positions of a heartbeat. */
  #compare(positions) {
    for (const event of Object.keys(positions)) {
      const room = this.open.get(event);
      if (!room?._isBehind(positions[event])) continue;
      const [epoch] = positions[event];
      if (epoch !== room.epoch) room._resync();
      else if (!this.#timers.has(event)) {
        this.#schedule(room, LATE_DIFF_TIMEOUT_MS, () => {
          if (room._isBehind(positions[event])) room._resync();
        });
      }
    }
  }

  #remove(room) {
    this.#timers.clear(room.event);
    if (this.open.get(room.event) !== room) return;
    this.open.delete(room.event);
    this.#refusals.delete(room.event);
  }

  /** Run once after `ms`, if the room is still entered. */
  #schedule(room, ms, run) {
    this.#timers.set(room.event, ms, () => {
      if (this.open.get(room.event) === room) run();
    });
  }
}

const isText = (value) => typeof value === "string";
const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
/** What a message about a room must have: one that lacks it would spoil the state. */
const FIELDS = Object.freeze({
  snapshot: { epoch: isText, seq: Number.isInteger, state: isObject, you: isObject },
  resumed: { epoch: isText, seq: Number.isInteger, patch: isObject, you: isObject },
  diff: { epoch: isText, seq: Number.isInteger, patch: isObject },
  you: { seq: Number.isInteger, patch: isObject },
  presence: { online: Number.isInteger },
  unsubscribed: { reason: isText },
});
const isWhole = (message) => Object.entries(FIELDS[message.type]).every(([name, is]) => is(message[name]));

const HANDLERS = Object.freeze({
  snapshot: (rooms, room, message) => {
    rooms.onSubscribed(room);
    room._onSnapshot(message);
  },
  resumed: (rooms, room, message) => {
    rooms.onSubscribed(room);
    room._onResumed(message);
  },
  diff: (rooms, room, message) => room._onDiff(message),
  you: (rooms, room, message) => room._onYou(message),
  presence: (rooms, room, message) => room._onPresence(message),
  unsubscribed: (rooms, room, message) => rooms.onUnsubscribed(room, message.reason),
});
