// The changes of a room for one `for await`.

/** Changes kept for one slow reader. Beyond that they become one change with `reason: "lag"`. */
const MAX_UNREAD_CHANGES = 256;
const DONE = Object.freeze({ value: undefined, done: true });

export class Changes {
  #unread = [];
  #readers = [];
  #ended = false;

  constructor(onReturn) {
    this.onReturn = onReturn;
  }

  push(change) {
    if (this.#ended) return;
    const reader = this.#readers.shift();
    if (reader) {
      reader({ value: change, done: false });
      return;
    }
    this.#unread.push(change);
    if (this.#unread.length > MAX_UNREAD_CHANGES) {
      this.#unread = [Object.freeze({ from: this.#unread[0].from, seq: change.seq, reason: "lag" })];
    }
  }

  /** Take no more changes; the unread ones can still be read. */
  end() {
    this.#ended = true;
    for (const reader of this.#readers.splice(0)) reader(DONE);
  }

  next() {
    if (this.#unread.length > 0) return Promise.resolve({ value: this.#unread.shift(), done: false });
    if (this.#ended) return Promise.resolve(DONE);
    return new Promise((resolve) => this.#readers.push(resolve));
  }

  return() {
    this.#unread = [];
    this.end();
    this.onReturn(this);
    return Promise.resolve(DONE);
  }

  [Symbol.asyncIterator]() {
    return this;
  }
}
