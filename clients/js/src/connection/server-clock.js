// The server's clock, estimated from the times in its messages.

/** Difference between two estimates beyond which a clock was set, rather than a message late. */
const MAX_DELAY_MS = 1_000;

export class ServerClock {
  /** Server time minus local time, or `null` before the first message with a time. */
  #offset = null;

  constructor(clock) {
    this.clock = clock;
  }

  /** Whether the server's time is known. */
  get isKnown() {
    return this.#offset !== null;
  }

  /** The server's time, in milliseconds since 1970; the local clock's before it is known. */
  now() {
    return this.clock.now() + (this.#offset ?? 0);
  }

  /**
   * Take the `time` of a message that has just arrived. A message ages on its way, so the largest estimate is the
   * best, and one that is far from it means that one of the clocks was set.
   */
  learn(time) {
    const theirs = Date.parse(time);
    if (!Number.isFinite(theirs)) return;
    const offset = theirs - this.clock.now();
    const isFar = this.#offset === null || Math.abs(offset - this.#offset) > MAX_DELAY_MS;
    this.#offset = isFar ? offset : Math.max(offset, this.#offset);
  }
}
