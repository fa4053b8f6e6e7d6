// Before the start: the open preparations, and a warning if no proposal could pass.

import { KINDS } from "../policy.js";
import { h } from "../render.js";
import { link } from "../route.js";
import { number, t } from "../words.js";
import { button, dialog, icon, pill } from "./parts.js";

/** The preparations that an event can do without. */
const OPTIONAL = new Set(["criteria", "assumptions"]);
/** Percent of all members that are more than half of them. */
const MAJORITY = { rule: "percent", threshold: 51 };

/** The kinds of which no proposal can pass with as few members as there are. */
export function stuckKinds({ event, counts }) {
  return KINDS.filter((kind) => {
    const { auto, rule, threshold } = event.policy[kind];
    return auto && rule === "count" && threshold > counts.members;
  });
}

/** Start at once; if no proposal could pass, ask first. */
export function start(app, store) {
  if (stuckKinds(store.state).length > 0) app.dialogs.open("start", store.event);
  else store.run("event.start");
}

/** The warning, with the rule that would do. */
export function startDialog(app, store) {
  if (!app.dialogs.shown("start", store.event) || store.status !== "not_started") return null;
  const { event, counts } = store.state;
  const stuck = stuckKinds(store.state);
  const begin = () => {
    app.dialogs.close();
    store.run("event.start");
  };
  const change = async () => {
    app.dialogs.close();
    const policy = Object.fromEntries(stuck.map((kind) => [kind, MAJORITY]));
    const act = await store.run("event.set_policy", { policy_version: event.policy_version, policy });
    if (act.state === "confirmed") store.run("event.start");
  };
  const needs = Math.max(0, ...stuck.map((kind) => event.policy[kind].threshold));
  return dialog(app, store, "start", t("start.title", { subject: event.subject }),
    h("p", {}, t("start.stuck", { count: counts.members, needs })),
    h("p", { class: "quiet" }, t("start.stuck.hint")),
    h("div", { class: "row end" },
      button(t("start.anyway"), begin, { kind: "quiet" }),
      stuck.length > 0 && store.may("event.set_policy") && button(t("start.majority"), change, { kind: "primary" })));
}

/** The preparations for the start, each with whether it is done. */
export function preparations(store) {
  const { options, assumptions, criteria, counts } = store.state;
  const isAdmin = store.isAdmin;
  const rows = [
    ["options", Object.keys(options).length, 2],
    ["criteria", Object.keys(criteria).length, 1],
    ["assumptions", Object.keys(assumptions).length, 1],
    ["members", counts.members, 2],
  ];
  return h("section", { class: "card preparations", "aria-labelledby": "prepare-title" },
    h("h2", { id: "prepare-title" }, t(isAdmin ? "prepare.title" : "prepare.title.member")),
    h("ol", { class: "checks" }, rows.map(([name, count, least]) =>
      h("li", { key: name, class: count >= least ? "done" : "" },
        h("span", { class: "check", "aria-hidden": "true" }, count >= least ? icon("check") : ""),
        h("div", {},
          h("p", {}, h("b", {}, t(name === "members" ? "people.title" : name)), " ", h("span", { class: "count" }, number(count)), " ",
            count < least && OPTIONAL.has(name) ? pill(t("prepare.optional")) : h("span", { class: "unseen" }, count >= least ? t("steps.done") : t("prepare.open"))),
          h("p", { class: "hint" }, t(`prepare.${name}`))),
        name === "members" && h("a", { class: "quiet-link", href: link.room(store.event, "people") }, t("prepare.code"))))),
    h("p", { class: "quiet" }, t(isAdmin ? "prepare.next" : "feed.before")),
    h("a", { class: "quiet-link", href: link.room(store.event, "settings") }, t("prepare.rules")));
}
