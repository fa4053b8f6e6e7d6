// Ayes for pages without a framework: <ayes-room> and <ayes-proposal>, defined by importing this file.
//
//   <ayes-room server="https://ayes.example" event="0190…" token-from="/api/ayes"></ayes-room>
//
// A room without children shows its open proposals. Elements of one server and one source of tokens share a client.

export { AyesElement } from "./src/elements/element.js";
import { AyesProposal } from "./src/elements/proposal.js";
import { AyesRoom } from "./src/elements/room.js";

export { AyesProposal, AyesRoom };

const ELEMENTS = { "ayes-proposal": AyesProposal, "ayes-room": AyesRoom };
for (const [name, element] of Object.entries(ELEMENTS)) {
  if (!customElements.get(name)) customElements.define(name, element);
}
