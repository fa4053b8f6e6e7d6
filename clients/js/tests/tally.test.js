import assert from "node:assert/strict";
import { test } from "node:test";

import { needed, quorum } from "../ayes.js";
import { opened, settled, snapshot, welcome } from "./fakes.js";

const POLICY = { assumption: { auto: true, rule: "count", threshold: 2 } };
const PROPOSAL = { kind: "assumption", status: "pending", revision: 3, agree: 0, stale: false };
const YOU = { membership: { status: "accepted", role: "member" }, votes: {}, stances: {} };

function shownBy(proposal = {}, more = {}) {
  const state = { event: { policy: POLICY }, counts: { members: 3 }, proposals: { p1: { ...PROPOSAL, ...proposal } } };
  return snapshot({ state, you: YOU, ...more });
}

async function entered(proposal, more) {
  const parts = await opened();
  const entering = parts.client.subscribe("e1");
  parts.last().hear(shownBy(proposal, more));
  return { ...parts, room: await entering };
}

test("no observer ever sees a count outside before and after, in a thousand random interleavings", async () => {
  // A fixed generator, so that a failure can be played again.
  let seed = 11;
  const random = () => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
  const { client, room, last } = await entered();
  let seen = [];
  const look = () => {
    const { agree, mine, eligible } = room.tally("p1");
    seen.push([agree, mine].join(" "));
    assert.equal(eligible, 3);
  };
  for (const type of ["change", "you", "presence", "live"]) room.addEventListener(type, look);
  for (const type of ["acked", "refused", "pending", "status", "welcome"]) client.addEventListener(type, look);
  let [seq, others, epoch, mine] = [1, 0, "x", false];
  const count = (is) => `${others + (is ? 1 : 0)} ${is ? "agree" : ""}`;
  const whole = (is) => ({ agree: others + (is ? 1 : 0) });
  for (let round = 0; round < 1_000; round += 1) {
    if (random() < 0.3) {
      // Another member votes, or takes it back.
      others = others === 0 ? 1 : 0;
      last().hear({ type: "diff", event: "e1", epoch, from: seq, seq: seq + 1, patch: { proposals: { p1: whole(mine) } } });
      seq += 1;
    }
    seen = [];
    const votes = !mine;
    const [before, after] = [count(mine), count(votes)];
    const isRefused = random() < 0.15;
    const promise = votes ? room.vote("p1") : room.retract("p1");
    look();
    const outcome = promise.then(look, look);
    await settled();
    const { id } = last().said.findLast((message) => message.type === (votes ? "vote.cast" : "vote.retract"));
    const next = seq + 1;
    const ack = () => last().hear({ type: "ack", id, event: "e1", seq: next, applied: true, result: {} });
    const you = { votes: { p1: votes ? 3 : null } };
    const yours = { ...YOU, votes: votes ? { p1: 3 } : {} };
    const step = () => {
      const way = random();
      if (way < 0.7) {
        last().hear({ type: "you", event: "e1", seq: next, patch: you });
        noise();
        last().hear({ type: "diff", event: "e1", epoch, from: seq, seq: next, patch: { proposals: { p1: whole(votes) } } });
      } else if (way < 0.85) {
        last().hear({ type: "resumed", event: "e1", epoch, from: seq, seq: next, patch: { proposals: { p1: whole(votes) } }, you: yours });
      } else {
        if (way > 0.95) epoch = epoch === "x" ? "y" : "x";
        last().hear(shownBy(whole(votes), { epoch, seq: next, reason: "lag", you: yours }));
      }
    };
    const noise = () => {
      while (random() < 0.3) last().hear({ type: "presence", event: "e1", online: round });
    };
    const pause = async () => {
      noise();
      if (random() < 0.5) await settled();
    };
    await pause();
    if (isRefused) {
      last().hear({ type: "error", id, code: "proposal_closed", effect: "none", retry: "no", details: {} });
      await outcome;
    } else if (random() < 0.1) {
      // The connection breaks before the ack; the next one resumes the room, and answers the same id again.
      last().end();
      client.retry();
      await settled();
      last().open();
      last().hear(welcome());
      noise();
      const resumed = { type: "resumed", event: "e1", epoch, from: seq, seq: next, patch: { proposals: { p1: whole(votes) } }, you: yours };
      await settled();
      if (random() < 0.5) {
        last().hear(resumed);
        await pause();
        ack();
      } else {
        ack();
        await pause();
        last().hear(resumed);
      }
    } else if (random() < 0.5) {
      ack();
      await pause();
      step();
    } else {
      step();
      await pause();
      ack();
    }
    await outcome;
    await settled();
    look();
    if (!isRefused) [seq, mine] = [next, votes];
    assert.equal(seen.at(-1), count(mine), `round ${round}`);
    assert.deepEqual(seen.filter((one) => one !== before && one !== after), [], `round ${round}`);
    // The user's own vote is counted at once, and never falls out of the count again.
    assert.equal(seen[0], after, `round ${round}`);
    if (!isRefused) assert.ok(!seen.includes(before), `round ${round}: ${seen}`);
    assert.deepEqual([room.tally("p1").sending, client.pending.length], [false, 0], `round ${round}`);
  }
  await client.stop();
});

test("a command stays pending until its room shows it, and no longer waits for an answer", async () => {
  const { client, room, last } = await entered();
  const vote = room.vote("p1", { id: "my-vote-01" });
  await settled();
  last().hear({ type: "ack", id: "my-vote-01", event: "e1", seq: 2, applied: true, result: {} });
  assert.equal((await vote).seq, 2);
  assert.deepEqual(client.pending.map(({ id, seq }) => [id, seq]), [["my-vote-01", 2]]);
  assert.deepEqual(client.waiting(), []);
  assert.equal((await client.adopt("my-vote-01")).seq, 2);
  assert.deepEqual([room.tally("p1").agree, room.tally("p1").mine, room.tally("p1").sending], [1, "agree", true]);
  last().hear({ type: "you", event: "e1", seq: 2, patch: { votes: { p1: 3 } } });
  last().hear({ type: "diff", event: "e1", epoch: "x", from: 1, seq: 2, patch: { proposals: { p1: { agree: 1 } } } });
  assert.deepEqual(client.pending, []);
  assert.deepEqual([room.tally("p1").agree, room.tally("p1").mine, room.tally("p1").sending], [1, "agree", false]);
  // An ack of a room that is closed, or of none, leaves nothing behind.
  const late = room.retract("p1", { id: "my-vote-02" });
  await settled();
  last().hear({ type: "ack", id: "my-vote-02", event: "e1", seq: 9, applied: true, result: {} });
  await late;
  assert.equal(client.pending.length, 1);
  last().hear({ type: "unsubscribed", event: "e1", reason: "removed" });
  assert.deepEqual(client.pending, []);
  await client.stop();
});

test("stances, terms, hidden and decided tallies", async () => {
  const terms = { stances: ["agree", "against", "abstain"], decide: "close" };
  const { client, room, last } = await entered({ terms, agree: 1, against: 1, abstain: 0, voters: 2 }, { you: { ...YOU, votes: { p1: 3 }, stances: { p1: "against" } } });
  const at = () => room.tally("p1");
  assert.deepEqual([at().agree, at().against, at().mine, at().atClose, at().stances.length], [1, 1, "against", true, 3]);
  room.command("vote.cast", { proposal: "p1", revision: 3, stance: "abstain" });
  assert.deepEqual([at().agree, at().against, at().abstain, at().mine, at().sending], [1, 0, 1, "abstain", true]);
  room.retract("p1");
  assert.deepEqual([at().agree, at().against, at().abstain, at().mine], [1, 0, 0, null]);
  // A vote for other words than those shown changes no count.
  room.command("vote.cast", { proposal: "p1", revision: 2 });
  assert.deepEqual([at().agree, at().against, at().mine], [1, 1, "against"]);
  last().hear(shownBy({ terms: { ...terms, tally: "close" }, agree: undefined, voters: 2 }, { seq: 2, reason: "gap", you: YOU }));
  assert.deepEqual([at().hidden, at().agree, at().against, at().abstain, at().voters, at().needed], [true, null, null, null, 2, 2]);
  const decision = { agree: 2, eligible: 3, rule: "count", threshold: 2, policy_version: 1 };
  const closed = { status: "accepted", resolution: "auto_votes", resolved_at: "2026-11-30T09:00:00Z", decision };
  last().hear(shownBy(closed, { seq: 3, reason: "gap", you: YOU }));
  assert.deepEqual(at().outcome, {
    carried: true, status: "accepted", how: "auto_votes", by: null, at: "2026-11-30T09:00:00Z", reason: null,
    agree: 2, against: null, abstain: null, eligible: 3,
  });
  assert.deepEqual([at().agree, at().needed, at().quorum], [2, 2, null]);
  assert.equal(room.tally("p2"), undefined);
  assert.equal(room.tally("__proto__"), undefined);
  await client.stop();
});

test("the number that is needed, and the quorum, are the server's", () => {
  const of = (rule, more) => needed(rule, { eligible: 5, ...more });
  assert.equal(of({ rule: "count", threshold: 7 }), 7);
  assert.equal(of({ rule: "percent", threshold: 58 }, { eligible: 100 }), 58);
  assert.equal(of({ rule: "percent", threshold: 60 }), 3);
  assert.equal(of({ rule: "percent", threshold: 1 }, { eligible: 0 }), 1);
  assert.equal(of({ rule: "share", share: "2/3" }), 4);
  assert.equal(of({ rule: "share", share: "1/2", more_than: true }, { eligible: 4 }), 3);
  const ofVotes = { rule: "share", share: "1/2", more_than: true, of: "votes" };
  assert.equal(of(ofVotes, { against: 3 }), 4);
  assert.equal(of(ofVotes, { against: 3, atClose: false }), 3);
  assert.equal(of({ ...ofVotes, share: "1/1", more_than: false }, { against: 0 }), 1);
  assert.equal(of({ ...ofVotes, share: "1/1", more_than: false }, { against: 1 }), null);
  assert.equal(quorum({ quorum_percent: 50 }, 5), 3);
  assert.equal(quorum({}, 5), null);
});
