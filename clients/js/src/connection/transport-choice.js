// Chooses the transport: a WebSocket, or HTTP while no WebSocket gets through.

/** Sockets in a row that failed before HTTP is tried. One may be chance, a second one a restart of the server. */
const MAX_SOCKET_FAILURES = 3;
/** Life of a socket before which a cut counts as a failure: some proxies cut what they have let through. */
const STABLE_AFTER_MS = 5_000;
/** Delay before a WebSocket is tried again once HTTP works: after a restart of the server it mostly gets through. */
const FIRST_SOCKET_RETRY_DELAY_MS = 5_000;
/** The same after a first failure; it doubles with each further one. */
const SOCKET_RETRY_DELAY_MS = 60_000;
/** Longest such delay: a network that changed is found within a quarter of an hour. */
const MAX_SOCKET_RETRY_DELAY_MS = 15 * 60_000;

export class TransportChoice {
  #failures = 0;
  #retries = 0;

  /** `fixed` is `websocket` or `http`, or `auto` for a choice by what works. */
  constructor(fixed = "auto", random = Math.random) {
    this.random = random;
    if (!["auto", "websocket", "http"].includes(fixed)) throw new TypeError(`${fixed} is no transport`);
    this.fixed = fixed;
  }

  /** Whether HTTP is tried while no WebSocket gets through. */
  get mayFallBack() {
    return this.fixed === "auto";
  }

  /** Return the transport of the next attempt. */
  next() {
    if (this.fixed !== "auto") return this.fixed;
    return this.#failures >= MAX_SOCKET_FAILURES ? "http" : "websocket";
  }

  /**
   * Learn from the end of an attempt. `openMs` is how long it was open, or `null` if it never was. `isHung`: nothing
   * came in time. Only the failure of a network counts, not an answer of the server.
   */
  ended(transport, { openMs, isHung = false }) {
    if (transport === "http") {
      // Nothing gets through, so the failures of sockets say nothing about sockets.
      if (openMs === null) this.#failures = 0;
    } else if (openMs !== null && openMs >= STABLE_AFTER_MS) {
      this.#failures = this.#retries = 0;
    } else {
      this.#failures = isHung ? MAX_SOCKET_FAILURES : this.#failures + 1;
    }
  }

  /** A socket that was tried while HTTP works failed. */
  retryFailed() {
    this.#retries += 1;
  }

  /** Milliseconds until a WebSocket is tried again while HTTP works; `null` if never. */
  get retryDelayMs() {
    if (this.fixed !== "auto") return null;
    const later = SOCKET_RETRY_DELAY_MS * 2 ** Math.min(this.#retries - 1, 10);
    const delay = this.#retries === 0 ? FIRST_SOCKET_RETRY_DELAY_MS : Math.min(MAX_SOCKET_RETRY_DELAY_MS, later);
    return delay * (0.5 + this.random() / 2);
  }
}
