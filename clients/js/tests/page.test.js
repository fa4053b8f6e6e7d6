import assert from "node:assert/strict";
import { test } from "node:test";

import { FakePage, opened, settled, welcome } from "./fakes.js";

const VOTE = { event: "e1", proposal: "p1", revision: 1 };

test("the page's network: back at once when it comes, asked about when it is said to be gone", async () => {
  const page = new FakePage();
  const { client, clock, sockets, last } = await opened({ page, backoff: { base: 60_000, cap: 60_000 } });
  page.tells("offline");
  assert.equal(last().of("ping").length, 1);
  last().hear({ type: "pong" });
  await clock.pass(6_000);
  assert.equal(client.status, "open");
  last().pongs = false;
  // It is shown again, and while the server has not answered, the network goes.
  page.becomes("visible");
  page.tells("offline");
  await clock.pass(1_400);
  assert.equal(client.status, "open");
  await clock.pass(200);
  assert.equal(client.status, "waiting");
  assert.ok(client.retryAt > clock.now());
  page.tells("online");
  await settled();
  assert.equal(sockets.length, 2);
  last().open();
  last().hear(welcome());
  assert.equal(client.status, "open");
});

test("a server that goes away is not asked too early, however often the page is looked at", async () => {
  const page = new FakePage();
  const { client, clock, sockets, last } = await opened({ page });
  last().hear({ type: "bye", code: 4001, retry_after_ms: 3_000, message: "m" });
  last().end(4001);
  page.becomes("visible");
  page.tells("online");
  await clock.pass(2_900);
  assert.equal(sockets.length, 1);
  await clock.pass(200);
  assert.equal(sockets.length, 2);
  last().hear({ type: "bye", code: 4429, retry_after_ms: 60_000, message: "m" });
  last().end(4429);
  client.retry();
  await settled();
  assert.equal(sockets.length, 3);
});

test("a page that is put aside closes its socket, and is whole again when it comes back", async () => {
  const page = new FakePage();
  const released = [];
  const held = [];
  const outbox = {
    load: async () => [...held],
    put: async (entry) => void held.push(entry),
    remove: async () => {},
    release: () => released.push(true),
  };
  const { client, clock, sockets, last } = await opened({ page, outbox });
  client.command("vote.cast", VOTE, { id: "aside-001" });
  await settled();
  page.tells("pagehide", { persisted: true });
  await clock.pass(120_000);
  assert.deepEqual([sockets.length, sockets[0].closedWith, released.length], [1, 1000, 1]);
  page.tells("pageshow", { persisted: false });
  await settled();
  assert.equal(sockets.length, 1);
  page.tells("pageshow", { persisted: true });
  await settled();
  last().open();
  last().hear(welcome());
  await settled();
  assert.deepEqual(last().of("vote.cast").map(({ id }) => id), ["aside-001"]);
});

test("a page that is shown again asks whether its socket lives", async () => {
  const page = new FakePage();
  const { client, clock, last } = await opened({ page });
  page.becomes("hidden");
  last().pongs = false;
  assert.equal(last().of("ping").length, 0);
  page.becomes("visible");
  assert.equal(last().of("ping").length, 1);
  await clock.pass(6_000);
  assert.notEqual(client.status, "open");
});
