// The room's heart: what is proposed now, and beside it what the group has settled on.

import { h } from "../render.js";
import { t } from "../words.js";
import { ground } from "./ground.js";
import { button, empty, loading, noteOf } from "./parts.js";
import { proposalCard, proposalTitle } from "./proposal.js";

/** Cards that are drawn at once; more on demand. */
const SHOWN = 40;

export function decideTab(app, store) {
  return h("div", { class: "columns" }, feed(app, store), ground(app, store));
}

function feed(app, store) {
  const { proposals } = store.state;
  const cards = [...store.watched].filter((id) => id in proposals)
    .sort((a, b) => (proposals[a].created_at < proposals[b].created_at ? -1 : 1));
  const decided = cards.filter((id) => proposals[id].status !== "pending").length;
  const shown = app.shown(`more|${store.event}`) || SHOWN;
  return h("section", { class: "feed", "aria-labelledby": "feed-title" },
    h("header", { class: "section-head" },
      h("h2", { id: "feed-title" }, t("feed.title"), " ", h("span", { class: "count" }, String(cards.length - decided))),
      decided > 0 && button(t("feed.tidy", { count: decided }), () => store.tidy(), { kind: "quiet small" })),
    paused(store),
    cards.length === 0 && sending(store).length === 0 && nothing(store),
    cards.slice(0, shown).map((id) => proposalCard(app, store, id, proposals[id])),
    cards.length > shown && button(t("feed.more", { count: cards.length - shown }), () => app.show(`more|${store.event}`, shown + SHOWN)),
    sending(store).map((act) => ghost(app, store, act)));
}

/** Proposals that were asked for, whose diff has not come yet. */
const sending = (store) =>
  store.acts.under(store.event, "propose/").filter((act) => act.state !== "confirmed" || act.seq > store.room.seq);

function ghost(app, store, act) {
  return h("article", { class: "card proposal ghost", key: act.id },
    h("p", { class: "proposal-kind" }, proposalTitle(act.args)),
    act.args.content && h("p", { class: "words" }, act.args.content),
    noteOf(app, act, (user) => store.name(user)));
}

function paused(store) {
  if (store.status !== "paused") return null;
  return h("p", { class: "banner" }, t("feed.paused"));
}

function nothing(store) {
  if (store.status === "not_started") return empty(t(store.role === "admin" ? "feed.before.admin" : "feed.before"));
  if (store.status === "finished") return empty(t("feed.finished"));
  return store.room.live ? empty(t("feed.none")) : loading();
}
