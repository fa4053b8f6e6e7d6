// Close codes: the range alone is the verdict (docs/protocol.md, "close codes").

/** Done, as asked (RFC 6455, 7.4.1). */
export const NORMAL = 1000;
export const TOKEN_EXPIRED = 4401;

/** Whether a close with this code is the last word; any other is a reason to come back. */
export function isFinal(code) {
  return code >= 4500 && code <= 4999;
}
