// Read by `tsc --strict`, never run: what a user may write, and what the types must refuse.

import { explain } from "../../../clients/js/words.js";
import type { ClientEvents, ClientOptions, Outcome, TokenFunction, VoteOptions } from "../../../clients/js/ayes.js";
import { AyesError, Client, indexedDbOutbox, memoryOutbox, mergePatch, newId, Room, storageOutbox } from "../../../clients/js/ayes.js";

const client = new Client("https://decide.example", {
  token: async () => "jwt",
  client: { name: "sample", version: "1" },
  outbox: indexedDbOutbox(),
  WebSocket: globalThis.WebSocket,
  random: Math.random,
  backoff: { base: 100 },
}).start();
new Client(new URL("wss://decide.example/v1/socket"), { token: "jwt", outbox: storageOutbox(localStorage) });
new Client("/", { outbox: memoryOutbox() });

client.addEventListener("status", ({ detail }) => detail.retryAt?.toFixed());
client.addEventListener("refused", ({ detail }) => detail.error.details.seq?.toFixed());
client.addEventListener("fault", ({ detail }) => detail.where.length);

const room: Room = await client.subscribe("event");
room.addEventListener("change", ({ detail }) => detail.patch ?? detail.reason);
room.addEventListener("closed", ({ detail }) => detail.reason === "removed");
const ack = await room.vote("p", { id: newId() });
await room.reached(ack.seq);
const agree: number | undefined = ack.result.agree;
const made = await client.command("event.create", { subject: "s", policy: { assumption: { threshold: 2 } } });
const code: string = made.result.entrance_code;
const proposed = await room.command("proposal.create", { kind: "assumption", category: "create", content: "c" });
const status: "pending" | "accepted" | "rejected" | "deleted" = proposed.result.status;
const mine = await client.query("events.list");
const soon = await client.query("events.list", {}, { signal: AbortSignal.timeout(5_000) });
const inTime = await room.vote("p", { revision: soon.events.length, signal: AbortSignal.timeout(5_000) });
await room.vote("p", { notAfter: 600_000 });
await room.command("event.finish", {}, { once: true, notAfter: new Date(client.now() + 60_000) });
const kept: boolean[] = client.waiting().map(({ kept, sent }) => kept && !sent);
const back: boolean = await client.takeBack("id");
await client.forgetUser();
const names = mine.events.map(({ subject }) => subject);
const older = await client.query("comments.list", { event: "e", before: 7 });
const authors = older.comments.map(({ id, author }) => [id, author]);
const content = room.state.proposals["p"]?.content;
const count = mergePatch({ a: 1 }, { b: 2 }).a;
const undo: () => void = room.on("decided", ({ proposal, outcome }) => outcome.carried && proposal.length);
undo();
client.on("status", ({ trouble }) => trouble?.where === "token");
const onAcked = ({ detail }: ClientEvents["acked"]) => detail.ack.seq;
client.addEventListener("acked", onAcked);
client.removeEventListener("acked", onAcked);
const options: ClientOptions & { token: TokenFunction } = { token: ({ expired }) => String(expired), warn: null };
const voting: VoteOptions = { stance: "against", notAfter: 1_000 };
await room.vote("p", voting);
const outcome: Outcome = await room.decided("p", { timeout: 1_000 });
const first: string = await room.until(({ state }) => Object.keys(state.proposals)[0], { signal: AbortSignal.timeout(1) });
await room.propose("conclusion", "c", { target: "t" });
await room.ballot(["o"], ["c"], { base: 0 });
const said: string = explain(new Error(), "ko-KR", { name: (user) => room.state.members[user]?.name });
const begun: Room = await client.createEvent("s", { options: ["a"], organiser: true, notAfter: 60_000 });
const joined: Room = await client.join("A1B2C3");
await client.join({ invitation: "secret" }, { signal: AbortSignal.timeout(5_000) });
const subjects: string[] = [];
for await (const { subject } of client.paged("events.list")) subjects.push(subject);
for await (const { no, id } of begun.paged("proposals.list", { before: 7 })) subjects.push(id + no);
for await (const { stance } of begun.paged("votes.list", { proposal: "p" })) subjects.push(stance);
for await (const { state } of joined.every(1_000, { until: ({ closed }) => closed })) subjects.push(state.event.subject);
const accepted: string[] = (await begun.query("event.preview_policy", { policy: {} })).would_accept;
await begun.addMembers(["bob", { user: "cid", name: "Cid" }]);
const led: string = (await begun.start()).result.status + (await begun.finish({ once: true })).result.status;
// @ts-expect-error not a list
client.paged("event.overview");
// @ts-expect-error not about one event
begun.query("events.list");
// @ts-expect-error no such event of a room
room.on("chnage", () => {});
const tally = room.tally("p");
const missing: number | null | undefined = tally && tally.needed !== null && tally.agree !== null ? tally.needed - tally.agree : tally?.needed;
const carried: boolean | undefined = tally?.outcome?.carried;
for await (const { from, seq } of room) [from, seq].includes(room.seq);
try {
  await client.adopt("id").then(({ seq }) => seq);
  await client.adopt<"vote.cast">("id").then(({ result }) => result.agree);
} catch (error) {
  if (error instanceof AyesError && error.retry === "fix" && error.code === "revision_changed") error.details.current;
}

// @ts-expect-error no such command
client.command("vote.casts", { event: "e", proposal: "p", revision: 1 });
// @ts-expect-error a vote is for a revision
client.command("vote.cast", { event: "e", proposal: "p" });
// @ts-expect-error a kind that does not exist
room.command("proposal.create", { kind: "axiom", category: "create" });
// @ts-expect-error state is not written to
room.state.counts.members = 3;
// @ts-expect-error rooms are made by `subscribe`
new Room();

export { accepted, led, agree, back, authors, code, content, count, kept, names, status };
