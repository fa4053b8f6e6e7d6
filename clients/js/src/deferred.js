// Promises that are settled from outside, and waits that end early.

/**
 * A promise with its `resolve` and `reject`. A rejection that nobody awaits is no unhandled rejection: the client
 * reports it as an event too, and an ignored promise must not end a Node process.
 */
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

/** A promise rejected with `error`, which may be ignored. */
export function rejected(error) {
  return ignorable(Promise.reject(error));
}

/** `promise`, whose rejection may be ignored. */
export function ignorable(promise) {
  promise.catch(() => {});
  return promise;
}

/**
 * Reject with the reason of `signal` once it is aborted, and call `onAbort`; settle like `promise` before that.
 * Without a signal this is `promise` itself.
 */
export function abortable(signal, promise, onAbort = () => {}) {
  if (!signal) return promise;
  const deferred = new Deferred();
  const abort = () => {
    onAbort();
    deferred.reject(signal.reason);
  };
  if (signal.aborted) {
    abort();
    return deferred.promise;
  }
  signal.addEventListener("abort", abort, { once: true });
  const done = () => signal.removeEventListener("abort", abort);
  promise.then(
    (value) => {
      done();
      deferred.resolve(value);
    },
    (error) => {
      done();
      deferred.reject(error);
    },
  );
  return deferred.promise;
}

/** Settle like `promise`, or reject after `ms`; `what` names the slow part in the error. */
export function withTimeout(promise, ms, clock, what) {
  return new Promise((resolve, reject) => {
    const timer = clock.setTimeout(() => reject(new Error(`${what} took more than ${ms} ms`)), ms);
    const done = (settle) => (value) => {
      clock.clearTimeout(timer);
      settle(value);
    };
    promise.then(done(resolve), done(reject));
  });
}
