// Acts that cannot be undone wait some seconds before they are sent, and can be undone meanwhile.

/** Milliseconds in which it can be undone. */
export const UNDO_MS = 10_000;

export class Later {
  /** The waiting acts: `{id, type, args, until, send}`. */
  #waiting = new Map();
  #next = 1;

  /** `changed` is called whenever the list changes. */
  constructor(changed) {
    this.changed = changed;
    // Waiting acts are dropped when the page goes, since the user could not undo them any more.
    addEventListener("pagehide", () => this.clear());
  }

  /** Call `send` in `UNDO_MS`, unless it is undone before. `what` names it in words. */
  add(what, send) {
    const id = this.#next++;
    const one = { id, what, send, until: Date.now() + UNDO_MS, timer: setTimeout(() => this.now(id), UNDO_MS) };
    this.#waiting.set(id, one);
    this.changed();
  }

  all() {
    return [...this.#waiting.values()];
  }

  /** Do it without waiting. */
  now(id) {
    const one = this.#take(id);
    one?.send();
    this.changed();
  }

  undo(id) {
    this.#take(id);
    this.changed();
  }

  clear() {
    for (const id of [...this.#waiting.keys()]) this.#take(id);
    this.changed();
  }

  #take(id) {
    const one = this.#waiting.get(id);
    if (one) clearTimeout(one.timer);
    this.#waiting.delete(id);
    return one;
  }
}
