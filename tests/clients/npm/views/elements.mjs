// The driver of the custom elements: they enter the rooms, and the words and counts of open proposals are those they show.

import { place } from "./dom.mjs";
import { drive, errorOf, tell } from "../node_modules/ayes-client/conformance/orders.mjs";
import "ayes-client/elements";

/** Event → its <ayes-room>. */
const elements = new Map();
let client = null;

function look(event, one, watch) {
  const { element } = one;
  const undo = setInterval(() => {
    if (elements.get(event) !== one) clearInterval(undo);
    else if (element.room && !element.room.closed && !one.isIn) {
      one.isIn = true;
      watch(element.room);
      tell("subscribed", { event, seq: element.room.seq });
    } else if (one.isIn && element.shadowRoot.querySelector(".error")) {
      clearInterval(undo);
      const { closed } = element.room;
      if (closed !== "stopped" && element.textContent === "") tell("closed", { event, reason: closed });
      elements.delete(event);
    }
  }, 5);
}

/** What an <ayes-proposal> shows. */
function said(element) {
  const [words, standing] = element.shadowRoot.querySelectorAll("p");
  const counts = /^(-?\d+) of (\d+) agree/.exec(standing?.textContent ?? "");
  return { content: words?.textContent, ...(counts && { agree: Number(counts[1]) }) };
}

await drive({
  tellsStatus: false,
  mount(started) {
    client = started;
    for (const { element } of elements.values()) element.remove();
    elements.clear();
  },
  enter(event, watch) {
    const element = document.createElement("ayes-room");
    element.setAttribute("event", event);
    element.client = client;
    const one = { element, isIn: false };
    elements.set(event, one);
    element.addEventListener("ayes-error", ({ detail: { error } }) => {
      if (error.code !== "stopped") tell("subscribe_error", { event, error: errorOf(error) });
      elements.delete(event);
    });
    place().append(element);
    look(event, one, watch);
  },
  leave(event) {
    elements.get(event).element.remove();
    elements.delete(event);
    tell("left", { event });
  },
  shown(event) {
    const element = elements.get(event)?.element;
    if (!element?.room?.state) return null;
    const { state, you, seq, epoch } = element.room;
    const proposals = { ...state.proposals };
    const seen = new Map([...element.shadowRoot.querySelectorAll("ayes-proposal")].map((one) => [one.getAttribute("proposal"), one]));
    for (const [id, proposal] of Object.entries(proposals)) {
      if (proposal.status !== "pending") continue;
      let { content, agree } = seen.has(id) ? said(seen.get(id)) : {};
      // The user's own vote is counted while it is on its way.
      const tally = element.room.tally(id);
      if (tally?.sending && agree === tally.agree) agree = proposal.agree;
      proposals[id] = { ...proposal, content: content ?? null, ...(proposal.agree !== undefined && { agree: agree ?? null }) };
    }
    // The line says when the room does not follow the server now.
    const [title, line] = element.shadowRoot.querySelectorAll("p");
    return { state: { ...state, proposals, event: { ...state.event, subject: title?.textContent } }, you, seq, epoch, live: line?.textContent === "" };
  },
});
