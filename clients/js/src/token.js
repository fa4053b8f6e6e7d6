// Where tokens come from, and when the one in use ends.

import { within } from "./deferred.js";

/** Longest that a token function may take. */
const PATIENCE_MS = 30_000;

export class Token {
  /** The one given last. */
  current = undefined;
  /** The server said that it has ended, whatever the clock here says. */
  ended = false;

  constructor(given, clock) {
    this.given = given;
    this.clock = clock;
  }

  /** Whether asking again can bring another one. */
  get renewable() {
    return typeof this.given === "function";
  }

  /** A token, asked for now; rejects with whatever the function does. */
  async ask() {
    if (this.renewable) {
      const asked = Promise.resolve().then(() => this.given({ expired: this.ended }));
      this.current = await within(asked, PATIENCE_MS, this.clock, "the token");
      this.ended = false;
    } else {
      this.current = this.given;
    }
    return this.current;
  }

  /** When the current one ends (milliseconds since 1970), or `null` where it does not say. */
  get expires() {
    return expiryOf(this.current);
  }
}

/** The `exp` of a JWT (RFC 7519, 4.1.4) in milliseconds; only read, not verified. */
export function expiryOf(token) {
  if (typeof token !== "string") return null;
  const body = token.split(".")[1];
  if (!body) return null;
  try {
    const claims = JSON.parse(atob(body.replaceAll("-", "+").replaceAll("_", "/")));
    return Number.isFinite(claims?.exp) ? claims.exp * 1000 : null;
  } catch {
    return null;
  }
}
