// The error that every promise of this client rejects with: a code of the server's table, or one of its own.

/**
 * `internal` answers to one message before the client gives up. Each may be a passing defect; so many in a row are a
 * defect that another try does not cure.
 */
export const MAX_INTERNAL_ERRORS = 8;

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

  /** Make the error that an `error` message of the server describes. */
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

  /** The user stopped the client. `effect` is unknown, since a command that was sent may have been decided. */
  static stopped(more) {
    return new AyesError("stopped", "the client was stopped", { effect: "unknown", retry: "same", ...more });
  }
}
