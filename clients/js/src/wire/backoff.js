// Full jitter: each delay is random below a bound that doubles, so that clients that lost the same server spread out
// evenly (Brooker, "Exponential backoff and jitter", AWS Architecture Blog, 2015).

/** Bound of the first delay: a broken connection is often back at once. */
export const BASE_DELAY_MS = 250;
/** Bound of every later delay: an outage of any length ends for a client within half a minute. */
export const MAX_DELAY_MS = 30_000;
/** Doublings that are counted; beyond, the bound is at its maximum for any base. */
const MAX_DOUBLINGS = 30;

export class Backoff {
  #tries = 0;

  constructor(random, { base = BASE_DELAY_MS, cap = MAX_DELAY_MS } = {}) {
    this.random = random;
    this.base = base;
    this.cap = cap;
  }

  /** Return the delay before the next try, in milliseconds, and count that try. */
  next() {
    const delay = this.after(this.#tries);
    this.#tries += 1;
    return delay;
  }

  /** Return the delay after `tries` tries that the caller counts. */
  after(tries) {
    return this.random() * Math.min(this.cap, this.base * 2 ** Math.min(tries, MAX_DOUBLINGS));
  }

  reset() {
    this.#tries = 0;
  }
}
