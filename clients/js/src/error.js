// What a promise of this client rejects with: an error of the server's table, or one of its own.

/** So often a defect of the server is taken for a passing one. */
export const MOST_INTERNAL = 8;

export class AyesError extends Error {
  constructor(code, message, more = {}) {
    super(message || code);
    this.name = "AyesError";
    this.code = code;
    this.effect = more.effect ?? "none";
    this.retry = more.retry ?? "no";
    this.details = more.details ?? {};
    this.id = more.id;
    this.event = more.event;
    this.retryAfterMs = more.retryAfterMs;
    this.replayed = more.replayed ?? false;
  }

  /** The error that an `error` message of the server tells. */
  static from(message) {
    return new AyesError(message.code, message.message, {
      effect: message.effect,
      retry: message.retry,
      details: message.details,
      id: message.id,
      event: message.event,
      retryAfterMs: message.retry_after_ms,
      replayed: message.replayed,
    });
  }

  /** The client was stopped by its user. `effect` is unknown: what was sent may have happened. */
  static stopped(more) {
    return new AyesError("stopped", "the client was stopped", { effect: "unknown", retry: "same", ...more });
  }
}
