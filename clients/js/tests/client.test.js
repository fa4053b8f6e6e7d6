import assert from "node:assert/strict";
import { test } from "node:test";

import { AyesError, Client } from "../ayes.js";
import { begin, LIMITS, opened, settled, snapshot, welcome } from "./fakes.js";

const VOTE = { event: "e1", proposal: "p1", revision: 1 };
const code = (wanted) => (error) => error instanceof AyesError && error.code === wanted;

test("hello comes first, with the token and the sub-protocol", async () => {
  const { client, last } = await opened({ token: async () => "fresh", client: { name: "web", version: "2" } });
  assert.equal(last().url, "wss://decide.example/v1/socket");
  assert.deepEqual(last().protocols, ["ayes.v1"]);
  assert.deepEqual(last().said[0], { type: "hello", token: "fresh", client: { name: "web", version: "2" } });
  assert.equal((await client.ready).user.name, "Ada");
  assert.equal(client.status, "open");
  assert.deepEqual([client.user.id, client.session, client.limits.batch], ["ada", "s", 256]);
});

test("what is given in one turn rides in one frame", async () => {
  const { client, last } = await opened();
  for (let n = 0; n < 600; n += 1) client.command("vote.cast", { ...VOTE, proposal: `p${n}` });
  await settled();
  assert.deepEqual(last().frames.slice(1).map((text) => JSON.parse(text).length), [256]);
  for (const { id } of last().of("vote.cast")) last().hear({ type: "ack", id, event: "e1", seq: 2 });
  await settled();
  assert.equal(last().of("vote.cast").length, 512);
});

test("the same id twice is one command; with another payload it is a conflict", async () => {
  const { client, last } = await opened();
  const first = client.command("vote.cast", VOTE, { id: "same-id-1" });
  assert.equal(client.command("vote.cast", { revision: 1, proposal: "p1", event: "e1" }, { id: "same-id-1" }), first);
  await assert.rejects(client.command("vote.cast", { ...VOTE, revision: 2 }, { id: "same-id-1" }), code("id_conflict"));
  await settled();
  assert.equal(last().of("vote.cast").length, 1);
});

test("an argument overrides neither the type nor the id", async () => {
  const { client, last } = await opened();
  client.command("vote.cast", { ...VOTE, type: "event.finish", id: "another" }, { id: "mine-0001" });
  await settled();
  assert.deepEqual([last().said[1].type, last().said[1].id], ["vote.cast", "mine-0001"]);
});

test("bytes that do not leave hold the next ones back", async () => {
  const { client, clock, last } = await opened();
  last().bufferedAmount = 1024 * 1024;
  client.command("vote.cast", VOTE);
  await clock.pass(500);
  assert.equal(last().of("vote.cast").length, 0);
  last().bufferedAmount = 0;
  await clock.pass(100);
  assert.equal(last().of("vote.cast").length, 1);
});

test("a command that was never sent can be taken back, and only then", async () => {
  const { client, last } = begin();
  const first = client.command("vote.cast", VOTE, { id: "first-001" });
  assert.equal(client.cancel("first-001"), true);
  await assert.rejects(first, code("cancelled"));
  client.start();
  await settled();
  last().open();
  last().hear(welcome());
  client.command("vote.cast", VOTE, { id: "second-01" });
  await settled();
  assert.equal(client.cancel("second-01"), false);
  assert.deepEqual(client.pending.map(({ id, sent, tries }) => [id, sent, tries]), [["second-01", true, 1]]);
});

test("a defect of the server is not asked for ever", async () => {
  const { client, clock, last } = await opened({ answerTimeout: 1e9 });
  const vote = client.command("vote.cast", VOTE, { id: "poison-01" });
  for (let tries = 1; tries <= 8; tries += 1) {
    await clock.pass(30_000);
    last().hear({ type: "heartbeat", positions: {} });
    assert.equal(last().of("vote.cast").length, tries);
    last().hear({ type: "error", id: "poison-01", code: "internal", effect: "unknown", retry: "same" });
  }
  await assert.rejects(vote, (error) => code("internal")(error) && error.effect === "unknown");
  assert.equal(client.pending.length, 0);
});

test("a room that meets a defect of the server is asked for less and less, and not for ever", async () => {
  const { client, clock, last } = await opened({ answerTimeout: 1e9 });
  const entering = client.subscribe("e1");
  for (let tries = 1; tries <= 8; tries += 1) {
    await clock.pass(30_000);
    last().hear({ type: "heartbeat", positions: {} });
    const asked = last().of("subscribe");
    assert.equal(asked.length, tries);
    last().hear({ type: "error", ref: asked.at(-1).ref, code: "internal", effect: "unknown", retry: "same" });
  }
  await assert.rejects(entering, code("internal"));
  await clock.pass(30_000);
  assert.equal(last().of("subscribe").length, 8);
});

test("promises that nobody looks at end no process, and every one of them is settled", async () => {
  const unhandled = [];
  const hear = (error) => unhandled.push(error);
  process.on("unhandledRejection", hear);
  const { client, last } = await opened();
  const all = [
    client.command("vote.cast", VOTE), client.subscribe("e1"), client.query("events.list"), client.subscribe("e2"),
  ];
  await settled();
  last().hear(snapshot());
  const room = client.rooms.get("e1");
  all.push(room.reached(99), room.vote("unknown"));
  const iterated = (async () => {
    for await (const change of room) void change;
    return "ended";
  })();
  await client.stop();
  all.push(client.command("vote.cast", VOTE), client.subscribe("e1"), client.query("ping"));
  const outcomes = await Promise.allSettled(all);
  await settled();
  process.off("unhandledRejection", hear);
  assert.deepEqual(unhandled, []);
  assert.deepEqual(
    outcomes.map(({ status, reason }) => (status === "fulfilled" ? "ok" : reason.code)),
    ["stopped", "ok", "stopped", "stopped", "stopped", "not_found", "stopped", "stopped", "stopped"],
  );
  assert.equal(await iterated, "ended");
  assert.deepEqual([client.status, room.closed, room.live], ["stopped", "stopped", false]);
});

test("a stopped client holds no timer, and starts anew", async () => {
  const { client, clock, last, sockets } = await opened();
  client.command("vote.cast", VOTE).catch(() => {});
  client.subscribe("e1").catch(() => {});
  await settled();
  await client.stop();
  assert.equal(clock.waiting, 0);
  client.start();
  await settled();
  last().open();
  last().hear(welcome());
  assert.equal(sockets.length, 2);
  assert.equal((await client.ready).session, "s");
});

test("a token without a function that has expired is the end", async () => {
  const { client, last } = begin();
  client.start();
  await settled();
  last().open();
  last().hear({ type: "error", code: "auth_expired", retry: "auth", message: "m", effect: "none" });
  last().end(4401);
  await assert.rejects(client.ready, code("auth_expired"));
  assert.equal(client.status, "stopped");
});

test("a token that the server calls expired is not given again because the clock here thinks it good", async () => {
  const asked = [];
  const token = ({ expired }) => `t${asked.push(expired)}`;
  const { client, clock, last } = await opened({ token });
  client.command("vote.cast", VOTE, { id: "expired-1" }).catch(() => {});
  await settled();
  const expired = { type: "error", code: "auth_expired", retry: "auth", message: "m", effect: "none" };
  last().hear({ ...expired, id: "expired-1" });
  await settled();
  assert.deepEqual(asked, [false, true]);
  const [auth] = last().of("auth");
  last().hear({ type: "authenticated", ref: auth.ref, expires: "2099-01-01T00:00:00.000Z" });
  last().end(4401);
  await clock.pass(1_000);
  last().open();
  last().hear(expired);
  last().end(4401);
  await clock.pass(1_000);
  assert.deepEqual(asked, [false, true, true, true]);
  last().open();
  last().hear(welcome());
  last().end(1006);
  await clock.pass(1_000);
  assert.deepEqual(asked, [false, true, true, true, false]);
});

test("a renewal whose answer is lost is asked for anew, and what waited for it goes out", async () => {
  const { client, clock, last } = await opened({ token: () => "t", answerTimeout: 15_000 });
  const vote = client.command("vote.cast", VOTE, { id: "waiting-1" });
  await settled();
  last().hear({ type: "error", id: "waiting-1", code: "auth_expired", retry: "auth", message: "m", effect: "none" });
  await settled();
  const [lost] = last().of("auth");
  await clock.pass(16_000);
  const [, auth] = last().of("auth");
  assert.notEqual(auth.ref, lost.ref);
  last().hear({ type: "authenticated", ref: auth.ref, expires: "2099-01-01T00:00:00.000Z" });
  await settled();
  assert.equal(last().of("vote.cast").length, 2);
  last().hear({ type: "ack", id: "waiting-1", event: "e1", seq: 2, applied: true });
  assert.equal((await vote).seq, 2);
  await client.stop();
  assert.equal(clock.waiting, 0);
});

test("a close for good is told, whenever it comes", async () => {
  const { client, last } = await opened();
  const ended = [];
  client.addEventListener("ended", ({ detail }) => ended.push([detail.error.code, detail.error.details.close]));
  const vote = client.command("vote.cast", VOTE);
  await settled();
  last().end(4503);
  await assert.rejects(vote, (error) => code("closed")(error) && error.effect === "unknown");
  assert.deepEqual(ended, [["closed", 4503]]);
  await assert.rejects(client.query("events.list"), code("closed"));
  await client.stop();
  assert.equal(client.status, "stopped");
});

test("a connection that is not greeted in time is given up", async () => {
  const { client, clock, sockets, last } = begin();
  client.start();
  await settled();
  last().open();
  await clock.pass(15_000 + 30_000);
  assert.ok(sockets.length >= 2);
  assert.equal(sockets[0].closedWith, 1000);
});

test("waits grow while connections break at once, and are short again after a good one", async () => {
  const { client, clock, sockets, last } = await opened({ backoff: { base: 1000, cap: 60_000 } });
  const waits = [];
  const breaks = async () => {
    last().end();
    waits.push(client.retryAt - clock.now());
    await clock.pass(waits.at(-1));
    last().open();
    last().hear(welcome());
  };
  for (let n = 0; n < 4; n += 1) await breaks();
  await clock.pass(6_000);
  await breaks();
  assert.deepEqual(waits, [500, 1000, 2000, 4000, 500]);
  assert.equal(sockets.length, 6);
});

test("the room's helpers say what they mean", async () => {
  const { client, last } = await opened();
  const entering = client.subscribe("e1");
  await settled();
  assert.equal(client.subscribe("e1"), entering);
  last().hear(snapshot());
  const room = await entering;
  room.vote("p1");
  await settled();
  room.vote("p2", { revision: 7, id: "given-0001" });
  room.approve("p3", { allow_stale: true });
  room.reject("p4", { reason: "no" });
  room.command("comment.add", { proposal: "p5", content: "c" });
  await settled();
  const said = last().said.slice(2).map(({ id, ...rest }) => rest);
  assert.deepEqual(said, [
    { event: "e1", proposal: "p1", revision: 3, type: "vote.cast" },
    { event: "e1", proposal: "p2", revision: 7, type: "vote.cast" },
    { event: "e1", proposal: "p3", allow_stale: true, type: "proposal.accept" },
    { event: "e1", proposal: "p4", reason: "no", type: "proposal.reject" },
    { event: "e1", proposal: "p5", content: "c", type: "comment.add" },
  ]);
  await assert.rejects(room.vote("nowhere"), code("not_found"));
  await assert.rejects(room.vote("constructor"), code("not_found"));
});

test("a reader of changes sees each, and a mark is reached by the diff that holds it", async () => {
  const { client, last } = await opened();
  const entering = client.subscribe("e1");
  await settled();
  last().hear(snapshot());
  const room = await entering;
  const reached = room.reached(3);
  const before = room.state;
  const reading = (async () => {
    const seen = [];
    for await (const { from, seq, patch } of room) {
      seen.push([from, seq, patch]);
      if (seq === 3) return seen;
    }
  })();
  last().hear({ type: "diff", event: "e1", epoch: "x", from: 1, seq: 2, patch: {} });
  last().hear({ type: "diff", event: "e1", epoch: "x", from: 2, seq: 3, patch: { proposals: { p1: { agree: 1 } } } });
  await reached;
  assert.deepEqual(await reading, [[1, 2, {}], [2, 3, { proposals: { p1: { agree: 1 } } }]]);
  assert.equal(room.state.proposals.p1.agree, 1);
  assert.equal(before.proposals.p1.agree, 0);
  await room.reached(2);
});

test("an outbox that fails or hangs holds no vote up, and that is told", async () => {
  for (const broken of [() => Promise.reject(new Error("quota")), () => new Promise(() => {})]) {
    const outbox = { load: broken, put: broken, remove: broken };
    const { client, clock, last } = begin({ outbox });
    const faults = [];
    client.addEventListener("fault", ({ detail }) => faults.push(detail.where));
    client.start();
    const vote = client.command("vote.cast", VOTE, { id: "kept-0001" });
    await settled();
    last().open();
    last().hear(welcome());
    await clock.pass(6_000);
    assert.deepEqual(last().of("vote.cast").map(({ id }) => id), ["kept-0001"]);
    last().hear({ type: "ack", id: "kept-0001", event: "e1", seq: 2 });
    await vote;
    assert.ok(faults.includes("outbox"));
  }
});

test("a token that cannot be had is told, and tried for again", async () => {
  let tries = 0;
  const token = () => {
    tries += 1;
    if (tries < 3) throw new Error("not now");
    return "t3";
  };
  const { client, clock, last, sockets } = begin({ token });
  const faults = [];
  client.addEventListener("fault", ({ detail }) => faults.push(detail.where));
  client.start();
  await clock.pass(2_000);
  assert.deepEqual([faults, sockets.length], [["token", "token"], 1]);
  last().open();
  assert.equal(last().said[0].token, "t3");
});

test("a batch stays below the size of a message", async () => {
  const { client, last } = await opened({}, { limits: { ...LIMITS, message_bytes: 1000 } });
  for (let n = 0; n < 8; n += 1) client.command("comment.add", { event: "e1", proposal: `p${n}`, content: "ü".repeat(150) });
  await settled();
  const sizes = last().frames.map((text) => Buffer.byteLength(text));
  assert.equal(last().of("comment.add").length, 8);
  assert.ok(sizes.every((size) => size <= 1000), `${sizes}`);
});

test("without a WebSocket and without fetch the client says so at once", () => {
  assert.throws(() => new Client("https://decide.example", { WebSocket: null, fetch: null }), TypeError);
});
