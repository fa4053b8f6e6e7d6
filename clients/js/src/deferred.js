// A promise to be settled from outside, once. Nobody has to listen: what it is rejected with is told
// by an event too, so an ignored promise must not end a Node process.

export class Deferred {
  settled = false;

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.promise.catch(() => {});
  }

  #resolve;
  #reject;

  resolve(value) {
    this.settled = true;
    this.#resolve(value);
  }

  reject(error) {
    this.settled = true;
    this.#reject(error);
  }
}

/** `promise`, or a rejection after `ms`, whichever comes first. */
export function within(promise, ms, clock, what) {
  return new Promise((resolve, reject) => {
    const timer = clock.setTimeout(() => reject(new Error(`${what} took more than ${ms} ms`)), ms);
    const done = (settle) => (value) => {
      clock.clearTimeout(timer);
      settle(value);
    };
    promise.then(done(resolve), done(reject));
  });
}
