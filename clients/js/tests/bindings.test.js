import assert from "node:assert/strict";
import { test } from "node:test";

import { Acting, ballotOf, connectionOf, ordered, steady } from "../src/bindings/views.js";
import { held } from "../src/bindings/held.js";
import { fakeRoom } from "../testing.js";
import { opened, settled, snapshot } from "./fakes.js";

const GRACE_MS = 1_000;

async function used(t) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const parts = await opened();
  const entry = held(parts.client, "e1");
  const end = entry.use();
  parts.last().hear(snapshot());
  await entry.settled;
  return { ...parts, entry, end };
}

test("a room is held by all its components, and left a moment after the last of them", async (t) => {
  const { client, entry, end, last } = await used(t);
  assert.equal(held(client, "e1"), entry);
  const again = held(client, "e1").use();
  end();
  end();
  t.mock.timers.tick(GRACE_MS);
  assert.equal(entry.room.closed, undefined, "one component still uses it");
  again();
  // StrictMode, or a view in the place of another: it is used again before it was left.
  const soon = held(client, "e1").use();
  t.mock.timers.tick(GRACE_MS);
  assert.equal(entry.room.closed, undefined);
  soon();
  t.mock.timers.tick(GRACE_MS);
  assert.equal(entry.room.closed, "client");
  assert.equal(last().of("unsubscribe").length, 1);
  assert.notEqual(held(client, "e1"), entry);
  await client.stop();
});

test("components do not leave a room that the application has entered too", async (t) => {
  const { client, entry, end } = await used(t);
  const own = await client.subscribe("e1");
  assert.equal(own, entry.room);
  end();
  t.mock.timers.tick(GRACE_MS);
  assert.equal(own.closed, undefined);
  await own.leave();
  assert.equal(own.closed, "client");
  await client.stop();
});

test("a render that is thrown away holds no room for ever", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { client, last } = await opened();
  const entry = held(client, "e1");
  last().hear(snapshot());
  await entry.settled;
  t.mock.timers.tick(30_000);
  assert.equal(entry.room.closed, "client");
  await client.stop();
});

test("a refusal is heard by everybody who waits, and asked again later", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { client, last } = await opened();
  const entry = held(client, "e1");
  entry.use();
  const { ref } = last().of("subscribe")[0];
  last().hear({ type: "error", ref, event: "e1", code: "not_found", effect: "none", retry: "no", details: {} });
  await entry.settled;
  assert.equal(entry.error.code, "not_found");
  assert.equal(held(client, "e1"), entry);
  t.mock.timers.tick(1_000);
  assert.notEqual(held(client, "e1"), entry);
  await client.stop();
});

test("a room that the server closed is entered again by the next component", async (t) => {
  const { client, entry, last } = await used(t);
  last().hear({ type: "unsubscribed", event: "e1", reason: "removed" });
  assert.notEqual(held(client, "e1"), entry);
  await client.stop();
});

test("a view stays the same object while it says the same", () => {
  let value = { a: [1] };
  const look = steady(() => ({ ...value }));
  const first = look();
  assert.equal(look(), first);
  value = { a: [2] };
  assert.notEqual(look(), first);
});

test("the line says why there is none", async () => {
  const { client, last } = await opened();
  assert.deepEqual([connectionOf(client).status, connectionOf(client).why], ["open", null]);
  last().end(1006);
  const { status, why, where, retryAt } = connectionOf(client);
  assert.deepEqual([status, where, typeof retryAt], ["waiting", "server", "number"]);
  assert.match(why, /the connection was lost/);
  await client.stop();
});

test("a ballot's view has its options in order, and what is one's own", async () => {
  const options = { b: { content: "Second", position: 2 }, a: { content: "First", position: 1 } };
  const room = fakeRoom({ state: { options, counts: { ballots: 1 } } });
  const { method, isOpen, options: shown, ballot, submitted } = ballotOf(room);
  assert.deepEqual([method, isOpen, ballot, submitted], ["single", true, null, 1]);
  assert.deepEqual(shown.map(({ id }) => id), ["a", "b"]);
  assert.deepEqual(ordered({ y: { no: 2 }, x: { no: 2 }, z: { no: 1 } }).map(({ id }) => id), ["z", "x", "y"]);
  room.set({ you: { ballot: { option: "a", criterion_order: [], criteria_rev: 1 } } });
  assert.equal(ballotOf(room).ballot.option, "a");
});

test("an act never rejects: the refusal is kept until the next one", async () => {
  let told = 0;
  const acting = new Acting(() => (told += 1));
  const refused = Object.assign(new Error("no"), { code: "proposal_closed" });
  assert.equal(await acting.run(() => Promise.reject(refused)), undefined);
  assert.deepEqual([acting.error, told], [refused, 1]);
  assert.equal(await acting.run(() => Promise.resolve("ack")), "ack");
  assert.deepEqual([acting.error, told], [null, 2]);
  await acting.run(() => Promise.reject(Object.assign(new Error(), { code: "stopped" })));
  assert.equal(acting.error, null);
  await settled();
});
