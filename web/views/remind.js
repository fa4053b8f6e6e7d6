// For admins: a text that reminds those who have not voted, to copy or to send.

import { missing } from "../missing.js";
import { reason } from "../refusal.js";
import { h } from "../render.js";
import { address, link } from "../route.js";
import { exact, list, t } from "../words.js";
import { proposalName } from "./names.js";
import { button, dialog, loading, trouble } from "./parts.js";
import { copy } from "./share.js";

/** Characters of a proposal that a reminder quotes. */
const MAX_QUOTED = 140;
const NAME = "remind";

/** The button for the final ballot, or for the proposal `id`. */
export function remindButton(app, store, id) {
  if (!store.isAdmin || store.status !== "in_progress") return null;
  const open = () => {
    app.dialogs.open(NAME, store.event, { id });
    ask(app, store, id);
  };
  return button(t("remind.others"), open, { kind: "small quiet", sign: "bell", key: "remind", about: id && proposalName(store, store.state.proposals[id]) });
}

const keyOf = (store) => `${NAME}|${store.event}`;

/** Read again who is missing: it is not kept up to date. */
async function ask(app, store, id) {
  const key = keyOf(store);
  const asked = { id };
  app.show(key, asked);
  const found = await missing(store, id).then((found) => ({ found }), (error) => ({ error }));
  if (app.shown(key) === asked) app.show(key, { id, ...found });
}

export function remindDialog(app, store) {
  const open = app.dialogs.shown(NAME, store.event);
  if (!open) return null;
  const { id } = open.about;
  const { found, error } = app.shown(keyOf(store)) || {};
  const subject = store.state.event.subject;
  return dialog(app, store, NAME, t("remind.title", { subject }),
    error ? trouble(reason(error), () => ask(app, store, id)) : !found ? loading() : found.count === 0 ? h("p", {}, t("remind.all")) : text(app, store, id, found));
}

/** The text as it would be copied, with the names if the admin wants them. */
function text(app, store, id, found) {
  const tick = `${NAME}.names|${store.event}`;
  const isNaming = found.names !== null && app.shown(tick);
  const said = reminderText(store, id, isNaming ? found : { ...found, names: null });
  const send = () => navigator.share({ text: said }).catch(() => {});
  return h("div", { class: "stack" },
    h("p", { class: "hint" }, t(found.names ? "remind.says" : found.count === null ? "remind.says.nothing" : "remind.says.number")),
    h("blockquote", { class: "reminder-text", dir: "auto" }, said),
    found.names && h("div", { class: "tick" },
      h("input", { type: "checkbox", id: "remind-names", checked: Boolean(isNaming), onchange: (event) => app.show(tick, event.target.checked) }),
      h("label", { for: "remind-names" }, t("remind.names.tick", { count: found.count }))),
    h("div", { class: "row" },
      copy(app, t("remind.copy"), said),
      navigator.share && button(t("share.send"), send, { sign: "share" })));
}

/** The words of a reminder: what it is about, who is missing, until when, and the link. */
export function reminderText(store, id, { count, of, names }) {
  const { event, proposals } = store.state;
  const proposal = id === undefined ? undefined : proposals[id];
  // Texts of one form: the earlier one is the smaller one.
  const [ends] = [proposal?.expires_at, event.ends_at].filter(Boolean).sort();
  const what = proposal ? [t(`kind.${proposal.kind}.${proposal.category}`), shortened(proposal.content)].filter(Boolean).join(": ") : undefined;
  return [
    t(proposal ? "remind.text.proposal" : "remind.text.ballot", { subject: event.subject, what }),
    count !== null && t(proposal ? "remind.text.votes" : "remind.text.ballots", { count, of }),
    names && t("remind.text.names", { names: list(names) }),
    ends && t("remind.text.until", { moment: exact(ends) }),
    address(link.room(event.id, proposal ? "decide" : "ballot")),
  ].filter(Boolean).join("\n");
}

function shortened(content) {
  const characters = [...(content ?? "").replace(/\s+/g, " ")];
  return characters.length > MAX_QUOTED ? `${characters.slice(0, MAX_QUOTED).join("")}…` : characters.join("");
}
