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

/** What a final close says to those who set up the application; `origin` is its page's. */
export function meaningOf(code, origin = "this address") {
  return MEANINGS[code]?.(origin) ?? `the server closed with ${code}`;
}

const MEANINGS = Object.freeze({
  4500: () => "the server does not accept this token (4500); its log says why",
  4501: () => "the server did not understand this client (4501)",
  4503: () => "the access of this user was revoked (4503)",
  4504: () => "this user has too many connections (4504)",
  4505: (origin) => `the server takes no pages from ${origin} (4505): add it to its setting AYES_ALLOWED_ORIGINS`,
  4506: () => "the server speaks another version of the protocol (4506)",
});
