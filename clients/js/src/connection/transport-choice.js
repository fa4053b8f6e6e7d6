// Which way a client takes to its server: a WebSocket, or HTTP while no WebSocket gets through.

/** Sockets in a row that failed before HTTP is tried. One may be chance, a second one a restart of the server. */
const MAX_SOCKET_FAILURES = 3;
/** Life of a socket before which a cut counts as a failure: some proxies cut what they have let through. */
const STABLE_AFTER_MS = 5_000;
/** Delay before a WebSocket is tried again while HTTP works; it doubles with each failure. */
const SOCKET_RETRY_DELAY_MS = 60_000;
/** Longest such delay: a network that changed is found within a quarter of an hour. */
const MAX_SOCKET_RETRY_DELAY_MS = 15 * 60_000;

export class TransportChoice {
  #failures = 0;
  #retries = 0;
  /** Whether the last attempt over HTTP failed, so that the next one takes a WebSocket again. */
  #httpFailed = false;

  /** `fixed` is `websocket` or `http`, or `auto` for a choice by what works. */
  constructor(fixed = "auto") {
    if (!["auto", "websocket", "http"].includes(fixed)) throw new TypeError(`${fixed} is no transport`);
    this.fixed = fixed;
  }

  /** Whether HTTP is tried while no WebSocket gets through. */
  get mayFallBack() {
    return this.fixed === "auto";
  }

  /** Return the way of the next attempt. */
  next() {
    if (this.fixed !== "auto") return this.fixed;
    return this.#failures >= MAX_SOCKET_FAILURES && !this.#httpFailed ? "http" : "websocket";
  }

  /**
   * Learn from the end of an attempt. `openMs` is how long it was open, or `null` if it never was. `isHung`: nothing
   * came in time. Only the failure of a network counts, not an answer of the server.
   */
  ended(transport, { openMs, isHung = false }) {
    if (transport === "http") {
      this.#httpFailed = openMs === null;
    } else if (openMs !== null && openMs >= STABLE_AFTER_MS) {
      this.#failures = this.#retries = 0;
    } else {
      this.#httpFailed = false;
      this.#failures = isHung ? MAX_SOCKET_FAILURES : this.#failures + 1;
    }
  }

  /** A socket that was opened beside HTTP failed. */
  retryFailed() {
    this.#retries += 1;
  }

  /** Milliseconds until a WebSocket is tried again while HTTP works; `null` if never. */
  get retryDelayMs() {
    if (this.fixed !== "auto") return null;
    return Math.min(MAX_SOCKET_RETRY_DELAY_MS, SOCKET_RETRY_DELAY_MS * 2 ** Math.min(this.#retries, 10));
  }
}
