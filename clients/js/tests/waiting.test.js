import assert from "node:assert/strict";
import { test } from "node:test";

import { LIMITS, begin, opened, settled, snapshot, welcome } from "./fakes.js";

const VOTE = { event: "e1", proposal: "p1", revision: 1 };
const reason = new DOMException("too long", "TimeoutError");
const ended = (error) => error === reason;

test("a signal ends the wait for a command, and not the command", async () => {
  const { client, last } = await opened();
  const patience = new AbortController();
  const vote = client.command("vote.cast", VOTE, { id: "patient-01", signal: patience.signal });
  await settled();
  patience.abort(reason);
  await assert.rejects(vote, ended);
  assert.deepEqual(client.pending.map(({ id }) => id), ["patient-01"]);
  const adopted = client.adopt("patient-01");
  last().hear({ type: "ack", id: "patient-01", event: "e1", seq: 2 });
  assert.equal((await adopted).seq, 2);
});

test("a query whose wait has ended is not asked again", async () => {
  const { client, clock, last } = await opened();
  const patience = new AbortController();
  const asked = client.query("events.list", {}, { signal: patience.signal });
  await settled();
  patience.abort(reason);
  await assert.rejects(asked, ended);
  const timers = clock.waiting;
  await clock.pass(16_000);
  assert.equal(last().of("events.list").length, 1);
  // A late answer is nobody's.
  last().hear({ type: "events", ref: last().of("events.list")[0].ref, events: [] });
  await settled();
  assert.ok(timers <= 2, `${timers} timers`);
});

test("a room is entered still where the wait for it has ended, and a mark is forgotten", async () => {
  const { client, last } = await opened();
  const patience = new AbortController();
  const entering = client.subscribe("e1", { signal: patience.signal });
  patience.abort(reason);
  await assert.rejects(entering, ended);
  last().hear(snapshot());
  const room = await client.subscribe("e1");
  assert.equal(client.rooms.get("e1"), room);
  const more = new AbortController();
  const reached = room.reached(7, { signal: more.signal });
  more.abort(reason);
  await assert.rejects(reached, ended);
  await room.reached(1, { signal: AbortSignal.timeout(60_000) });
});

test("what is asked with a signal that was aborted already is not begun", async () => {
  const { client, last } = await opened();
  const signal = AbortSignal.abort(reason);
  for (const wait of [
    client.command("vote.cast", VOTE, { signal }),
    client.query("events.list", {}, { signal }),
    client.subscribe("e1", { signal }),
  ]) await assert.rejects(wait, ended);
  await settled();
  assert.deepEqual(last().said.map(({ type }) => type), ["hello"]);
  assert.deepEqual([client.pending.length, client.rooms.size], [0, 0]);
});

test("an answer lets go of the signal", async () => {
  const { client, last } = await opened();
  const patience = new AbortController();
  let listening = 0;
  const { signal } = patience;
  const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)];
  signal.addEventListener = (...given) => ((listening += 1), add(...given));
  signal.removeEventListener = (...given) => ((listening -= 1), remove(...given));
  const vote = client.command("vote.cast", VOTE, { id: "answered-1", signal });
  const asked = client.query("events.list", {}, { signal });
  await settled();
  assert.equal(listening, 2);
  last().hear({ type: "ack", id: "answered-1", event: "e1", seq: 2 });
  last().hear({ type: "events", ref: last().of("events.list")[0].ref, events: [] });
  assert.deepEqual([(await vote).seq, (await asked).events], [2, []]);
  assert.equal(listening, 0);
  patience.abort(reason);
  await settled();
});

test("queries keep to the server's pace", async () => {
  const limits = { ...LIMITS, burst: 10, commands_per_second: 10 };
  const { client, clock, last } = await opened({}, { limits });
  const asked = Array.from({ length: 40 }, () => client.query("events.list"));
  await settled();
  const first = last().of("events.list").length;
  assert.ok(first <= limits.burst, `${first} at once`);
  await clock.pass(1_000);
  const then = last().of("events.list").length;
  assert.ok(then > first && then <= limits.burst + 10, `${then} within a second`);
  await clock.pass(4_000);
  for (const { ref } of last().of("events.list")) last().hear({ type: "events", ref, events: [] });
  await Promise.all(asked);
  await client.stop();
  assert.equal(clock.waiting, 0);
});

test("no more than 10,000 queries wait for an answer", async () => {
  const { client, last } = await opened();
  const first = client.query("events.list");
  for (let n = 1; n < 10_000; n += 1) client.query("events.list");
  await assert.rejects(client.query("events.list"), { code: "busy", effect: "none", retry: "same", details: { limit: 10_000 } });
  const [{ ref }] = last().of("events.list");
  last().hear({ type: "events", ref, events: [] });
  await first;
  const patience = new AbortController();
  const waits = client.query("events.list", {}, { signal: patience.signal });
  patience.abort(reason);
  await assert.rejects(waits, ended);
  await client.stop();
});

test("no more than 10,000 commands wait for an answer", async () => {
  const { client, last } = begin();
  const first = client.command("vote.cast", VOTE, { id: "first-001" });
  for (let n = 1; n < 10_000; n += 1) client.command("vote.cast", { ...VOTE, proposal: `p${n}` });
  const full = { code: "busy", effect: "none", retry: "same", id: "one-more-1", details: { limit: 10_000 } };
  await assert.rejects(client.command("vote.cast", VOTE, { id: "one-more-1" }), full);
  // One that waits already is not one more.
  assert.equal(client.command("vote.cast", VOTE, { id: "first-001" }), first);
  assert.equal(client.pending.length, 10_000);
  client.cancel("first-001");
  client.command("vote.cast", VOTE, { id: "one-more-1" });
  assert.equal(client.pending.length, 10_000);
  client.start();
  await settled();
  last().open();
  last().hear(welcome());
  await settled();
  assert.ok(last().of("vote.cast").length > 0);
  await client.stop();
});

test("a room comes at intervals, whatever is done with the wall clock, until a signal ends it", async () => {
  const { client, clock, last } = await opened();
  const entering = client.subscribe("e1");
  last().hear(snapshot());
  const room = await entering;
  const patience = new AbortController();
  const turns = room.every(1_000, { signal: patience.signal });
  for (const jump of [0, -3_600_000, 3_600_000]) {
    const turn = turns.next();
    await settled();
    clock.jump(jump);
    await clock.pass(1_000);
    assert.equal((await turn).value, room);
    clock.jump(jump);
  }
  const turn = turns.next();
  patience.abort(reason);
  await assert.rejects(turn, ended);
  await client.stop();
  assert.equal(clock.waiting, 0);
});

test("it ends with what was asked for, with the room, and fails as the client does", async () => {
  const { client, clock, last } = await opened();
  const entering = client.subscribe("e1");
  last().hear(snapshot());
  const room = await entering;
  assert.deepEqual(await room.every(1_000, { until: () => true }).next(), { done: true, value: undefined });
  const failing = room.every(1_000).next();
  await client.stop();
  await assert.rejects(failing, { code: "stopped" });
  assert.equal(clock.waiting, 0);
});

test("an ignored createEvent or join that is refused is no unhandled rejection", async () => {
  const { client } = await opened();
  client.createEvent("Where do we eat?");
  client.join("A1B2C3");
  client.join("A1B2C3", { signal: AbortSignal.abort(reason) });
  await client.stop();
  await settled();
});
