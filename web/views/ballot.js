// The final ballot: one option, and all criteria in order of weight. Afterwards, the results.

import { h } from "../render.js";
import { t } from "../words.js";
import { sorted } from "./ground.js";
import { button, empty, icon, note } from "./parts.js";
import { results } from "./results.js";

export function ballotTab(app, store) {
  const { state } = store;
  if (store.status === "finished") return results(app, store);
  const counts = h("p", { class: "quiet" }, t("ballot.count", { count: state.counts.ballots, members: state.counts.members }));
  if (store.status === "not_started") return h("div", { class: "narrow" }, empty(t("ballot.before")));
  const options = sorted(state.options);
  if (options.length === 0) return h("div", { class: "narrow" }, empty(t("ballot.no_options")));
  return h("div", { class: "narrow ballot" },
    h("header", { class: "section-head" }, h("h2", {}, t("ballot.title")), counts),
    store.status === "paused" && h("p", { class: "banner" }, t("ballot.paused")),
    given(store),
    form(app, store, options));
}

/** My ballot as it stands, and whether the criteria have changed since. */
function given(store) {
  const { ballot } = store.you;
  if (!ballot) return null;
  const outdated = ballot.criteria_rev !== store.state.event.criteria_rev;
  return h("p", { class: `banner ${outdated ? "stale" : "good"}` }, outdated ? t("ballot.outdated") : t("ballot.given"));
}

/** The choice and ranking shown: the draft, else the submitted ballot; with every live criterion. */
function chosen(app, store) {
  const draft = app.drafts.get(`${store.event}|ballot`);
  const { ballot } = store.you;
  const live = sorted(store.state.criteria).map((criterion) => criterion.id);
  const ranked = (draft?.order ?? ballot?.criterion_order ?? []).filter((id) => live.includes(id));
  const option = draft?.option ?? ballot?.option;
  const order = [...ranked, ...live.filter((id) => !ranked.includes(id))];
  return {
    option: option in store.state.options ? option : undefined,
    order,
    // Without an act of the member there is no ranking.
    isRanked: order.length < 2 || Boolean(draft?.isRanked ?? ballot),
    changed: draft !== undefined,
  };
}

function form(app, store, options) {
  const { option, order, isRanked, changed } = chosen(app, store);
  const draft = `${store.event}|ballot`;
  const change = (patch) => app.drafts.set(draft, { option, order, isRanked, base: standing, ...patch });
  // The revision of the ballot that was shown when the draft was begun: an older one never replaces a
  // newer.
  const standing = app.drafts.get(draft)?.base ?? revisionOf(store.you.ballot);
  const may = store.may("ballot.submit");
  const busy = store.act("ballot")?.state === "pending";
  const send = async (event) => {
    event.preventDefault();
    if (!option || !isRanked || busy) return;
    const act = await store.run("ballot.submit", { option, criterion_order: order, criteria_rev: store.state.event.criteria_rev, ...(standing !== undefined && { base: standing }) });
    if (act.state === "confirmed") app.drafts.drop(draft);
    // Another ballot was submitted meanwhile: the choice is kept, and replaces that one once the member
    // has seen it.
    if (act.error?.code === "version_conflict") change({ base: undefined });
  };
  return h("form", { onsubmit: send },
    h("fieldset", { class: "card options-choice", disabled: !may }, h("legend", {}, h("h3", {}, t("ballot.option"))),
      options.map((one) => h("label", { class: `option-choice ${one.id === option ? "on" : ""}`, key: one.id },
        h("input", { type: "radio", name: "option", value: one.id, checked: one.id === option, onchange: () => change({ option: one.id }) }),
        h("span", { dir: "auto" }, one.content)))),
    order.length > 1 && h("section", { class: "card" },
      h("h3", { id: "ranking-title" }, t("ballot.ranking")),
      h("p", { class: "hint", id: "ranking-hint" }, t("ballot.ranking.hint")),
      ranking(app, store, order, { may, isRanked }, (next) => change({ order: next, isRanked: true })),
      may && h("div", { class: "tick" },
        h("input", { type: "checkbox", id: "order-is-mine", checked: isRanked, onchange: (event) => change({ isRanked: event.target.checked }) }),
        h("label", { for: "order-is-mine" }, t("ballot.ranking.mine")))),
    may && h("div", { class: "row submit-row" },
      h("button", { class: "button primary", disabled: !option || !isRanked || busy }, t(store.you.ballot ? "ballot.again" : "ballot.submit")),
      store.you.ballot && button(t("ballot.clear"), () => store.run("ballot.clear"), { kind: "quiet", disabled: busy }),
      !busy && (changed || !store.you.ballot) && h("span", { class: "quiet" }, t(!option ? "ballot.choose" : isRanked ? "ballot.unsent" : "ballot.rank")),
      note(app, store, "ballot")));
}

const revisionOf = (ballot) => (ballot ? ballot.revision : 0);

/** The criteria in order; moved by the grip (dragged, or by arrow keys) and by buttons. */
function ranking(app, store, order, { may, isRanked }, change) {
  const { criteria } = store.state;
  const move = (id, to) => {
    const from = order.indexOf(id);
    if (to < 0 || to >= order.length || to === from) return;
    const next = order.filter((one) => one !== id);
    next.splice(to, 0, id);
    change(next);
    tell(id, to);
  };
  const tell = (id, to) => app.announce(t("ballot.moved", { name: criteria[id].content, place: to + 1, count: order.length }));
  return h("ol", { class: `ranking ${isRanked ? "" : "unranked"}`, "aria-labelledby": "ranking-title" }, order.map((id, place) =>
    h("li", { key: id, "data-id": id },
      h("span", { class: "place", "aria-hidden": "true" }, isRanked ? String(place + 1) : "–"),
      h("button", { type: "button", class: "grip", disabled: !may, "aria-label": t("ballot.grip", { name: criteria[id].content, place: place + 1, count: order.length }),
        "aria-describedby": "ranking-hint", onkeydown: byKeys(id, place, order, move), onpointerdown: byDrag(id, change, (to) => tell(id, to)) }, icon("grip")),
      h("span", { class: "words", dir: "auto" }, criteria[id].content),
      h("span", { class: "points" }, isRanked && place < 3 ? t("ballot.points", { count: 3 - place }) : ""),
      h("span", { class: "tools" },
        button(t("ballot.up", { name: criteria[id].content }), () => move(id, place - 1), { kind: "quiet small", sign: "up", bare: true, disabled: !may || place === 0 }),
        button(t("ballot.down", { name: criteria[id].content }), () => move(id, place + 1), { kind: "quiet small", sign: "down", bare: true, disabled: !may || place === order.length - 1 })))));
}

const byKeys = (id, place, order, move) => (event) => {
  const to = { ArrowUp: place - 1, ArrowDown: place + 1, Home: 0, End: order.length - 1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  move(id, to);
};

/** Follow the pointer; the list is reordered as it passes over the others, and reported at the end. */
const byDrag = (id, change, tell) => (event) => {
  if (event.button !== 0) return;
  const grip = event.currentTarget;
  const row = grip.closest("li");
  const rows = row.parentElement;
  grip.setPointerCapture(event.pointerId);
  row.classList.add("dragged");
  let order = [...rows.children].map((one) => one.dataset.id).filter(Boolean);
  const before = order.join();
  const follow = ({ clientY }) => {
    const others = [...rows.children].filter((one) => one.dataset.id && one.dataset.id !== id);
    const to = others.filter((one) => clientY > one.getBoundingClientRect().top + one.offsetHeight / 2).length;
    const next = others.map((one) => one.dataset.id);
    next.splice(to, 0, id);
    if (next.join() === order.join()) return;
    order = next;
    change(next);
  };
  const end = () => {
    grip.removeEventListener("pointermove", follow);
    row.classList.remove("dragged");
    if (order.join() !== before) tell(order.indexOf(id));
  };
  grip.addEventListener("pointermove", follow);
  grip.addEventListener("lostpointercapture", end, { once: true });
};
