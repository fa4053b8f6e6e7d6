// Close codes: the range alone says whether the client comes back (docs/protocol.md, "close codes").

/** Closed on request (RFC 6455, 7.4.1). */
export const NORMAL = 1000;
/** The network ended the connection (RFC 6455, 7.4.1). */
export const ABNORMAL = 1006;
/** The server restarts (IANA's registry of close codes): its library closes so. */
const SERVICE_RESTART = 1012;
export const TOKEN_EXPIRED = 4401;
export const TOKEN_TOO_EARLY = 4402;
export const TRY_AGAIN_LATER = 4429;
export const BAD_TOKEN = 4500;
/** The codes from here on are the application's. */
const FIRST_APPLICATION_CLOSE = 4000;

/** Return whether a close with this code ends the client; after any other it reconnects. */
export function isFinal(code) {
  return code >= 4500 && code <= 4999;
}

/** Return whether the server itself closed with this code, so that its socket had got through the network. */
export function isServers(code) {
  return code === SERVICE_RESTART || code >= FIRST_APPLICATION_CLOSE;
}
