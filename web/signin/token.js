// The claims of a token. Only the server decides whether it is valid.

import { SignInError } from "./error.js";

/**
 * The claims of a JSON Web Token (RFC 7519), its signature not looked at. Throws a SignInError
 * `malformed` if it is not a token that the server could accept.
 */
export function claimsOf(token) {
  try {
    const [, payload] = token.match(/^[\w-]+\.([\w-]+)\.[\w-]+$/);
    const bytes = Uint8Array.from(atob(payload.replaceAll("-", "+").replaceAll("_", "/")), (c) =>
      c.charCodeAt(0),
    );
    const claims = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    if (!Number.isFinite(claims.exp)) throw new TypeError("it does not say when it ends");
    return claims;
  } catch (cause) {
    throw new SignInError("malformed", { cause });
  }
}

/** The person's name there, or null. */
export function nameIn(claims) {
  const name = [claims.name, claims.preferred_username, claims.sub].find(
    (value) => typeof value === "string" && value.trim(),
  );
  return name ?? null;
}

/**
 * When a token that was made a moment ago ends, in milliseconds of this machine's clock, which may
 * be minutes away from its maker's: how long it lives is what both agree on.
 */
export function endOfFresh(claims, now = Date.now()) {
  return Number.isFinite(claims.iat) ? now + (claims.exp - claims.iat) * 1000 : claims.exp * 1000;
}
