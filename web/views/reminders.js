// Reminders in the room: what comes near and is still to do, and the switch for the browser's own reminders.

import { NEAR_MS, nearing, wordsOf } from "../nearing.js";
import { switchWords } from "../reminders.js";
import { h } from "../render.js";
import { link } from "../route.js";
import { t } from "../words.js";
import { proposalName } from "./names.js";
import { button, icon } from "./parts.js";

/** What is near and still to do, until it is done or dismissed; it comes again when it is nearer. */
export function reminding(app, store) {
  const near = nearing(store).filter((one) => one.left <= NEAR_MS && one.isToDo && !app.shown(`dismissed|${one.key}`));
  return near.slice(0, MAX_SHOWN).map((one) =>
    h("div", { class: "banner reminder", key: `reminder|${one.name}|${one.at}` },
      h("p", {}, icon("clock"), h("span", {}, wordsOf(store, one))),
      h("div", { class: "row" },
        way(app, store, one),
        button(t("dismiss"), () => app.show(`dismissed|${one.key}`, true), { kind: "quiet small", sign: "cross", bare: true, about: wordsOf(store, one) }))));
}

/** Banners at once: more would hide what they are about. */
const MAX_SHOWN = 2;

/** The way to what is to do. */
function way(app, store, { tab, lacks, proposals }) {
  if (lacks) return app.route.tab === tab ? null : h("a", { class: "button small", href: link.room(store.event, tab) }, t("remind.to_ballot"));
  const go = async () => {
    if (app.route.tab !== tab) await app.lead(link.room(store.event, tab));
    // The view is drawn before the next frame.
    requestAnimationFrame(() => requestAnimationFrame(() => document.getElementById(`proposal-${proposals[0]}`)?.scrollIntoView({ block: "center" })));
  };
  return button(t("remind.to_proposal"), go, { kind: "small", about: proposalName(store, store.state.proposals[proposals[0]]) });
}

/** The switch, while something in the room has a time to be reminded of. */
export function reminderSwitch(app, store) {
  const { reminders } = app;
  if (!reminders.isPossible || !hasMoment(store)) return null;
  return [
    button(switchWords(reminders), () => reminders.toggle(), { kind: "quiet small", sign: "bell", key: "remind", "aria-pressed": String(reminders.isOn), title: t("remind.hint") }),
    reminders.isRefused && h("span", { class: "hint", key: "remind-refused", role: "status" }, t("remind.refused")),
  ];
}

function hasMoment(store) {
  const { event, proposals } = store.state;
  if (store.status === "finished") return false;
  if (event.ends_at || (store.status === "not_started" && event.starts_at)) return true;
  return store.may("vote.cast") && Object.values(proposals).some((one) => one.status === "pending" && one.expires_at);
}
