// Full jitter: each wait is random below a bound that doubles. Clients that lost the same server
// spread out evenly (Brooker, "Exponential backoff and jitter", AWS Architecture Blog, 2015).

export const BASE_MS = 250;
export const CAP_MS = 30_000;

export class Backoff {
  #tries = 0;

  constructor(random, { base = BASE_MS, cap = CAP_MS } = {}) {
    this.random = random;
    this.base = base;
    this.cap = cap;
  }

  /** Milliseconds to wait before the next try. */
  next() {
    const wait = this.after(this.#tries);
    this.#tries += 1;
    return wait;
  }

  /** The same for the n-th try of something else, counted elsewhere. */
  after(tries) {
    return this.random() * Math.min(this.cap, this.base * 2 ** Math.min(tries, 30));
  }

  reset() {
    this.#tries = 0;
  }
}
