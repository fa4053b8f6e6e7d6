// Who voted, and who said what: for everybody if votes are named, and who took part for admins if that
// shows no stance.

import { termsOf, whole } from "../policy.js";
import { reason } from "../refusal.js";
import { h } from "../render.js";
import { list, t } from "../words.js";
import { named, proposalName } from "./names.js";
import { button, loading, person, pill, quoted, trouble } from "./parts.js";

/** Who said what about `proposal`, or for admins who took part, if its terms allow it. */
export function votesList(app, store, id, proposal) {
  const { votes, stances, tally } = termsOf(proposal);
  const isHidden = tally === "close" && proposal.status === "pending";
  if (votes === "named" && !isHidden) return listed(app, store, `votes|${id}`, "votes.list", { proposal: id }, t("votes.title"), { subject: proposalName(store, proposal) });
  if (store.isAdmin && (votes === "named" || stances.length > 1)) return listed(app, store, `turnout|${id}`, "turnout.list", { proposal: id }, t("turnout.title"), { subject: proposalName(store, proposal) });
  return null;
}

/** For admins: who has given a ballot; with named ballots that is no secret either. */
export function turnout(app, store, about) {
  if (!store.isAdmin) return null;
  return listed(app, store, `turnout|ballot`, "turnout.list", about, t("turnout.ballots"));
}

/** Who chose what, once an event with named ballots is finished. */
export function ballotsList(app, store) {
  if (!whole(store.state.event.policy).ballot.named) return null;
  const { options } = store.state;
  const chosen = ({ option, options: several = [option] }) => several.map((id) => options[id]?.content ?? "?");
  return h("section", { class: "card" }, listed(app, store, "ballots", "ballots.list", {}, t("ballots.title"), { more: (row) =>
    h("span", { class: "quiet" }, list(chosen(row))) }));
}

/** A list that is read when it is opened; `more(row)` says more of a row. `subject`: what it is about, in words. */
function listed(app, store, key, type, about, title, { subject, more = stanceOf } = {}) {
  const found = store.lists.get(key);
  const toggle = (event) => {
    // Read again at each opening: a list of votes is not kept up to date.
    if (event.target.open) store.list(key, type, about);
  };
  return h("details", { class: "votes-list", key, ontoggle: toggle },
    h("summary", { "aria-label": subject && named(title, subject) }, title),
    found?.loading && !found.items.length && loading(),
    found?.error && trouble(reason(found.error), () => store.list(key, type, about)),
    found && !found.loading && !found.error && found.items.length === 0 && h("p", { class: "quiet" }, t("votes.none")),
    found && h("ul", { class: "people-list" }, found.items.map((row) => h("li", { key: row.user },
      h("span", { class: "who" }, row.name === undefined ? person(store, row.user) : h("b", {}, quoted(row.name))),
      more(row)))),
    found?.next && button(t("more"), () => store.list(key, type, about, true), { kind: "quiet small", disabled: found.loading, about: subject }));
}

const stanceOf = ({ stance }) => stance && pill(t(`stance.${stance}`), stance === "agree" ? "agreed" : "");
