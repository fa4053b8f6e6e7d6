import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { AyesError, mergePatch, newId } from "../ayes.js";
import { Changes } from "../src/rooms/changes.js";
import { VERSION } from "../src/version.js";
import { httpUrl, socketUrl } from "../src/wire/address.js";
import { Backoff } from "../src/wire/backoff.js";
import { isFinal } from "../src/wire/close-codes.js";
import { mayFollow, TRANSITIONS } from "../src/wire/connection-states.js";
import { expiryOf } from "../src/wire/jwt.js";
import { TokenBucket } from "../src/wire/token-bucket.js";
import { FakeClock } from "./fakes.js";

// RFC 7396, appendix A.
const CASES = [
  ['{"a":"b"}', '{"a":"c"}', '{"a":"c"}'],
  ['{"a":"b"}', '{"b":"c"}', '{"a":"b","b":"c"}'],
  ['{"a":"b"}', '{"a":null}', "{}"],
  ['{"a":"b","b":"c"}', '{"a":null}', '{"b":"c"}'],
  ['{"a":["b"]}', '{"a":"c"}', '{"a":"c"}'],
  ['{"a":"c"}', '{"a":["b"]}', '{"a":["b"]}'],
  ['{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', '{"a":{"b":"d"}}'],
  ['{"a":[{"b":"c"}]}', '{"a":[1]}', '{"a":[1]}'],
  ['["a","b"]', '["c","d"]', '["c","d"]'],
  ['{"a":"b"}', '["c"]', '["c"]'],
  ['{"a":"foo"}', "null", "null"],
  ['{"a":"foo"}', '"bar"', '"bar"'],
  ['{"e":null}', '{"a":1}', '{"e":null,"a":1}'],
  ["[1,2]", '{"a":"b","c":null}', '{"a":"b"}'],
  ["{}", '{"a":{"bb":{"ccc":null}}}', '{"a":{"bb":{}}}'],
];

test("a merge patch is applied as RFC 7396 says", () => {
  for (const [target, patch, result] of CASES) {
    assert.deepEqual(mergePatch(JSON.parse(target), JSON.parse(patch)), JSON.parse(result));
  }
});

test("a merge patch changes neither of its arguments, and shares what it does not name", () => {
  const target = { a: { b: 1 }, c: { d: 1 } };
  const patch = { a: { b: 2 } };
  const folded = mergePatch(target, patch);
  assert.deepEqual([target, patch], [{ a: { b: 1 }, c: { d: 1 } }, { a: { b: 2 } }]);
  assert.equal(folded.c, target.c);
});

test("a key like __proto__ is data, and reaches no prototype", () => {
  const patch = JSON.parse('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"toString":{"a":1}}');
  const folded = mergePatch({}, patch);
  assert.equal({}.polluted, undefined);
  assert.equal(Object.getPrototypeOf(folded), Object.prototype);
  assert.equal(JSON.stringify(folded), JSON.stringify(patch));
  const further = mergePatch(folded, JSON.parse('{"__proto__":{"more":2}}'));
  assert.equal(JSON.stringify(Object.getOwnPropertyDescriptor(further, "__proto__").value), '{"polluted":1,"more":2}');
  assert.equal(JSON.stringify(mergePatch(folded, JSON.parse('{"__proto__":null}')).constructor), '{"prototype":{"polluted":1}}');
  assert.ok(!Object.hasOwn(mergePatch(folded, JSON.parse('{"__proto__":null}')), "__proto__"));
});

test("ids are UUIDv7, sort by time to the minute and do not repeat", () => {
  const ids = Array.from({ length: 1000 }, (_, index) => newId(1_700_000_000_000 + index * 60_000));
  for (const id of ids) assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.deepEqual([...ids].sort(), ids);
  const times = ids.map((id, index) => 1_700_000_000_000 + index * 60_000 - parseInt(id.slice(0, 8) + id.slice(9, 13), 16));
  assert.ok(times.every((early) => early >= 0 && early < 60_000));
  assert.ok(Math.max(...times) > 30_000, "the clock can be read from the ids");
  assert.equal(new Set(ids).size, ids.length);
});

test("waits are random below a bound that doubles up to its cap", () => {
  const backoff = new Backoff(() => 0.5, { base: 100, cap: 1000 });
  assert.deepEqual(Array.from({ length: 6 }, () => backoff.next()), [50, 100, 200, 400, 500, 500]);
  backoff.reset();
  assert.equal(backoff.next(), 50);
  assert.equal(backoff.after(2000), 500);
});

test("a token bucket allows a burst, then the rate", async () => {
  const clock = new FakeClock();
  const bucket = new TokenBucket(clock);
  assert.equal(bucket.available, Infinity);
  bucket.open({ burst: 100, commands_per_second: 10 });
  bucket.spend(bucket.available);
  assert.ok(bucket.delayMs > 90 && bucket.delayMs < 120);
  await clock.pass(bucket.delayMs);
  assert.equal(bucket.available, 1);
});

test("every state of a connection can be left but by itself", () => {
  for (const [state, next] of Object.entries(TRANSITIONS)) {
    assert.ok(next.length > 0);
    assert.ok(!mayFollow(state, state));
    for (const name of next) assert.ok(Object.hasOwn(TRANSITIONS, name));
  }
});

test("the range of a close code is the verdict", () => {
  assert.deepEqual([4499, 4500, 4999, 5000, 1000, 1006].map(isFinal), [false, true, true, false, false, false]);
});

test("a server's address is its socket's", () => {
  assert.equal(socketUrl("https://decide.example"), "wss://decide.example/v1/socket");
  assert.equal(socketUrl("http://localhost:8000/#x"), "ws://localhost:8000/v1/socket");
  assert.equal(socketUrl("ws://localhost/v1/socket"), "ws://localhost/v1/socket");
  assert.equal(socketUrl("/", "https://decide.example/room"), "wss://decide.example/v1/socket");
});

test("a path of the address stays, however it is written", () => {
  for (const given of ["https://h/decide", "https://h/decide/", "https://h/decide/v1/socket", "wss://h/decide"]) {
    assert.equal(socketUrl(given), "wss://h/decide/v1/socket");
  }
  assert.equal(socketUrl("./", "https://h/decide/#/e/1"), "wss://h/decide/v1/socket");
  assert.equal(socketUrl(new URL("wss://h:8443/v1/socket")), "wss://h:8443/v1/socket");
  assert.equal(httpUrl("wss://h/decide/v1/socket"), "https://h/decide");
  assert.equal(httpUrl("ws://h:8400/v1/socket"), "http://h:8400");
  for (const given of ["ftp://h", "https://ada@h", "https://ada:pw@h", "https://h/?token=t"]) {
    assert.throws(() => socketUrl(given), TypeError, given);
  }
});

test("the end of a token is read where it can be", () => {
  const jwt = (claims) => `e30.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.c2ln`;
  assert.equal(expiryOf(jwt({ exp: 1700000000, name: "Ünï?>" })), 1_700_000_000_000);
  for (const token of [jwt({}), jwt({ exp: "soon" }), "opaque", "a.!!.c", "a.e30", undefined, null]) {
    assert.equal(expiryOf(token), null);
  }
});

test("a slow reader of changes gets several as one", async () => {
  const changes = new Changes(() => {});
  for (let seq = 1; seq <= 1000; seq += 1) changes.push({ from: seq - 1, seq });
  changes.end();
  const read = [];
  for await (const change of changes) read.push(change);
  assert.ok(read.length <= 256);
  assert.deepEqual([read[0].from, read.at(-1).seq], [0, 1000]);
  for (let index = 1; index < read.length; index += 1) assert.equal(read[index].from, read[index - 1].seq);
  assert.equal(read[0].reason, "lag");
});

test("an error says everything that the server said", () => {
  const said = { code: "stale", message: "m", effect: "none", retry: "fix", details: { current: 2 }, id: "i", event: "e", retry_after_ms: 5, replayed: true };
  const error = AyesError.from(said);
  assert.ok(error instanceof Error);
  const { code, message, effect, retry, details, id, event, retryAfterMs, replayed } = error;
  assert.deepEqual({ code, message, effect, retry, details, id, event, retry_after_ms: retryAfterMs, replayed }, said);
});

test("the version is the package's", () => {
  assert.equal(VERSION, JSON.parse(readFileSync(new URL("../package.json", import.meta.url))).version);
});
