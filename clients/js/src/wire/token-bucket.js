// The server's token bucket, kept here too, so that it never has to refuse.

/** The part of the allowed rate that is used: two clocks never run quite alike. */
const SHARE = 0.95;

export class Pace {
  #tokens = Infinity;
  #burst = Infinity;
  #perMs = Infinity;
  #at = 0;

  constructor(clock) {
    this.clock = clock;
  }

  /** A new socket: a full bucket of these limits. */
  open(limits) {
    this.#burst = Math.max(1, Math.floor((limits.burst ?? Infinity) * SHARE));
    this.#perMs = ((limits.commands_per_second ?? Infinity) * SHARE) / 1000;
    this.#tokens = this.#burst;
    this.#at = this.clock.now();
  }

  /** Messages that may go out now. */
  get free() {
    const now = this.clock.now();
    const passed = Math.max(0, now - this.#at);
    this.#at = now;
    if (passed > 0) this.#tokens = Math.min(this.#burst, this.#tokens + passed * this.#perMs);
    return Math.max(0, Math.floor(this.#tokens));
  }

  /** `count` messages went out. */
  took(count) {
    this.#tokens -= count;
  }

  /** Milliseconds until one more may. */
  get wait() {
    return this.free > 0 ? 0 : Math.ceil((1 - this.#tokens) / this.#perMs);
  }
}
