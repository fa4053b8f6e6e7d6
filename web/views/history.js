// The decisions with their authors and times, the newest first, back to the event's beginning. Admins
// also see the other acts of admins.

import { byDecision } from "../order.js";
import { reason } from "../refusal.js";
import { h } from "../render.js";
import { t } from "../words.js";
import { searched, searchField, windowed } from "./lists.js";
import { button, empty, loading, person, reasonOf, time, trouble } from "./parts.js";
import { change, outcome, proposalTitle, reverting } from "./proposal.js";

const FILTERS = ["all", "accepted", "rejected", "deleted"];
/** Acts of admins other than decisions; the server shows its journal to them alone. */
const ADMINS = "admins";

export function historyTab(app, store) {
  const filters = store.isAdmin ? [...FILTERS, ADMINS] : FILTERS;
  const chosen = app.shown("history") || "all";
  const filter = filters.includes(chosen) ? chosen : "all";
  return h("div", { class: "narrow history" },
    h("header", { class: "section-head" }, h("h2", {}, t("history.title")),
      h("div", { class: "choice", role: "group", "aria-label": t("history.filter") }, filters.map((one) =>
        h("button", { key: one, type: "button", "aria-pressed": String(filter === one), onclick: () => app.show("history", one) }, t(`history.${one}`))))),
    filter === ADMINS ? byAdmins(store) : decisions(app, store, filter));
}

function decisions(app, store, filter) {
  const page = store.pages.proposals;
  const decided = all(store);
  const shown = decided.filter(([, proposal]) => filter === "all" || proposal.status === filter);
  const list = `history|${store.event}`;
  const found = searched(app, list, shown, ([, one]) => `${one.content ?? ""} ${one.reason ?? ""} ${store.name(one.author) ?? ""}`);
  const { rows, more } = windowed(app, list, found, ([id, proposal]) => entry(app, store, id, proposal));
  const pending = Object.values(store.state.proposals).filter((proposal) => proposal.status === "pending").length;
  const missing = store.state.counts.proposals - pending - decided.length;
  return [
    shown.length === 0 && missing <= 0 && empty(t(store.status === "finished" ? "history.none.finished" : "history.none")),
    searchField(app, list, t("list.search"), decided.length),
    h("ol", { class: "timeline" }, rows),
    more,
    page.error && trouble(reason(page.error), () => store.more("proposals")),
    page.loading ? loading() : missing > 0 && !page.done && button(t("history.older", { count: missing }), () => store.more("proposals"), {}),
  ];
}

/** Roles that were given and codes that were changed, the newest first. */
function byAdmins(store) {
  const { journal } = store;
  if (journal.stale && !journal.loading && !journal.error && store.room.live) journal.newer(store.room.seq);
  const idle = !journal.loading && !journal.error && !journal.stale;
  const older = t("history.further", { count: journal.left });
  return [
    idle && journal.items.length === 0 && empty(t(journal.left > 0 ? "history.admins.none_yet" : "history.admins.none")),
    h("ol", { class: "timeline" }, journal.items.map((item) => done(store, item))),
    journal.error && trouble(reason(journal.error), () => journal.newer(store.room.seq)),
    journal.loading ? loading() : journal.left > 0 && button(older, () => store.journal.older(), {}),
  ];
}

function done(store, { seq, at, by, what, user, code }) {
  const name = (id) => store.name(id) ?? t("people.unknown");
  return h("li", { class: "entry", key: seq },
    h("article", { class: "card" },
      h("p", {}, t(`history.did.${what}`, { by: name(by), name: user && name(user), code })),
      h("p", { class: "quiet" }, time(at))));
}

/** Decided ones of the room's window and of the pages, `[id, proposal]`, the last decided first. */
function all(store) {
  const window = Object.entries(store.state.proposals).filter(([, proposal]) => proposal.status !== "pending").reverse();
  const found = new Map(window);
  for (const [id, proposal] of store.pages.proposals.items) if (!found.has(id)) found.set(id, proposal);
  return [...found].sort(([, a], [, b]) => byDecision(a, b));
}

function entry(app, store, id, proposal) {
  return h("li", { class: `entry ${proposal.status}`, key: id, mount: (el) => store.settled && el.classList.add("arrive") },
    h("article", { class: "card" },
      h("header", { class: "proposal-head" }, h("h3", { class: "proposal-kind" }, proposalTitle(proposal)),
        h("p", { class: "quiet" }, t("history.by"), " ", person(store, proposal.author), " · ", time(proposal.created_at))),
      change(store, proposal),
      proposal.reason && reasonOf(proposal.reason),
      outcome(store, proposal),
      reverting(app, store, id, proposal)));
}
