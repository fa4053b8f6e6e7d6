// Voting on a proposal: agree, against, abstain, or take it back; and who learns of it.

import { termsOf } from "../policy.js";
import { h } from "../render.js";
import { t } from "../words.js";
import { named, proposalName } from "./names.js";
import { icon, isKept, pill } from "./parts.js";
import { votesList } from "./turnout.js";

const SIGNS = { agree: "check", against: "cross", abstain: "minus" };

/** What the user can say to `proposal`, and who learns of it. */
export function voting(app, store, id, proposal) {
  const { stances } = termsOf(proposal);
  if (store.role === "organiser") return h("span", { class: "quiet" }, t("vote.organiser"));
  const stance = store.stance(id);
  if (!store.may("vote.cast")) return stance ? pill(t(`vote.said.${stance}`), "agreed") : null;
  return stances.length === 1 ? agreeing(app, store, id, proposal, stance) : choosing(app, store, id, proposal, stances, stance);
}

/** Agree, or take it back; while the act is on its way, the button says so. */
function agreeing(app, store, id, proposal, stance) {
  const asked = stance !== null;
  const act = store.act(`vote/${id}`);
  const pending = act?.state === "pending";
  const press = () => (asked ? retract(store, id) : cast(store, id, proposal, "agree"));
  const label = t(pending ? underway(app, act, asked) : asked ? "vote.said.agree" : "vote.agree");
  const isBack = asked && !pending;
  return h("button", { type: "button", class: `button agree ${asked ? "on" : ""} ${pending ? "asked" : ""}`, "aria-pressed": String(asked),
    "aria-label": nameOf(label, isBack, store, proposal), "aria-disabled": pending ? "true" : undefined, onclick: () => !pending && press() },
    icon("check"), h("span", {}, label),
    isBack && h("span", { class: "undo" }, t("vote.retract")));
}

/** One button a stance; the one that stands is pressed, and pressing it again takes the vote back. */
function choosing(app, store, id, proposal, stances, stance) {
  const pending = store.act(`vote/${id}`)?.state === "pending";
  const press = (one) => (one === stance ? retract(store, id) : cast(store, id, proposal, one));
  return h("div", { class: "stances", role: "group", "aria-label": t("vote.label") }, stances.map((one) =>
    h("button", { type: "button", key: one, class: `button ${one} ${one === stance ? "on" : ""} ${pending && one === stance ? "asked" : ""}`,
      "aria-label": nameOf(t(one === stance ? `vote.said.${one}` : `vote.${one}`), one === stance && !pending, store, proposal),
      "aria-pressed": String(one === stance), "aria-disabled": pending ? "true" : undefined, onclick: () => !pending && press(one) },
      icon(SIGNS[one]), h("span", {}, t(one === stance ? `vote.said.${one}` : `vote.${one}`)),
      one === stance && !pending && h("span", { class: "undo" }, t("vote.retract")))));
}

/** The name of a button to vote: its words, and the proposal. `isBack`: it takes the vote back. */
const nameOf = (label, isBack, store, proposal) =>
  named(isBack ? `${label} ${t("vote.retract")}` : label, proposalName(store, proposal));

const cast = (store, id, { revision }, stance) =>
  store.run("vote.cast", { proposal: id, revision, ...(stance !== "agree" && { stance }) });
const retract = (store, id) => store.run("vote.retract", { proposal: id });

const underway = (app, act, asked) =>
  isKept(app, act) ? (asked ? "vote.agreeing.kept" : "vote.retracting.kept") : asked ? "vote.agreeing" : "vote.retracting";

/** Who learns what is said here; with named votes, also who said what. */
export function secrecy(app, store, id, proposal) {
  const { votes, electorate } = termsOf(proposal);
  const isNamed = votes === "named";
  const about = store.role === "organiser" ? "vote.are" : "vote.is";
  return h("div", { class: "secrecy" },
    h("p", { class: "hint" }, icon(isNamed ? "person" : "lock"),
      h("span", {}, t(`${about}_${isNamed ? "named" : "secret"}`),
        electorate === "opening" && [" ", t("vote.electorate", { count: proposal.eligible ?? 0 })])),
    votesList(app, store, id, proposal));
}
