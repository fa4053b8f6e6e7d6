import assert from "node:assert/strict";
import { test } from "node:test";

import { begin, opened, settled, welcome } from "./fakes.js";

const VOTE = { event: "e1", proposal: "p1", revision: 1 };
const TEN_MINUTES = 600_000;
const at = (ms) => new Date(ms).toISOString();

test("the server's clock is known from the welcome on, and follows heartbeats and pongs", async () => {
  const { client, clock, last } = await opened({}, { time: at(1_000_000 + TEN_MINUTES) });
  assert.equal(client.now(), clock.now() + TEN_MINUTES);
  await clock.pass(5_000);
  assert.equal(client.now(), clock.now() + TEN_MINUTES);
  // A message that was late on its way says nothing new.
  last().hear({ type: "heartbeat", time: at(clock.now() + TEN_MINUTES - 400), positions: {} });
  assert.equal(client.now(), clock.now() + TEN_MINUTES);
  last().hear({ type: "heartbeat", time: at(clock.now() + TEN_MINUTES + 30), positions: {} });
  assert.equal(client.now(), clock.now() + TEN_MINUTES + 30);
  last().hear({ type: "pong", time: at(clock.now()) });
  assert.equal(client.now(), clock.now());
  await client.stop();
});

test("a clock that jumps asks the line at once, and a line that is dead is replaced within five seconds", async () => {
  for (const jump of [30_000, -30_000]) {
    const { client, clock, sockets, last } = await opened();
    last().pongs = false;
    clock.jump(jump);
    await clock.pass(1_100);
    assert.equal(last().of("ping").length, 1, `${jump}`);
    await clock.pass(2_600);
    assert.notEqual(client.status, "open");
    await clock.pass(1_000);
    assert.equal(sockets.length, 2);
    await client.stop();
  }
});

test("a machine that slept for longer than the server waits opens a new socket at once", async () => {
  const { client, clock, sockets } = await opened();
  clock.jump(3_600_000);
  await clock.pass(1_100);
  assert.notEqual(client.status, "open");
  await clock.pass(1_000);
  assert.equal(sockets.length, 2);
  await client.stop();
});

test("a quiet line is not asked, and a clock that runs evenly neither", async () => {
  const { client, clock, last } = await opened();
  for (let beat = 0; beat < 20; beat += 1) {
    await clock.pass(20_000);
    last().hear({ type: "heartbeat", positions: {} });
  }
  assert.equal(last().of("ping").length, 0);
  await client.stop();
});

test("an answer that does not come asks the line: a living one is kept, a dead one replaced", async () => {
  const { client, clock, sockets, last } = await opened();
  client.command("vote.cast", VOTE, { id: "unanswered" });
  await clock.pass(2_100);
  assert.equal(last().of("ping").length, 1);
  await clock.pass(8_000);
  assert.equal(client.status, "open");
  last().pongs = false;
  client.query("events.list");
  await clock.pass(4_400);
  assert.equal(client.status, "open");
  await clock.pass(200);
  assert.notEqual(client.status, "open");
  await clock.pass(1_000);
  assert.equal(sockets.length, 2);
  await client.stop();
});

test("a slow network is not given up again and again: each time the ping has longer", async () => {
  const { client, clock, last } = await opened();
  const lives = [];
  for (let n = 0; n < 4; n += 1) {
    last().pongs = false;
    const before = clock.now();
    client.query("events.list");
    while (client.status === "open") {
      await clock.pass(100);
      // What comes in says that the line lives, but answers no ping.
      assert.ok(clock.now() - before < 60_000);
    }
    lives.push(clock.now() - before);
    await clock.pass(1_000);
    last().open();
    last().hear(welcome());
    await settled();
  }
  assert.deepEqual(lives.map((ms) => Math.round(ms / 100) / 10), [4.5, 7, 12, 22]);
  await client.stop();
});

test("a lifetime is counted by the server's clock, a date is taken as it is", async () => {
  const { client, last } = await opened({}, { time: at(1_000_000 + TEN_MINUTES) });
  client.command("vote.cast", VOTE, { notAfter: 60_000 });
  client.command("vote.cast", { ...VOTE, proposal: "p2" }, { notAfter: new Date(5_000_000) });
  client.command("vote.cast", { ...VOTE, proposal: "p3" });
  await settled();
  const [first, second, third] = last().of("vote.cast").map(({ not_after }) => not_after);
  assert.deepEqual([first, second, third], [at(1_000_000 + TEN_MINUTES + 60_000), at(5_000_000), undefined]);
  await client.stop();
});

test("a lifetime that began before the first welcome keeps its beginning, and the server's clock", async () => {
  const { client, clock, last } = begin();
  const vote = client.command("vote.cast", VOTE, { id: "offline-1", notAfter: 60_000 });
  assert.equal(client.command("vote.cast", VOTE, { id: "offline-1", notAfter: 60_000 }), vote);
  await assert.rejects(client.command("vote.cast", VOTE, { id: "offline-1" }), { code: "id_conflict" });
  await clock.pass(10_000);
  client.start();
  await settled();
  last().open();
  last().hear(welcome({ time: at(clock.now() + TEN_MINUTES) }));
  await settled();
  assert.equal(last().of("vote.cast")[0].not_after, at(clock.now() + TEN_MINUTES - 10_000 + 60_000));
  // Sent again, it says the same: another deadline would be another command.
  last().end();
  await clock.pass(5_000);
  last().open();
  last().hear(welcome({ time: at(clock.now()) }));
  await settled();
  assert.equal(last().of("vote.cast")[0].not_after, at(clock.now() - 5_000 + TEN_MINUTES - 10_000 + 60_000));
  assert.equal(client.command("vote.cast", VOTE, { id: "offline-1", notAfter: 60_000 }), vote);
  await client.stop();
});

test("a notAfter that is neither a date nor a lifetime is refused", async () => {
  const { client } = begin();
  for (const notAfter of [new Date("soon"), NaN, -1, Infinity, "2026-12-01", null]) {
    const refused = { code: "bad_request", details: { path: "not_after" } };
    await assert.rejects(client.command("vote.cast", VOTE, { notAfter }), refused, `${notAfter}`);
  }
});
