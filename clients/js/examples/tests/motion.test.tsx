// @vitest-environment jsdom
// Tests of a component: with a room that the test sets by hand, and with a real server.
import { cleanup, fireEvent, render, screen } from "@testing-library/react";
import type { Room } from "ayes-client";
import { AyesProvider, useProposal, useRoom } from "ayes-client/react";
import { fakeRoom, startAyes, type Ayes } from "ayes-client/testing";
import { Suspense } from "react";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";

function Motion({ room, id }: { room: Room; id: string }) {
  const { tally, outcome, vote } = useProposal(room, id);
  if (outcome) return <p>{outcome.carried ? "Carried" : "Not carried"}</p>;
  return <button onClick={vote}>{`${tally?.agree} of ${tally?.eligible}`}</button>;
}

function Entered({ event, id }: { event: string; id: string }) {
  return <Motion room={useRoom(event)} id={id} />;
}

let ayes: Ayes;
beforeAll(async () => {
  ayes = await startAyes();
}, 60_000);
afterAll(() => ayes?.stop());
afterEach(cleanup);

test("it shows what the room shows", async () => {
  const proposal = { kind: "assumption", category: "create", content: "Tea", status: "pending", author: "ada" } as const;
  const tea = { ...proposal, revision: 1, agree: 1, stale: false, created_at: "2026-11-30T08:00:00.000Z" };
  const room = fakeRoom({ state: { counts: { members: 4 }, proposals: { p: tea } } });
  render(<Motion room={room} id="p" />);
  fireEvent.click(screen.getByText("1 of 4"));
  expect(room.given[0]).toMatchObject({ type: "vote.cast", args: { proposal: "p", revision: 1 } });
  // A room without a server decides nothing by itself: the test sets what follows.
  room.set({ state: { proposals: { p: { ...tea, status: "accepted", resolution: "auto_votes" } } } });
  await screen.findByText("Carried");
});

test("two people carry a motion", async () => {
  const policy = { assumption: { rule: "count", threshold: 2 } } as const;
  const room = await ayes.decision({ by: "ada", members: ["bob"], policy });
  const { result } = await room.propose("assumption", "Tea");
  render(
    <AyesProvider client={await ayes.client("bob")}>
      <Suspense fallback="…"><Entered event={room.event} id={result.proposal} /></Suspense>
    </AyesProvider>,
  );
  fireEvent.click(await screen.findByText("0 of 2"));
  await screen.findByText("1 of 2");
  await ayes.vote(room, result.proposal, "ada");
  await screen.findByText("Carried");
});
