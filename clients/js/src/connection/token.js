// Where tokens come from, and when the one in use ends.

import { within } from "./deferred.js";

/** Longest that a token function may take. */
const PATIENCE_MS = 30_000;
/** Begins the subject of a token that names no user: a digest of the token follows. */
export const OPAQUE = "token:";

export class Token {
  /** The one in use, or about to be; `undefined` until the function has made one. */
  current = undefined;
  /** The server said that it has ended, whatever the clock here says. */
  ended = false;
  #welcomed = null;

  /** `arrived()` is called when the function has made one, before it is used. */
  constructor(given, clock, arrived = () => {}) {
    Object.assign(this, { given, clock, arrived });
    this.forget();
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
      this.arrived();
    }
    return this.current;
  }

  /** The client starts again, perhaps as another user: what the function made before says nothing. */
  forget() {
    this.current = this.renewable ? undefined : this.given;
    this.#welcomed = null;
  }

  /** Whose the current one is; `undefined` before there is one. */
  get subject() {
    return this.current === undefined ? undefined : subjectOf(this.current);
  }

  /** The server took the current one for `user`'s. */
  welcomed(user) {
    this.#welcomed = { subject: this.subject, user };
  }

  /**
   * The user whose a command given now is; `undefined` before there is a token. Without a connection the current
   * token may be another user's than the last welcome.
   */
  owner(connected) {
    const { subject } = this;
    const { user, subject: before } = this.#welcomed ?? {};
    return user !== undefined && (connected || subject === before) ? user : subject;
  }

  /** When the current one ends (milliseconds since 1970), or `null` where it does not say. */
  get expires() {
    return expiryOf(this.current);
  }
}

/** The `exp` of a JWT (RFC 7519, 4.1.4) in milliseconds; only read, not verified. */
export function expiryOf(token) {
  const { exp } = claimsOf(token);
  return Number.isFinite(exp) ? exp * 1000 : null;
}

/**
 * The `sub` of a JWT (RFC 7519, 4.1.2): keeps one user's commands apart from another's. A token of another kind gives
 * a digest (FNV-1a), which tells it from other tokens and is too short to guess one from.
 */
function subjectOf(token) {
  const { sub } = claimsOf(token);
  if (typeof sub === "string" && sub !== "") return sub;
  let digest = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(token)) {
    digest = BigInt.asUintN(64, (digest ^ BigInt(byte)) * 0x100000001b3n);
  }
  return OPAQUE + digest.toString(16);
}

/** The claims of a JWT, unverified; empty for a token of another kind. */
function claimsOf(token) {
  if (typeof token !== "string") return {};
  const body = token.split(".")[1];
  if (!body) return {};
  try {
    const bytes = Uint8Array.from(atob(body.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes)) ?? {};
  } catch {
    return {};
  }
}
