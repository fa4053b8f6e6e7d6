// Queries: sent on the open connection at the server's rate, sent again on the next one, answered by `ref`.

import { abortable, Deferred, rejected } from "../deferred.js";
import { AyesError, MAX_INTERNAL_ERRORS } from "../error.js";

/** Queries without an answer that one client holds; the next one is refused with `busy`. */
const MAX_OPEN_QUERIES = 10_000;

export class Queries {
  #open = new Map();
  /** Queries to send as soon as the rate allows, in their order. */
  #due = new Set();
  #sendTimer = null;

  constructor({ connection, clock, backoff, answerTimeout, newRef, renew }) {
    Object.assign(this, { connection, clock, backoff, answerTimeout, newRef, renew });
  }

  /** Return the promise of the reply. The query is not sent again once `signal` is aborted. */
  ask(type, args, signal) {
    if (this.#open.size >= MAX_OPEN_QUERIES) return rejected(tooMany());
    const query = { ref: this.newRef(), type, args, deferred: new Deferred(), timer: null, tries: 0, defects: 0 };
    this.#open.set(query.ref, query);
    this.#push(query);
    return abortable(signal, query.deferred.promise, () => {
      this.#clearTimer(query);
      this.#remove(query);
    });
  }

  open() {
    for (const query of [...this.#open.values()]) this.#push(query);
  }

  /** The token was renewed: send the queries that the server refused for the old one. */
  renewed() {
    for (const query of this.#open.values()) {
      if (query.awaitsToken) this.#push(query);
    }
  }

  down() {
    this.#clearDue();
    for (const query of this.#open.values()) this.#clearTimer(query);
  }

  end(error) {
    const left = [...this.#open.values()];
    this.#open.clear();
    this.#clearDue();
    for (const query of left) {
      this.#clearTimer(query);
      query.deferred.reject(error);
    }
  }

  /** Return true if `message` answers a query, which it then settles or delays. */
  handle(message) {
    const query = this.#open.get(message.ref);
    if (!query) return false;
    this.#clearTimer(query);
    if (message.type !== "error") {
      this.#remove(query);
      query.deferred.resolve(message);
      return true;
    }
    const error = AyesError.from(message);
    if (error.code === "internal") query.defects += 1;
    if (error.retry === "same" && query.defects < MAX_INTERNAL_ERRORS) {
      this.#pushAfter(query, error.retryAfterMs ?? this.backoff.after(query.tries));
    } else if (error.retry === "auth") {
      query.awaitsToken = true;
      this.renew();
    } else {
      this.#remove(query);
      query.deferred.reject(error);
    }
    return true;
  }

  #push(query) {
    this.#clearTimer(query);
    query.awaitsToken = false;
    this.#due.add(query);
    if (this.#sendTimer === null) this.#send();
  }

  #send() {
    this.#sendTimer = null;
    for (const query of this.#due) {
      if (!this.connection.open || this.connection.draining) return;
      const { delayMs } = this.connection.bucket;
      if (delayMs > 0) {
        this.#sendTimer = this.clock.setTimeout(() => this.#send(), delayMs);
        return;
      }
      const { ref, type, args } = query;
      this.#due.delete(query);
      query.tries += 1;
      this.connection.send([{ ...args, type, ref }]);
      this.#pushAfter(query, this.answerTimeout);
    }
  }

  /** The connection is gone: `open` sends every query on the next one. */
  #clearDue() {
    this.#due.clear();
    if (this.#sendTimer !== null) this.clock.clearTimeout(this.#sendTimer);
    this.#sendTimer = null;
  }

  #remove(query) {
    this.#open.delete(query.ref);
    this.#due.delete(query);
  }

  #pushAfter(query, ms) {
    query.timer = this.clock.setTimeout(() => this.#push(query), ms);
  }

  #clearTimer(query) {
    if (query.timer !== null) this.clock.clearTimeout(query.timer);
    query.timer = null;
  }
}

function tooMany() {
  const details = { limit: MAX_OPEN_QUERIES };
  return new AyesError("busy", `${MAX_OPEN_QUERIES} queries wait without an answer`, { retry: "same", details });
}
