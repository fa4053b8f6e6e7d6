// Tests of an application's rules against a real server, with vitest.
import { startAyes, type Ayes } from "ayes-client/testing";
import { afterAll, beforeAll, expect, test } from "vitest";

let ayes: Ayes;
beforeAll(async () => {
  ayes = await startAyes(); // once for the tests of this file
}, 60_000);
afterAll(() => ayes?.stop());

test("two of two carry a motion", async () => {
  const policy = { assumption: { rule: "count", threshold: 2 } } as const;
  const room = await ayes.decision({ members: ["ada", "bob"], policy });
  const { result } = await room.propose("assumption", "Tea");
  await ayes.vote(room, result.proposal, "ada", "bob");
  expect((await room.decided(result.proposal)).carried).toBe(true);
});

test("a motion nobody votes for is over the next day", async () => {
  const room = await ayes.decision({ members: ["ada"], policy: { ttl_seconds: 86_400 } });
  const { result } = await room.propose("assumption", "Tea");
  await ayes.advance(86_400);
  expect(await room.decided(result.proposal)).toMatchObject({ carried: false, how: "expired" });
});
