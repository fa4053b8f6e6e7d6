// The last position that the user saw of each event: "new since you were here", kept in this browser by
// user.

import { browserStore } from "./store.js";

/** Events remembered; the ones looked at longest ago go first. */
const MAX_EVENTS = 200;

export class Seen {
  #owner = null;
  #marks = new Map();
  /** The position seen before each event was opened this time: event → position. */
  #opened = new Map();

  /** Use the positions of `owner`. */
  open(owner) {
    this.#owner = owner;
    this.#opened.clear();
    this.#marks = new Map(read(keyOf(owner)));
  }

  /** Forget everything of this user. */
  forget() {
    if (this.#owner) remove(keyOf(this.#owner));
    this.#owner = null;
    this.#marks.clear();
    this.#opened.clear();
  }

  /**
   * `event` is looked at, and stands at `seq` with these `proposals`.
   *
   * The mark holds the newest of their own times. This browser's idea of the server's clock may be behind
   * them; what had just been read would then stay new.
   */
  look(event, seq, proposals) {
    if (!this.#owner) return;
    if (!this.#opened.has(event)) this.#opened.set(event, this.#marks.get(event) ?? null);
    if (this.#marks.get(event)?.seq === seq) return;
    this.#marks.delete(event);
    this.#marks.set(event, { seq, at: newest(proposals) });
    while (this.#marks.size > MAX_EVENTS) this.#marks.delete(this.#marks.keys().next().value);
    write(keyOf(this.#owner), [...this.#marks]);
  }

  /** `{seq, at}` of the look before this visit of `event` (`at`: milliseconds); null at the first. */
  before(event) {
    return this.#opened.get(event) ?? null;
  }

  /** Mark everything in `event` as seen. */
  settle(event) {
    this.#opened.set(event, this.#marks.get(event) ?? null);
  }
}

const newest = (proposals) => Object.values(proposals).reduce(
  (at, one) => Math.max(at, Date.parse(one.created_at), one.resolved_at ? Date.parse(one.resolved_at) : 0), 0);

const keyOf = (owner) => `ayes:seen:${encodeURIComponent(owner)}`;

export function read(key, otherwise = []) {
  try {
    return JSON.parse(browserStore.get(key)) ?? otherwise;
  } catch {
    return otherwise;
  }
}

export function write(key, value) {
  browserStore.set(key, JSON.stringify(value));
}

export function remove(key) {
  browserStore.remove(key);
}
