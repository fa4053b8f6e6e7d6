// Close codes: the range alone says whether the client comes back (docs/protocol.md, "close codes").

/** Closed on request (RFC 6455, 7.4.1). */
export const NORMAL = 1000;
/** The network ended the connection (RFC 6455, 7.4.1). */
export const ABNORMAL = 1006;
export const TOKEN_EXPIRED = 4401;
export const TOKEN_TOO_EARLY = 4402;
export const TRY_AGAIN_LATER = 4429;
export const BAD_TOKEN = 4500;
/** The codes from here on are the server's own, so that its socket got through. */
export const FIRST_APPLICATION_CLOSE = 4000;

/** Return whether a close with this code ends the client; after any other it reconnects. */
export function isFinal(code) {
  return code >= 4500 && code <= 4999;
}
