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

test("a vote and its count reach every listener in one moment, whatever comes between", async () => {
  // A fixed generator, so that a failure can be played again.
  let seed = 7;
  const random = () => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
  const { client, last } = await opened();
  const entering = client.subscribe("e1");
  last().hear(snapshot());
  const room = await entering;
  const seen = [];
  const look = () => seen.push(`${room.state.proposals.p1.agree} ${room.you.votes.p1 ?? "-"}`);
  for (const type of ["change", "you", "presence"]) room.addEventListener(type, look);
  let seq = 1;
  for (let round = 0; round < 1_000; round += 1) {
    const votes = round % 2 === 0;
    const [before, after] = votes ? ["0 -", "1 3"] : ["1 3", "0 -"];
    const from = seq;
    seq += 1;
    seen.length = 0;
    const noise = () => {
      while (random() < 0.4) last().hear({ type: "presence", event: "e1", online: round });
    };
    const you = { votes: { p1: votes ? 3 : null } };
    const patch = { proposals: { p1: { agree: votes ? 1 : 0 } } };
    noise();
    if (random() < 0.1) {
      const whole = { membership: { status: "accepted" }, votes: votes ? { p1: 3 } : {} };
      const isPartial = random() < 0.5;
      if (isPartial) last().hear({ type: "you", event: "e1", seq, patch: you });
      noise();
      last().hear({ type: "resumed", event: "e1", epoch: "x", from, seq, patch, you: whole });
    } else {
      last().hear({ type: "you", event: "e1", seq, patch: you });
      noise();
      last().hear({ type: "diff", event: "e1", epoch: "x", from, seq, patch });
    }
    noise();
    assert.equal(seen.at(-1), after);
    assert.deepEqual(seen.filter((one) => one !== before && one !== after), [], `round ${round}`);
  }
  await client.stop();
});

test("patches of `you` whose diffs never come make the room subscribe again, and are bounded", async () => {
  const { client, last } = await opened();
  const entering = client.subscribe("e1");
  last().hear(snapshot());
  const room = await entering;
  for (let seq = 2; seq < 70; seq += 1) last().hear({ type: "you", event: "e1", seq, patch: { votes: { p1: seq } } });
  assert.deepEqual(room.you.votes, {});
  assert.equal(last().of("subscribe").length, 2);
  await client.stop();
});
