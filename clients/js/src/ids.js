// UUIDv7 (RFC 9562, 5.7): 48 bits of Unix milliseconds, then random bits, so that ids sort by time, to
// the minute. The journal shows ids, also of secret votes: with the exact time they would show how far
// this clock is from the server's, and so whose they are (RFC 9562, 6.1, has such fuzzing).

const RANDOM_BYTES = 14;
const FUZZ_MS = 60_000;

/** Make a fresh id; `now` is in milliseconds since 1970. */
export function newId(now = Date.now()) {
  const random = crypto.getRandomValues(new Uint8Array(RANDOM_BYTES));
  random[0] = 0x70 | (random[0] & 0x0f);
  random[2] = 0x80 | (random[2] & 0x3f);
  const earlier = new DataView(random.buffer).getUint32(10) % FUZZ_MS;
  const time = (Math.floor(now) - earlier).toString(16).padStart(12, "0").slice(-12);
  const rest = Array.from(random.subarray(0, 10), (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [time.slice(0, 8), time.slice(8), rest.slice(0, 4), rest.slice(4, 8), rest.slice(8)].join("-");
}
