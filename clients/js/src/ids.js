// UUIDv7 (RFC 9562, 5.7): 48 bits of Unix milliseconds, then random bits, so that ids sort by time.

const RANDOM_BYTES = 10;

/** Make a fresh id; `now` is in milliseconds since 1970. */
export function newId(now = Date.now()) {
  const random = crypto.getRandomValues(new Uint8Array(RANDOM_BYTES));
  random[0] = 0x70 | (random[0] & 0x0f);
  random[2] = 0x80 | (random[2] & 0x3f);
  const time = Math.floor(now).toString(16).padStart(12, "0").slice(-12);
  const rest = Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [time.slice(0, 8), time.slice(8), rest.slice(0, 4), rest.slice(4, 8), rest.slice(8)].join("-");
}
