import assert from "node:assert/strict";
import { test } from "node:test";

import { memoryOutbox } from "../ayes.js";
import { begin, opened, settled } from "./fakes.js";

/** A JWT that says whose it is; nobody verifies it here. */
function tokenOf(sub) {
  const part = (claims) => Buffer.from(JSON.stringify(claims)).toString("base64url");
  return `${part({ alg: "HS256" })}.${part({ sub })}.signature`;
}

/** Give a command while no server answers, then stop. */
async function givenOffline(outbox, token, id) {
  const { client } = begin({ token, outbox });
  client.start();
  client.command("event.create", { subject: "Lunch" }, { id }).catch(() => {});
  await settled();
  await client.stop();
}

const users = async (outbox) => (await outbox.load()).map(({ user }) => user);

test("a command given before the first welcome belongs to the user of its token", async () => {
  for (const sub of ["alice", "Zoë 💧"]) {
    for (const token of [tokenOf(sub), () => tokenOf(sub), async () => tokenOf(sub)]) {
      const outbox = memoryOutbox();
      await givenOffline(outbox, token, "offline-1");
      assert.deepEqual(await users(outbox), [sub]);
      const bob = await opened({ token: tokenOf("bob"), outbox }, { user: { id: "bob", name: "Bob" } });
      await settled();
      assert.equal(bob.last().of("event.create").length, 0);
      await bob.client.stop();
      const alice = await opened({ token: tokenOf(sub), outbox }, { user: { id: sub, name: "Alice" } });
      await settled();
      assert.equal(alice.last().of("event.create").length, 1);
      await alice.client.stop();
    }
  }
});

test("a command given before there is a token lives with its client alone", async () => {
  const outbox = memoryOutbox();
  const away = () => Promise.reject(new Error("the issuer is away"));
  await givenOffline(outbox, away, "offline-2");
  assert.deepEqual(await users(outbox), []);
});

test("a token that names no user is told from others, until the server says who it is", async () => {
  const outbox = memoryOutbox();
  for (const [n, token] of ["opaque-1", "opaque-2", "opaque-1"].entries()) await givenOffline(outbox, token, `opaque-${n}`);
  const [first, second, third] = await users(outbox);
  assert.ok(first === third && first !== second && !first.includes("opaque"));
  const { client, last } = await opened({ token: "opaque-2", outbox });
  await settled();
  assert.deepEqual(last().of("event.create").map(({ id }) => id), ["opaque-1"]);
  assert.equal((await users(outbox))[1], "ada");
  await client.stop();
});

test("an entry without a user is sent by nobody, and stays", async () => {
  const outbox = memoryOutbox();
  await outbox.put({ id: "nobodys-1", type: "event.create", args: { subject: "Whose?" }, since: 1 });
  const faults = [];
  const { client, last } = begin({ outbox });
  client.addEventListener("fault", ({ detail }) => faults.push(detail));
  client.start();
  await settled();
  last().open();
  await settled();
  assert.deepEqual(client.pending, []);
  assert.match(faults[0].error.message, /1 commands of an unknown user/);
  assert.equal((await outbox.load()).length, 1);
  await client.stop();
});

test("a client that starts again as another user does not take the first one's name", async () => {
  const outbox = memoryOutbox();
  let who = "alice";
  const { client, last } = begin({ token: () => tokenOf(who), outbox });
  client.start();
  await settled();
  await client.stop();
  who = "bob";
  client.start();
  client.command("event.create", { subject: "Lunch" }, { id: "second-1" }).catch(() => {});
  await settled();
  assert.deepEqual(await users(outbox), ["bob"]);
  assert.ok(last());
  await client.stop();
});
