import assert from "node:assert/strict";
import { test } from "node:test";

import { memoryOutbox, storageOutbox } from "../ayes.js";
import { begin, FakeStorage, opened, settled, welcome } from "./fakes.js";

const VOTE = { event: "e1", proposal: "p1", revision: 1 };

function tokenOf(sub) {
  const part = (claims) => Buffer.from(JSON.stringify(claims)).toString("base64url");
  return `${part({ alg: "HS256" })}.${part({ sub })}.signature`;
}

const welcomed = (id) => ({ user: { id, name: id } });

/** The same browser again, after a reload without a connection. */
async function reloaded(outbox, sub) {
  const parts = begin({ outbox, token: tokenOf(sub) });
  parts.client.start();
  await parts.client.loaded;
  return parts;
}

test("what waits is listed after a reload: which command, since when, and whether it was ever sent", async () => {
  for (const outbox of [memoryOutbox(), storageOutbox(new FakeStorage())]) {
    const { client, last, clock } = begin({ outbox, token: tokenOf("ada") });
    client.start();
    client.command("vote.cast", VOTE, { id: "never-sent" }).catch(() => {});
    const [given] = client.waiting();
    assert.deepEqual([given.type, given.event, given.since, given.sent], ["vote.cast", "e1", clock.now(), false]);
    await settled();
    assert.equal(client.waiting()[0].kept, true);
    await client.stop();
    const second = await reloaded(outbox, "ada");
    assert.deepEqual(second.client.waiting(), [{ ...given, kept: true }]);
    second.last().open();
    second.last().hear(welcome(welcomed("ada")));
    await settled();
    assert.equal(second.last().of("vote.cast").length, 1);
    assert.equal(second.client.waiting()[0].sent, true);
    await second.client.stop();
    const third = await reloaded(outbox, "ada");
    assert.deepEqual(third.client.waiting().map(({ id, sent }) => [id, sent]), [["never-sent", true]]);
    await third.client.stop();
    assert.ok(last());
  }
});

test("the outbox knows that a command is about to be sent before it is", async () => {
  const order = [];
  const outbox = memoryOutbox();
  const { put } = outbox;
  outbox.put = async (entry) => {
    order.push(`kept, sent: ${entry.sent}`);
    await put(entry);
  };
  const { client, last } = begin({ outbox, token: tokenOf("ada") });
  client.start();
  client.command("vote.cast", VOTE, { id: "marked-001" }).catch(() => {});
  await settled();
  const { send } = last();
  last().send = function (text) {
    if (text.includes("vote.cast")) order.push("sent");
    send.call(this, text);
  };
  last().open();
  last().hear(welcome(welcomed("ada")));
  await settled();
  client.command("vote.cast", { ...VOTE, proposal: "p2" }, { id: "marked-002" }).catch(() => {});
  await settled();
  assert.deepEqual(order, ["kept, sent: false", "kept, sent: true", "sent", "kept, sent: true", "sent"]);
  await client.stop();
});

test("a command that was never sent is taken back, after a reload too, and stays away", async () => {
  const outbox = storageOutbox(new FakeStorage());
  const first = begin({ outbox, token: tokenOf("ada") });
  for (const id of ["back-0001", "back-0002"]) first.client.command("vote.cast", VOTE, { id }).catch(() => {});
  await settled();
  assert.equal(await first.client.takeBack("back-0001"), true);
  assert.equal(await first.client.takeBack("unknown-1"), false);
  await first.client.stop();
  const second = await reloaded(outbox, "ada");
  const adopted = second.client.adopt("back-0002");
  assert.equal(await second.client.takeBack("back-0002"), true);
  await assert.rejects(adopted, { code: "cancelled", effect: "none" });
  assert.deepEqual(await outbox.load(), []);
  second.last().open();
  second.last().hear(welcome(welcomed("ada")));
  await settled();
  assert.equal(second.last().of("vote.cast").length, 0);
  // Once it was sent, nobody can say that it did not happen.
  second.client.command("vote.cast", VOTE, { id: "sent-0001" }).catch(() => {});
  await settled();
  assert.equal(await second.client.takeBack("sent-0001"), false);
  await second.client.stop();
});

test("an entry of an earlier version, which does not say whether it was sent, counts as sent", async () => {
  const outbox = memoryOutbox();
  await outbox.put({ id: "older-0001", type: "vote.cast", event: "e1", args: VOTE, since: 1, user: "ada" });
  const { client } = await reloaded(outbox, "ada");
  assert.deepEqual(client.waiting().map(({ sent }) => sent), [true]);
  assert.equal(await client.takeBack("older-0001"), false);
  await client.stop();
});

test("another user's commands are neither shown nor sent nor taken back", async () => {
  const outbox = memoryOutbox();
  const ada = begin({ outbox, token: tokenOf("ada") });
  ada.client.command("vote.cast", VOTE, { id: "adas-vote" }).catch(() => {});
  await settled();
  await ada.client.stop();
  const bob = await reloaded(outbox, "bob");
  assert.deepEqual(bob.client.waiting(), []);
  bob.last().open();
  bob.last().hear(welcome(welcomed("bob")));
  await settled();
  assert.equal(bob.last().of("vote.cast").length, 0);
  assert.equal(await bob.client.takeBack("adas-vote"), false);
  await bob.client.forgetUser();
  const again = await reloaded(outbox, "ada");
  assert.deepEqual(again.client.waiting().map(({ id }) => id), ["adas-vote"]);
  await again.client.stop();
});

test("forgetting a user erases every entry of theirs, and of nobody else", async () => {
  const without = memoryOutbox();
  delete without.forget;
  for (const outbox of [memoryOutbox(), storageOutbox(new FakeStorage()), without]) {
    const ofBob = { id: "bobs-vote", type: "vote.cast", args: VOTE, since: 1, user: "bob" };
    await outbox.put(ofBob);
    const { client } = await opened({ outbox, token: tokenOf("ada") }, welcomed("ada"));
    const vote = client.command("vote.cast", VOTE, { id: "adas-vote" });
    await settled();
    await client.forgetUser();
    await assert.rejects(vote, { code: "stopped" });
    assert.equal(client.status, "stopped");
    assert.deepEqual((await outbox.load()).map(({ id }) => id), ["bobs-vote"]);
  }
});

test("forgetting that fails is no silence", async () => {
  const outbox = { ...memoryOutbox(), forget: () => Promise.reject(new Error("blocked")) };
  const { client } = await opened({ outbox });
  await assert.rejects(client.forgetUser(), /blocked/);
  assert.equal(client.status, "stopped");
});

test("a command that cannot be kept says so, and is sent all the same", async () => {
  const quota = Object.assign(new Error("full"), { name: "QuotaExceededError" });
  const outbox = { ...memoryOutbox(), put: () => Promise.reject(quota) };
  const { client, last } = await opened({ outbox });
  const faults = [];
  client.addEventListener("fault", ({ detail }) => faults.push(detail));
  client.command("vote.cast", VOTE, { id: "unkept-01" }).catch(() => {});
  await settled();
  assert.deepEqual(faults, [{ where: "outbox", error: quota, id: "unkept-01" }]);
  assert.equal(client.waiting()[0].kept, false);
  assert.equal(last().of("vote.cast").length, 1);
  await client.stop();
});

test("a command of `once` is sent by this connection or by none", async () => {
  const outbox = memoryOutbox();
  const { client, last, clock } = begin({ outbox });
  const notSent = { code: "not_sent", effect: "none", retry: "no", event: "e1" };
  await assert.rejects(client.command("event.finish", { event: "e1" }, { once: true }), notSent);
  client.start();
  await settled();
  last().open();
  last().hear(welcome());
  await settled();
  const finish = client.command("event.finish", { event: "e1" }, { once: true, id: "finish-01" });
  // On the same thing, so it waits for the answer to the first.
  const again = client.command("event.pause", { event: "e1" }, { once: true, id: "pause-001" });
  await settled();
  assert.deepEqual(last().said.slice(1).map(({ type }) => type), ["event.finish"]);
  assert.deepEqual(await outbox.load(), []);
  last().end();
  await assert.rejects(again, notSent);
  await clock.pass(2_000);
  last().open();
  last().hear(welcome());
  await settled();
  const [status] = last().of("command.status");
  assert.deepEqual([status.event, status.ids], ["e1", ["finish-01"]]);
  const ack = { type: "ack", id: "finish-01", event: "e1", seq: 7, applied: true };
  last().hear({ type: "status", ref: status.ref, event: "e1", commands: [{ id: "finish-01", state: "committed", ack }] });
  assert.equal((await finish).seq, 7);
  assert.equal(last().of("event.finish").length, 0);
  await client.stop();
});

test("a command of `once` that nobody knows of has failed, and says that it may have happened", async () => {
  const { client, last, clock } = await opened();
  const outcomes = [];
  for (const [id, command] of [
    ["once-0001", { id: "once-0001", state: "absent" }],
    ["once-0002", { id: "once-0002", state: "refused", error: { code: "forbidden", effect: "none", retry: "no", message: "m" } }],
  ]) {
    const finish = client.command("event.finish", { event: id }, { once: true, id });
    finish.catch(({ code, effect }) => outcomes.push([code, effect]));
    await settled();
    last().end();
    await clock.pass(5_000);
    last().open();
    last().hear(welcome());
    await settled();
    const [status] = last().of("command.status");
    last().hear({ type: "status", ref: status.ref, event: id, commands: [command] });
    await settled();
  }
  const create = client.command("event.create", { subject: "s" }, { once: true });
  create.catch(({ code, effect }) => outcomes.push([code, effect]));
  await settled();
  last().end();
  await settled();
  assert.deepEqual(outcomes, [["unanswered", "unknown"], ["forbidden", "none"], ["unanswered", "unknown"]]);
  assert.deepEqual(client.waiting(), []);
  await client.stop();
});
