// The server's token bucket, simulated here so that the server never has to refuse a message.

/** Share of the allowed rate that the client uses, since two clocks never run exactly alike. */
const RATE_SHARE = 0.95;

export class TokenBucket {
  #tokens = Infinity;
  #burst = Infinity;
  #perMs = Infinity;
  #filledAt = 0;

  constructor(clock) {
    this.clock = clock;
  }

  /** Start with a full bucket, by the limits of a new connection. */
  open(limits) {
    this.#burst = Math.max(1, Math.floor((limits.burst ?? Infinity) * RATE_SHARE));
    this.#perMs = ((limits.commands_per_second ?? Infinity) * RATE_SHARE) / 1000;
    this.#tokens = this.#burst;
    this.#filledAt = this.clock.now();
  }

  /** Messages that may be sent now. */
  get available() {
    const now = this.clock.now();
    const passed = Math.max(0, now - this.#filledAt);
    this.#filledAt = now;
    if (passed > 0) this.#tokens = Math.min(this.#burst, this.#tokens + passed * this.#perMs);
    return Math.max(0, Math.floor(this.#tokens));
  }

  /** Count `count` messages that were sent. */
  spend(count) {
    this.#tokens -= count;
  }

  /** Milliseconds until the next message may be sent. */
  get delayMs() {
    return this.available > 0 ? 0 : Math.ceil((1 - this.#tokens) / this.#perMs);
  }
}
