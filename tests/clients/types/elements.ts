// Read by `tsc --strict`, never run: a page with the elements.

import { Client } from "../../../clients/js/ayes.js";
import { AyesElement, AyesProposal, AyesRoom } from "../../../clients/js/elements.js";

const room: AyesRoom = document.createElement("ayes-room");
room.client = new Client("https://decide.example", { token: "jwt" }).start();
room.client = null;
room.setAttribute("event", "e");
const proposal: AyesProposal | null = document.querySelector("ayes-proposal");
const both: AyesElement[] = proposal ? [room, proposal] : [room];
document.body.append(...both);
const subject: string | undefined = room.room?.state.event.subject;
room.addEventListener("ayes-decided", ({ detail }) => detail.outcome.carried && detail.proposal.length);
document.addEventListener("ayes-error", (event) => event.type);
room.addEventListener("ayes-error", ({ detail }) => detail.error.code === "not_a_member");
// @ts-expect-error the room is the element's own
room.room = undefined;
// @ts-expect-error no such event
room.addEventListener("ayes-decided", ({ detail }) => detail.verdict);

export { subject };
