// The room's main part: the open proposals, and next to them the accepted items.

import { NEAR_MS, nearing } from "../nearing.js";
import { byNo } from "../order.js";
import { h } from "../render.js";
import { link } from "../route.js";
import { number, t } from "../words.js";
import { wordsForm } from "./forms.js";
import { ground } from "./ground.js";
import { button, empty, loading, noteOf, words } from "./parts.js";
import { proposalCard, proposalTitle } from "./proposal.js";
import { since } from "./since.js";
import { preparations } from "./start.js";

/** Cards that are drawn at once; more on demand. */
const PAGE_SIZE = 40;

export function decideTab(app, store) {
  return h("div", { class: "columns" }, feed(app, store), ground(app, store));
}

function feed(app, store) {
  const { proposals } = store.state;
  const cards = [...store.watched].filter((id) => id in proposals)
    .sort((a, b) => byNo(proposals[a], proposals[b]));
  const decided = cards.filter((id) => proposals[id].status !== "pending").length;
  const shown = app.shown(`more|${store.event}`) || PAGE_SIZE;
  const isFinished = store.status === "finished";
  return h("section", { class: "feed", "aria-labelledby": "feed-title" },
    h("header", { class: store.status === "not_started" ? "unseen" : "section-head" },
      h("h2", { id: "feed-title" }, t(isFinished ? "feed.title.finished" : "feed.title"), " ", h("span", { class: "count" }, number(isFinished ? cards.length : cards.length - decided))),
      h("div", { class: "row" },
        decided > 0 && button(t("feed.tidy", { count: decided }), () => store.tidy(), { kind: "quiet small" }),
        proposer(app, store))),
    newProposal(app, store),
    ballotCall(store, cards.length === decided),
    since(app, store),
    paused(store),
    cards.length === 0 && sending(store).length === 0 && nothing(store),
    cards.slice(0, shown).map((id) => proposalCard(app, store, id, proposals[id])),
    cards.length > shown && button(t("feed.more", { count: cards.length - shown }), () => app.show(`more|${store.event}`, shown + PAGE_SIZE)),
    sending(store).map((act) => ghost(app, store, act)));
}

/**
 * The way to the final ballot, for a member who has not given one: elsewhere only a tab leads there.
 * `isAlone`: there is nothing else to do.
 */
function ballotCall(store, isAlone) {
  const count = Object.keys(store.state.options).length;
  if (count === 0 || store.status !== "in_progress" || store.you.ballot || !store.may("ballot.submit")) return null;
  // A reminder of the end leads there too.
  if (nearing(store).some(({ lacks, left }) => lacks && left <= NEAR_MS)) return null;
  return h("div", { class: "banner good ballot-call", key: "ballot-call" }, h("p", {}, t("feed.ballot", { count })),
    h("a", { class: `button small ${isAlone ? "primary" : ""}`, href: link.room(store.event, "ballot") }, t("feed.ballot.go")));
}

/** Kinds that can be proposed without a thing to change. */
const NEW_KINDS = ["criterion", "assumption"];
const openKey = (store) => `new-proposal|${store.event}`;

/** The buttons to propose, next to the proposals: on a phone the items themselves are far below. */
function proposer(app, store) {
  if (!store.may("proposal.create") || app.shown(openKey(store))) return null;
  return button(t("feed.propose"), () => app.show(openKey(store), NEW_KINDS[0]), { kind: "small primary", sign: "plus", "data-opens": openKey(store) });
}

function newProposal(app, store) {
  const kind = app.shown(openKey(store));
  if (!kind || !store.may("proposal.create")) return null;
  const send = ({ content, reason }) => store.run("proposal.create", { kind, category: "create", content, ...(reason && { reason }) });
  return h("div", { class: "card stack", key: "new-proposal" },
    h("div", { class: "choice", role: "group", "aria-label": t("feed.propose.kind") }, NEW_KINDS.map((one) =>
      h("button", { key: one, type: "button", "aria-pressed": String(one === kind), onclick: () => app.show(openKey(store), one) }, t(`kind.${one}.create`)))),
    h("p", { class: "hint" }, t(`about.${kind}`)),
    wordsForm(app, store, { key: `propose/${kind}/create/`, label: t(`propose.${kind}.create`), title: t(`kind.${kind}.create`), submit: t("propose"), reasoned: true, lines: 2, send, folded: () => app.fold(openKey(store)) }),
    h("p", { class: "hint" }, t("feed.propose.other")));
}

/**
 * Others' proposals that came and are not in view: they are said in the bar at the top, where the button lies on no
 * control, and one press away.
 */
export function freshNews(app) {
  const { view, event, tab } = app.route;
  const store = view === "room" && tab === "decide" && app.session.rooms.get(event);
  if (!store || store.phase !== "open") return null;
  const away = [...store.fresh].filter((id) => !store.inView.has(id));
  if (away.length === 0) return null;
  const [first] = away;
  const jump = () => {
    document.getElementById(`proposal-${first}`)?.scrollIntoView({ block: "center" });
    store.saw(first);
  };
  return button(t("news.proposed", { count: away.length }), jump, { kind: "small primary fresh-news", sign: "down", key: "fresh" });
}

/** Proposals that were asked for, whose diff has not come yet. */
const sending = (store) =>
  store.acts.under(store.event, "propose/").filter((act) => act.state !== "confirmed" || act.seq > store.room.seq);

function ghost(app, store, act) {
  return h("article", { class: "card proposal ghost", key: act.id },
    h("p", { class: "proposal-kind" }, proposalTitle(act.args)),
    act.args.content && words(act.args.content),
    noteOf(app, act, (user) => store.name(user)));
}

function paused(store) {
  if (store.status !== "paused") return null;
  return h("p", { class: "banner" }, t("feed.paused"));
}

function nothing(store) {
  if (store.status === "not_started") return preparations(store);
  if (store.status === "finished") return empty(t("feed.finished"));
  return store.room.live ? empty(t("feed.none")) : loading();
}
