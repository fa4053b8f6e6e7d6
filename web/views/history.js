// What was decided, by whom and when, the newest first, as far back as the event goes.

import { reason } from "../refusal.js";
import { h } from "../render.js";
import { t } from "../words.js";
import { button, empty, loading, person, time, trouble } from "./parts.js";
import { change, outcome, proposalTitle, reverting } from "./proposal.js";

const FILTERS = ["all", "accepted", "rejected", "deleted"];

export function historyTab(app, store) {
  const page = store.pages.proposals;
  const decided = all(store);
  const filter = app.shown("history") || "all";
  const shown = decided.filter(([, proposal]) => filter === "all" || proposal.status === filter);
  const pending = Object.values(store.state.proposals).filter((proposal) => proposal.status === "pending").length;
  const missing = store.state.counts.proposals - pending - decided.length;
  return h("div", { class: "narrow history" },
    h("header", { class: "section-head" }, h("h2", {}, t("history.title")),
      h("div", { class: "choice", role: "group", "aria-label": t("history.filter") }, FILTERS.map((one) =>
        h("button", { key: one, type: "button", "aria-pressed": String(filter === one), onclick: () => app.show("history", one) }, t(`history.${one}`))))),
    shown.length === 0 && missing <= 0 && empty(t("history.none")),
    h("ol", { class: "timeline" }, shown.map(([id, proposal]) => entry(app, store, id, proposal))),
    page.error && trouble(reason(page.error), () => store.more("proposals")),
    page.loading ? loading() : missing > 0 && !page.done && button(t("history.older", { count: missing }), () => store.more("proposals"), {}));
}

/** Decided ones of the room's window and of the pages, `[id, proposal]`, the last decided first. */
function all(store) {
  const found = new Map(store.pages.proposals.items);
  for (const [id, proposal] of Object.entries(store.state.proposals)) if (proposal.status !== "pending") found.set(id, proposal);
  return [...found].sort(([, a], [, b]) => (a.resolved_at < b.resolved_at ? 1 : -1));
}

function entry(app, store, id, proposal) {
  return h("li", { class: `entry ${proposal.status}`, key: id, mount: (el) => store.settled && el.classList.add("arrive") },
    h("article", { class: "card" },
      h("header", { class: "proposal-head" }, h("h3", { class: "proposal-kind" }, proposalTitle(proposal)),
        h("p", { class: "quiet" }, t("history.by"), " ", person(store, proposal.author), " · ", time(proposal.created_at))),
      change(store, proposal),
      proposal.reason && h("blockquote", { class: "reason" }, proposal.reason),
      outcome(store, proposal),
      reverting(app, store, id, proposal)));
}
