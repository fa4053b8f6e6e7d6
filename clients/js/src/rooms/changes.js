// The changes of a room for one `for await`. It holds at most so many: a slower reader gets several
// as one, and finds the state as it is.

const MOST_HELD = 256;
const DONE = Object.freeze({ value: undefined, done: true });

export class Changes {
  #held = [];
  #waiting = [];
  #ended = false;

  constructor(onReturn) {
    this.onReturn = onReturn;
  }

  push(change) {
    if (this.#ended) return;
    const reader = this.#waiting.shift();
    if (reader) {
      reader({ value: change, done: false });
      return;
    }
    this.#held.push(change);
    if (this.#held.length > MOST_HELD) {
      this.#held = [Object.freeze({ from: this.#held[0].from, seq: change.seq, reason: "lag" })];
    }
  }

  /** No more will come; what is held can still be read. */
  end() {
    this.#ended = true;
    for (const reader of this.#waiting.splice(0)) reader(DONE);
  }

  next() {
    if (this.#held.length > 0) return Promise.resolve({ value: this.#held.shift(), done: false });
    if (this.#ended) return Promise.resolve(DONE);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  return() {
    this.#held = [];
    this.end();
    this.onReturn(this);
    return Promise.resolve(DONE);
  }

  [Symbol.asyncIterator]() {
    return this;
  }
}
