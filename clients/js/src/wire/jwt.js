// What a token says of itself. The client reads these claims and verifies nothing.

/** Prefix of the subject of a token that names no user; a digest of the token follows. */
export const OPAQUE_PREFIX = "token:";

/** Return the `exp` of a JWT (RFC 7519, 4.1.4) in milliseconds, or `null` if it has none. */
export function expiryOf(token) {
  const { exp } = claimsOf(token);
  return Number.isFinite(exp) ? exp * 1000 : null;
}

/**
 * Return the `sub` of a JWT (RFC 7519, 4.1.2), by which one user's commands are kept apart from another's. A token of
 * another kind gives a digest (FNV-1a): enough to distinguish tokens, and too short to guess a token from.
 */
export function subjectOf(token) {
  const { sub } = claimsOf(token);
  if (typeof sub === "string" && sub !== "") return sub;
  let digest = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(token)) {
    digest = BigInt.asUintN(64, (digest ^ BigInt(byte)) * 0x100000001b3n);
  }
  return OPAQUE_PREFIX + digest.toString(16);
}

/** Return the claims of a JWT, unverified; empty for any other token. */
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
