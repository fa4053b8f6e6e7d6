import assert from "node:assert/strict";
import { test } from "node:test";

import { opened, snapshot } from "./fakes.js";

test("what is yours is told of too where it came whole, and is another", async () => {
  const { client, last } = await opened();
  const entering = client.subscribe("e1");
  last().hear(snapshot());
  const room = await entering;
  const told = [];
  room.addEventListener("you", ({ detail }) => told.push(detail));
  const you = { membership: { status: "accepted" }, votes: { p1: 3 } };
  last().hear(snapshot({ seq: 2, reason: "lag", you }));
  last().hear({ type: "resumed", event: "e1", epoch: "x", from: 2, seq: 2, patch: {}, you });
  last().hear({ type: "resumed", event: "e1", epoch: "x", from: 2, seq: 3, patch: {}, you: { ...you, votes: {} } });
  assert.deepEqual(told, [{ seq: 2 }, { seq: 3 }]);
  assert.deepEqual(room.you.votes, {});
  await client.stop();
});
