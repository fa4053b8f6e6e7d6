// The final ballot: one option, several or an order of them, and all criteria in order of weight.
// Afterwards, the results.

import { whole } from "../policy.js";
import { h } from "../render.js";
import { t } from "../words.js";
import { sorted } from "./ground.js";
import { button, empty, icon, note } from "./parts.js";
import { ranking } from "./ranking.js";
import { remindButton } from "./remind.js";
import { results } from "./results.js";
import { turnout } from "./turnout.js";

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
    secrecy(store),
    store.role === "organiser" && h("p", { class: "banner" }, t("ballot.organiser")),
    given(store),
    turnout(app, store, { ballot: true }),
    remindButton(app, store) && h("div", { class: "row aside-row" }, remindButton(app, store)),
    form(app, store, options));
}

/** Who learns what a ballot says. */
function secrecy(store) {
  const { ballot } = whole(store.state.event.policy);
  return h("p", { class: "hint secrecy" }, icon(ballot.named ? "person" : "lock"), h("span", {}, t(ballot.named ? "ballot.is_named" : "ballot.is_secret")));
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
  const options = (draft?.options ?? ballot?.options ?? [draft?.option ?? ballot?.option]).filter((id) => id in store.state.options);
  const order = [...ranked, ...live.filter((id) => !ranked.includes(id))];
  return {
    options,
    order,
    // Without an act of the member there is no ranking.
    isRanked: order.length < 2 || Boolean(draft?.isRanked ?? ballot?.criterion_order?.length),
    changed: draft !== undefined,
  };
}

function form(app, store, options) {
  const { options: picked, order, isRanked, changed } = chosen(app, store);
  const { method } = whole(store.state.event.policy).ballot;
  const draft = `${store.event}|ballot`;
  const change = (patch) => app.drafts.set(draft, { options: picked, order, isRanked, base: standing, ...patch });
  // The revision of the ballot that was shown when the draft was begun: an older one never replaces a
  // newer.
  const standing = app.drafts.get(draft)?.base ?? revisionOf(store.you.ballot);
  const may = store.may("ballot.submit");
  const busy = store.act("ballot")?.state === "pending";
  const send = async (event) => {
    event.preventDefault();
    if (picked.length === 0 || busy) return;
    const choice = method === "single" ? { option: picked[0] } : { options: picked };
    const act = await store.run("ballot.submit", { ...choice, ...(isRanked && order.length > 1 && { criterion_order: order }), criteria_rev: store.state.event.criteria_rev, ...(standing !== undefined && { base: standing }) });
    if (act.state === "confirmed") app.drafts.drop(draft);
    // Another ballot was submitted meanwhile: the choice is kept, and replaces that one once the member
    // has seen it.
    if (act.error?.code === "version_conflict") change({ base: undefined });
  };
  return h("form", { onsubmit: send },
    optionsField(store, app, options, { method, picked, may }, (next) => change({ options: next })),
    order.length > 1 && h("section", { class: "card" },
      h("h3", {}, t("ballot.ranking")),
      h("p", { class: "hint" }, t("ballot.ranking.hint")),
      ranking(app, order, { nameOf: (id) => store.state.criteria[id].content, may, isRanked, label: t("ballot.ranking"), points: true }, (next) => change({ order: next, isRanked: true })),
      may && h("div", { class: "tick" },
        h("input", { type: "checkbox", id: "order-is-mine", checked: isRanked, onchange: (event) => change({ isRanked: event.target.checked }) }),
        h("label", { for: "order-is-mine" }, t("ballot.ranking.mine")))),
    may && h("div", { class: "row submit-row" },
      h("button", { class: "button primary", disabled: picked.length === 0 || busy }, t(store.you.ballot ? "ballot.again" : "ballot.submit")),
      store.you.ballot && button(t("ballot.clear"), () => store.run("ballot.clear"), { kind: "quiet", disabled: busy }),
      !busy && (changed || !store.you.ballot) && h("span", { class: "quiet" }, t(picked.length === 0 ? `ballot.choose.${method}` : isRanked ? "ballot.unsent" : "ballot.rank")),
      note(app, store, "ballot")));
}

const revisionOf = (ballot) => (ballot ? ballot.revision : 0);

/** The options to choose from, as `method` asks; `change(ids)` is called with those chosen, the best first. */
function optionsField(store, app, options, { method, picked, may }, change) {
  const legend = h("legend", {}, h("h3", {}, t(`ballot.option.${method}`)));
  if (method === "ranked") {
    const left = options.filter((one) => !picked.includes(one.id));
    const nameOf = (id) => store.state.options[id].content;
    return h("fieldset", { class: "card options-choice", disabled: !may }, legend,
      h("p", { class: "hint" }, t("ballot.option.ranked.hint")),
      picked.length > 0 && ranking(app, picked, { nameOf, may, isRanked: true, label: t("ballot.option.ranked"), remove: (id) => change(picked.filter((one) => one !== id)) }, change),
      left.length > 0 && h("ul", { class: "unranked-options", "aria-label": t("ballot.option.left") }, left.map((one) => h("li", { key: one.id },
        button(t("ballot.option.add", { name: one.content }), () => change([...picked, one.id]), { kind: "choose", sign: "plus", disabled: !may })))));
  }
  const isSingle = method === "single";
  const toggled = (id, on) => (isSingle ? [id] : options.map((one) => one.id).filter((one) => (one === id ? on : picked.includes(one))));
  return h("fieldset", { class: "card options-choice", disabled: !may }, legend,
    options.map((one) => {
      const isOn = picked.includes(one.id);
      return h("label", { class: `option-choice ${isOn ? "on" : ""}`, key: one.id },
        h("input", { type: isSingle ? "radio" : "checkbox", name: "option", value: one.id, checked: isOn, onchange: (event) => change(toggled(one.id, event.target.checked)) }),
        h("span", { dir: "auto" }, one.content));
    }));
}
