// The source of tokens, and the token in use.

import { withTimeout } from "../deferred.js";
import { expiryOf, subjectOf } from "../wire/jwt.js";

/** Longest wait for a token function. Beyond it the attempt to connect fails, and is repeated. */
const TOKEN_TIMEOUT_MS = 30_000;

/** Bound of every delay after a token function that failed: it is the application's own backend, not a server restarting. */
const MAX_TOKEN_DELAY_MS = 5_000;

/** The delays between calls of a token function that fails, of those between connections. */
export function tokenDelays({ base, cap = MAX_TOKEN_DELAY_MS } = {}) {
  return { base, cap: Math.min(cap, MAX_TOKEN_DELAY_MS) };
}

export class Token {
  /** The token in use, or about to be; `undefined` until the function has returned one. */
  current = undefined;
  /** The server called the current one expired, whatever the clock here says. */
  ended = false;
  /** Subject of the token of the last welcome, and the user that the server named for it. */
  #welcomed = null;

  /** `onNew()` is called when the function has returned a token, before the token is used. */
  constructor(source, clock, onNew = () => {}) {
    // Without a token, the handshake may have one. Only the type is said: the value may hold a secret.
    const kind = source === null ? "null" : typeof source;
    if (!["string", "function", "undefined"].includes(kind)) {
      throw new TypeError(`token is a text, or a function that returns one, not ${kind}`);
    }
    Object.assign(this, { source: trimmed(source), clock, onNew });
    this.forget();
  }

  /** Whether another call can return another token. */
  get renewable() {
    return typeof this.source === "function";
  }

  /** Return a token of now; reject with the error of the function. */
  async get() {
    if (this.renewable) {
      const called = Promise.resolve().then(() => this.source({ expired: this.ended }));
      this.current = trimmed(await withTimeout(called, TOKEN_TIMEOUT_MS, this.clock, "the token"));
      this.ended = false;
      this.onNew();
    }
    return this.current;
  }

  /** The client starts again, perhaps as another user: earlier tokens of the function do not count. */
  forget() {
    this.current = this.renewable ? undefined : this.source;
    this.#welcomed = null;
  }

  /** The user that the current token names; `undefined` before there is a token. */
  get subject() {
    return this.current === undefined ? undefined : subjectOf(this.current);
  }

  /** The server accepted the current token as that of `user`. */
  welcomed(user) {
    this.#welcomed = { subject: this.subject, user };
  }

  /**
   * Return the user of a command that is given now; `undefined` before there is a token. Without a connection the
   * current token may be another user's than that of the last welcome.
   */
  owner(connected) {
    const { subject } = this;
    const { user, subject: before } = this.#welcomed ?? {};
    return user !== undefined && (connected || subject === before) ? user : subject;
  }

  /** When the current token expires (milliseconds since 1970), or `null` if it does not say. */
  get expires() {
    return expiryOf(this.current);
  }
}

/** White space around a token, such as the end of a file's line, is no part of it. */
function trimmed(token) {
  return typeof token === "string" ? token.trim() : token;
}
