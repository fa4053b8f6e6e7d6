import assert from "node:assert/strict";
import { test } from "node:test";

import { begin, opened, settled, snapshot, welcome } from "./fakes.js";

const RULE = { auto: true, rule: "count", threshold: 2 };
const SHOWN = {
  event: { status: "in_progress", criteria_rev: 4, policy: { assumption: RULE } },
  counts: { members: 2 }, members: { ada: { name: "Ada", role: "admin" } }, criteria: { c1: { version: 2, conclusion_version: 7 } }, assumptions: {},
  proposals: { p1: { kind: "assumption", status: "pending", revision: 3, agree: 0, no: 1 }, p0: { kind: "assumption", status: "rejected", revision: 1, resolved_no: 5 } },
};

async function entered(options) {
  const parts = await opened(options);
  const entering = parts.client.subscribe("e1");
  parts.last().hear(snapshot({ state: SHOWN }));
  const room = await entering;
  const says = (patch, seq = room.seq + 1) => parts.last().hear({ type: "diff", event: "e1", epoch: room.epoch, from: room.seq, seq, patch });
  return { ...parts, room, says };
}

const CARRIED = { status: "accepted", resolution: "auto_votes", resolved_no: 6, decision: { agree: 2, eligible: 2, rule: "count", threshold: 2, policy_version: 1 } };

test("on returns what undoes it, for a client and for a room", async () => {
  const { client, room, says } = await entered();
  const told = [];
  const undo = room.on("change", ({ seq }) => told.push(seq));
  const undoClient = client.on("status", ({ status }) => told.push(status));
  says({});
  undo();
  undoClient();
  says({});
  await client.stop();
  assert.deepEqual(told, [2]);
});

test("until resolves with what is found, at once or after a change, and lets go of everything", async () => {
  const { client, clock, room, says } = await entered();
  assert.equal(await room.until(({ state }) => state.counts.members), 2);
  const before = clock.waiting;
  const two = room.until(({ state }) => state.proposals.p1.agree === 2, { timeout: 1_000 });
  says({ proposals: { p1: { agree: 1 } } });
  says({ proposals: { p1: { agree: 2 } } });
  assert.equal(await two, true);
  assert.equal(clock.waiting, before);
  const late = room.until(() => false, { timeout: 1_000 });
  const aborted = new AbortController();
  const ended = room.until(() => false, { signal: aborted.signal });
  const failed = room.until(({ seq }) => {
    if (seq > 3) throw new Error("no such");
  });
  aborted.abort(new Error("enough"));
  await assert.rejects(ended, /enough/);
  await clock.pass(1_000);
  await assert.rejects(late, { name: "TimeoutError" });
  says({});
  await assert.rejects(failed, /no such/);
  const closed = room.until(() => false);
  await client.stop();
  await assert.rejects(closed, { code: "stopped" });
  await assert.rejects(room.until(() => false), { code: "stopped" });
  assert.equal(await room.until(({ closed: why }) => why), "stopped");
});

test("decided, joined and finished are told once, after the change that brought them", async () => {
  const { client, room, last, says } = await entered();
  const told = [];
  for (const type of ["change", "decided", "joined", "finished"]) room.on(type, (detail) => told.push([type, detail]));
  const outcome = room.decided("p1");
  says({ proposals: { p1: CARRIED }, members: { bob: { name: "Bob", role: "member" } } });
  assert.deepEqual(told.map(([type]) => type), ["change", "decided", "joined"]);
  assert.equal(told[1][1].proposal, "p1");
  assert.deepEqual(told[2][1], { user: "bob", name: "Bob", role: "member" });
  assert.deepEqual(await outcome, told[1][1].outcome);
  assert.deepEqual([(await outcome).carried, (await outcome).agree, (await outcome).how], [true, 2, "auto_votes"]);
  told.length = 0;
  // A snapshot reports what was missed, and not of older ones that it shows again.
  const proposals = { ...room.state.proposals, p2: { kind: "assumption", status: "deleted", resolution: "expired", revision: 1, resolved_no: 7 }, old: { status: "rejected", revision: 1, resolved_no: 2 } };
  const event = { ...SHOWN.event, status: "finished" };
  last().hear(snapshot({ seq: 9, reason: "gap", state: { ...room.state, proposals, event, results: { ballots: 0 } } }));
  assert.deepEqual(told.map(([type, detail]) => detail.proposal ?? type), ["change", "p2", "finished"]);
  assert.deepEqual(told[2][1], { results: { ballots: 0 } });
  told.length = 0;
  says({});
  assert.deepEqual(told.map(([type]) => type), ["change"]);
  await client.stop();
});

test("a room is closed when the last of its users has left it", async () => {
  const { client, room, last } = await entered();
  const same = await client.subscribe("e1");
  assert.equal(same, room);
  const patience = new AbortController();
  const entering = client.subscribe("e1", { signal: patience.signal });
  patience.abort(new Error("enough"));
  await assert.rejects(entering);
  await room.leave();
  assert.equal(room.closed, undefined);
  await same.leave();
  assert.equal(room.closed, "client");
  assert.equal(last().of("unsubscribe").length, 1);
  await same.leave();
  const again = client.subscribe("e1");
  last().hear(snapshot({ state: SHOWN }));
  assert.notEqual(await again, room);
  await client.stop();
});

test("a room's own methods name what it shows, and refuse what it does not", async () => {
  const { client, room, last } = await entered();
  const sent = async (act) => {
    act.catch(() => {});
    await settled();
    const { id: _id, event: _event, type, ...args } = last().said.at(-1);
    return { type, ...args };
  };
  assert.deepEqual(await sent(room.vote("p1", { stance: "against" })), { type: "vote.cast", proposal: "p1", revision: 3, stance: "against" });
  assert.deepEqual(await sent(room.propose("conclusion", "Fine", { target: "c1" })), { type: "proposal.create", kind: "conclusion", category: "create", content: "Fine", target: "c1", base_version: 7 });
  assert.deepEqual(await sent(room.propose("criterion", undefined, { category: "delete", target: "c1", reason: "Old" })), { type: "proposal.create", kind: "criterion", category: "delete", target: "c1", base_version: 2, reason: "Old" });
  assert.deepEqual(await sent(room.comment("Why?", { criterion: "c1" })), { type: "comment.add", content: "Why?", criterion: "c1" });
  assert.deepEqual(await sent(room.ballot("o1", ["c1"])), { type: "ballot.submit", option: "o1", criterion_order: ["c1"], criteria_rev: 4 });
  await assert.rejects(room.propose("criterion", "x", { target: "constructor" }), { code: "not_found", details: { path: "target" } });
  await assert.rejects(room.vote("__proto__"), { code: "not_found", details: { path: "proposal" } });
  await client.stop();
});

test("where the platform says why there is no line, the client says it too", async () => {
  const { client, last } = begin({ warn: null });
  client.start();
  await settled();
  last().dispatchEvent(Object.assign(new Event("error"), { message: "self-signed certificate" }));
  last().end(1006);
  assert.match(client.trouble.error.message, /the server at https:\/\/decide\.example was not reached: .* \(self-signed certificate\)/);
  await client.stop();
});

test("before the first welcome one warning says why there is no line, and the client knows it", async () => {
  const warned = [];
  const { client, clock, last } = begin({ warn: (text) => warned.push(text) });
  client.start();
  await settled();
  last().end(1006);
  assert.equal(client.trouble.where, "server");
  assert.equal(client.trouble.error.code, "unreachable");
  await clock.pass(1_000);
  last().end(1006);
  assert.equal(warned.length, 1);
  assert.match(warned[0], /no connection yet: the server at https:\/\/decide\.example was not reached/);
  client.retry();
  await settled();
  last().open();
  last().hear(welcome());
  assert.equal(client.trouble, null);
  last().end(1006);
  assert.equal(client.trouble.error.code, "unreachable");
  assert.equal(warned.length, 1);
  await client.stop();
});

test("a page of a wrong origin is told which setting names those that may", async () => {
  const warned = [];
  const { client, last } = begin({ warn: (text) => warned.push(text) });
  client.start();
  await settled();
  last().end(4505);
  await assert.rejects(client.ready, /AYES_ALLOWED_ORIGINS/);
  assert.match(warned[0], /AYES_ALLOWED_ORIGINS/);
  assert.equal(client.trouble.error.details.close, 4505);
});

test("a failing token function has short waits of its own, and is told", async () => {
  const warned = [];
  let isDown = true;
  const token = async () => {
    if (isDown) throw new Error("the backend answered 401");
    return "t";
  };
  const told = [];
  const { client, clock, sockets, last } = begin({ token, warn: (text) => warned.push(text), random: () => 0.999 });
  client.on("status", ({ status, trouble }) => told.push([status, trouble?.where ?? null]));
  client.start();
  await settled();
  assert.deepEqual(told, [["connecting", null], ["waiting", "token"]]);
  assert.match(warned[0], /the token function failed: the backend answered 401/);
  await clock.pass(600_000);
  assert.ok(client.retryAt - clock.now() <= 5_000, "never more than five seconds");
  assert.deepEqual([sockets.length, warned.length], [0, 1]);
  isDown = false;
  await clock.pass(5_000);
  last().open();
  last().hear(welcome());
  assert.deepEqual([client.status, client.trouble], ["open", null]);
  await client.stop();
});

test("what no command waits under is not adopted", async () => {
  const { client } = await entered();
  await assert.rejects(client.adopt("nothing-01"), { code: "not_found", effect: "unknown" });
  await client.stop();
});
