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

/**
 * `promise`, or a rejection with the reason of `signal` once that is aborted; `givenUp` is called then.
 * Without a signal, `promise` itself.
 */
export function heeding(signal, promise, givenUp = () => {}) {
  if (!signal) return promise;
  const heeded = new Deferred();
  const abandon = () => {
    givenUp();
    heeded.reject(signal.reason);
  };
  if (signal.aborted) {
    abandon();
    return heeded.promise;
  }
  signal.addEventListener("abort", abandon, { once: true });
  const done = () => signal.removeEventListener("abort", abandon);
  promise.then(
    (value) => {
      done();
      heeded.resolve(value);
    },
    (error) => {
      done();
      heeded.reject(error);
    },
  );
  return heeded.promise;
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
