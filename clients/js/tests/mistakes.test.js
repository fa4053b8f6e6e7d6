import assert from "node:assert/strict";
import { test } from "node:test";

import { AyesError, Client } from "../ayes.js";
import { begin, opened, settled, snapshot } from "./fakes.js";

async function entered() {
  const parts = await opened();
  const entering = parts.client.subscribe("e1");
  await settled();
  parts.last().hear(snapshot({ state: { proposals: { p1: { kind: "assumption", revision: 3, agree: 0, status: "pending" } } } }));
  return { ...parts, room: await entering };
}

/** The proposal `p2` was made and acked at 2, and the room does not show it. */
async function behind() {
  const parts = await entered();
  const proposing = parts.room.propose("assumption", "Tea");
  await settled();
  const [{ id }] = parts.last().of("proposal.create");
  parts.last().hear({ type: "ack", id, event: "e1", seq: 2, result: { proposal: "p2" } });
  await proposing;
  return parts;
}

const shows = (last) =>
  last().hear({ type: "diff", event: "e1", epoch: "x", from: 1, seq: 2, patch: { proposals: { p2: { revision: 5, status: "pending" } } } });

test("a misspelt field of a new event or of its policy is named, and nothing is sent", async () => {
  const { client, last } = await opened();
  const refuses = (options, message) => assert.rejects(client.createEvent("x", options), { name: "RangeError", message });
  await refuses({ opions: ["Tea"] }, /^event\.create has no 'opions'; did you mean 'options'\?; .*unchecked/);
  await refuses({ option: ["Tea"] }, /'option'; did you mean 'options'\?/);
  await refuses({ policy: { asumption: {} } }, /^policy has no 'asumption'; did you mean 'assumption'\?/);
  await refuses({ policy: { assumption: { rule: "count", treshold: 2 } } }, /^policy\.assumption has no 'treshold'; did you mean 'threshold'\?/);
  await refuses({ policy: { ballot: { nmaed: true } } }, /^policy\.ballot has no 'nmaed'; did you mean 'named'\?/);
  await refuses({ policy: { of_tomorrow: 1 } }, /^policy has no 'of_tomorrow'; for/);
  await assert.rejects(client.command("event.create", { subject: "x", opions: [] }), RangeError);
  await settled();
  assert.equal(last().of("event.create").length, 0);
  client.createEvent("x", { policy: { of_tomorrow: 1 }, unchecked: true, id: "raw-00001" });
  client.createEvent("x", { policy: { guests: true, ballot: null }, options: ["Tea"], organiser: true });
  await settled();
  assert.deepEqual(last().of("event.create").map(({ policy }) => policy), [{ of_tomorrow: 1 }, { guests: true, ballot: null }]);
  await client.stop();
});

test("a misspelt field of a new policy, and a misspelt option of any act, is refused", async () => {
  const { client, last, room } = await entered();
  const policy = { conclusion: { autom: true } };
  await assert.rejects(room.command("event.set_policy", { policy_version: 1, policy }), { message: /^policy\.conclusion has no 'autom'; did you mean 'auto'\?/ });
  await assert.rejects(room.vote("p1", { stanse: "against" }), { name: "TypeError", message: "there is no option 'stanse'" });
  await assert.rejects(room.propose("assumption", "Tea", { raeson: "r" }), TypeError);
  await assert.rejects(room.command("event.start", {}, { not_after: 1 }), TypeError);
  await settled();
  assert.deepEqual(last().said.slice(2), []);
  await client.stop();
});

test("a vote on what one has just made waits until the room shows it, and its retraction stays behind it", async () => {
  const { client, last, room } = await behind();
  room.vote("p2");
  room.retract("p2");
  await settled();
  assert.deepEqual([last().of("vote.cast"), last().of("vote.retract")], [[], []]);
  shows(last);
  await settled();
  assert.deepEqual(last().of("vote.cast").map(({ revision }) => revision), [5]);
  const [{ id }] = last().of("vote.cast");
  last().hear({ type: "ack", id, event: "e1", seq: 2 });
  await settled();
  assert.equal(last().of("vote.retract").length, 1);
  await client.stop();
});

test("a room that never shows one's own step makes no act wait for ever", async () => {
  const { client, clock, room } = await behind();
  const voting = assert.rejects(room.vote("p2"), { code: "not_found" });
  await clock.pass(10_000);
  await voting;
  await client.stop();
});

test("a ballot has the criteria as one's own last step left them", async () => {
  const { client, last, room } = await behind();
  room.ballot("o1");
  await settled();
  assert.deepEqual(last().of("ballot.submit"), []);
  last().hear({ type: "diff", event: "e1", epoch: "x", from: 1, seq: 2, patch: { event: { criteria_rev: 9 } } });
  await settled();
  assert.deepEqual(last().of("ballot.submit").map(({ criteria_rev }) => criteria_rev), [9]);
  await client.stop();
});

test("what the room does not show is not found, by its name, and the error says what to pass", async () => {
  const { client, room } = await entered();
  await assert.rejects(room.vote("p_nope"), (error) => {
    assert.ok(error instanceof AyesError);
    assert.deepEqual([error.code, error.retry, error.details], ["not_found", "no", { path: "proposal" }]);
    assert.equal(error.message, "this room shows no proposal p_nope; pass revision to vote without seeing it");
    return true;
  });
  await assert.rejects(room.propose("criterion", "Tea", { target: "c_nope" }), {
    code: "not_found",
    message: "this room shows no criterion c_nope; pass base_version to propose without seeing it",
  });
  await client.stop();
});

test("a decision on a proposal that there is not is not found, and a late one says what was late", async () => {
  const { client, clock, last, room } = await entered();
  const none = assert.rejects(room.decided("p_nope"), { code: "not_found", message: "this event has no proposal p_nope" });
  await settled();
  const [{ ref, proposal }] = last().of("votes.list");
  assert.equal(proposal, "p_nope");
  last().hear({ type: "error", ref, code: "not_found", effect: "none", retry: "no", message: "…", details: {} });
  await none;
  const late = assert.rejects(room.decided("p1", { timeout: 500 }), {
    name: "TimeoutError",
    message: "proposal p1 was not decided within 500 ms",
  });
  await clock.pass(500);
  await late;
  assert.equal(last().of("votes.list").length, 1);
  await client.stop();
});

test("a decision on a proposal that the room will show is waited for", async () => {
  const { client, last, room } = await entered();
  const deciding = room.decided("p2");
  await settled();
  const [{ ref }] = last().of("votes.list");
  last().hear({ type: "error", ref, code: "forbidden", effect: "none", retry: "no", message: "…", details: {} });
  await settled();
  const patch = { proposals: { p2: { kind: "assumption", revision: 5, status: "accepted" } } };
  last().hear({ type: "diff", event: "e1", epoch: "x", from: 1, seq: 2, patch });
  assert.equal((await deciding).carried, true);
  await client.stop();
});

test("a token must be a string or a function, and white space around it is removed", async () => {
  for (const token of [null, 7, { secret: 1 }]) {
    assert.throws(() => new Client("https://decide.example", { token, WebSocket: class {} }), {
      name: "TypeError",
      message: /^token is a text, or a function that returns one, not (null|number|object)$/,
    });
  }
  for (const token of ["fresh\n", async () => "fresh\r\n"]) {
    const { client, last } = await opened({ token });
    assert.equal(last().said[0].token, "fresh");
    await client.stop();
  }
});

test("an address without a scheme is refused with the schemes that there are", () => {
  for (const address of ["localhost:8400", "ftp://decide.example"]) {
    assert.throws(() => new Client(address, { token: "t", WebSocket: class {} }), { name: "TypeError", message: /begins with http:\/\/, https:\/\// });
  }
});

test("an unreachable server is named, with the cause; a wrong path is said", async () => {
  const trouble = async (fetch) => {
    const { client } = begin({ token: "t", transport: "http", fetch, warn: null });
    client.start();
    for (let turn = 0; turn < 5; turn += 1) await settled();
    const { message } = client.trouble.error;
    await client.stop();
    return message;
  };
  const cause = new Error("connect ECONNREFUSED 127.0.0.1:1");
  const failed = await trouble(async () => Promise.reject(new TypeError("fetch failed", { cause })));
  assert.match(failed, /^the server at https:\/\/decide\.example was not reached: .*ECONNREFUSED/);
  const answer = { type: "error", code: "not_found", effect: "none", retry: "no", message: "Not Found", details: {} };
  const elsewhere = await trouble(async () => new Response(JSON.stringify(answer), { status: 404 }));
  assert.equal(elsewhere, "no server answers there: Not Found; check the address's path");
  assert.match(await trouble(async () => new Response("<h1>", { status: 404 })), /the answer was 404.*; check the address's path$/);
});
