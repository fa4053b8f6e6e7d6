// Read by `tsc --strict`, never run: tests of an application, with a server of their own and with a room set by hand.

import type { Client, Room } from "../../../clients/js/ayes.js";
import { fakeRoom, startAyes } from "../../../clients/js/testing.js";
import type { Ayes, FakeRoom } from "../../../clients/js/testing.js";

const ayes: Ayes = await startAyes({ command: ["python", "-m", "server"], settings: { AYES_ALLOWED_ORIGINS: "*" } });
const token: string = ayes.token("ada", { name: "Ada", seconds: 60 });
const ada: Client = await ayes.client("ada", { client: { name: "test" } });
const room: Room = await ayes.decision({ by: "ada", members: ["bob"], subject: "Lunch", options: ["Here"] });
const voted: Room = await ayes.vote(room, "p", "ada", "bob");
// @ts-expect-error the admin is named by `by`
await ayes.decision({ as: "organiser" });
await ayes.stop();

const fake: FakeRoom = fakeRoom({
  state: { event: { subject: "Lunch" }, proposals: {} },
  answer: (type) => (type === "vote.cast" ? { agree: 1 } : {}),
});
fake.set({ state: { members: { ada: { name: "Ada", role: "admin" } } }, online: 2 }).set({ live: false });
const given: string[] = fake.given.map(({ type, id }) => type + id);
const shown: string | undefined = fake.state.members["ada"]?.name;
await fake.vote("p");
// @ts-expect-error no such part of the state
fake.set({ state: { member: {} } });
// @ts-expect-error what was given is read only
fake.given = [];

export { ada, given, shown, token, voted };
