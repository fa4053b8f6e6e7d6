// Close codes: the range alone says whether the client comes back (docs/protocol.md, "close codes").

/** Closed on request (RFC 6455, 7.4.1). */
export const NORMAL = 1000;
export const TOKEN_EXPIRED = 4401;

/** Return whether a close with this code ends the client; after any other it reconnects. */
export function isFinal(code) {
  return code >= 4500 && code <= 4999;
}
