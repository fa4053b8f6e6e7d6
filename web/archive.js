// Events that the user put out of sight, kept in this browser by user. Other users see no change.

import { read, remove, write } from "./seen.js";

export class Archive {
  #owner = null;
  #events = new Set();

  /** `changed` is called after every change. */
  constructor(changed) {
    this.changed = changed;
  }

  open(owner) {
    this.#owner = owner;
    this.#events = new Set(read(keyOf(owner)));
  }

  /** Forget everything of this user. */
  forget() {
    if (this.#owner) remove(keyOf(this.#owner));
    this.#owner = null;
    this.#events.clear();
  }

  has(event) {
    return this.#events.has(event);
  }

  toggle(event) {
    if (!this.#events.delete(event)) this.#events.add(event);
    if (this.#owner) write(keyOf(this.#owner), [...this.#events]);
    this.changed();
  }
}

const keyOf = (owner) => `ayes:archive:${encodeURIComponent(owner)}`;
