// A room's frame: its subject, its status, the acts of admins, and its parts.

import { reason } from "../refusal.js";
import { h } from "../render.js";
import { link, TABS } from "../route.js";
import { clock, has, number, t } from "../words.js";
import { ballotTab } from "./ballot.js";
import { bigScreen } from "./big-screen.js";
import { decideTab } from "./decide.js";
import { historyTab } from "./history.js";
import { button, dialog, icon, loading, note, statusPill, trouble } from "./parts.js";
import { peopleTab } from "./people.js";
import { remindDialog } from "./remind.js";
import { reminderSwitch, reminding } from "./reminders.js";
import { finishedBanner } from "./results.js";
import { settingsTab } from "./settings.js";
import { countdown } from "./schedule.js";
import { shareDialog } from "./share.js";
import { start, startDialog } from "./start.js";
import { steps } from "./steps.js";

const SHOWS = { decide: decideTab, ballot: ballotTab, people: peopleTab, history: historyTab, settings: settingsTab };
const SIGNS = { decide: "scales", ballot: "ballot", people: "person", history: "clock", settings: "gear" };

export function roomView(app) {
  const store = app.session.room(app.route.event);
  switch (store.phase) {
    case "loading":
      return h("div", { class: "narrow" }, loading(t(app.session.online ? "room.loading" : "room.waiting_line")));
    case "refused":
      return shut(app, store, reason(store.error), store.error.retry !== "no");
    case "closed":
      return shut(app, store, closed(store), false);
    case "waiting":
      return waitingRoom(app, store);
    default:
      return openRoom(app, store);
  }
}

function closed({ room, you }) {
  // An applicant who is rejected learns it only by the room's end.
  if (room.closed === "revoked" && you.membership?.role === undefined) return t("membership.is.rejected");
  return has(`room.closed.${room.closed}`) ? t(`room.closed.${room.closed}`) : reason({ code: "room_closed", details: { reason: room.closed } });
}

function shut(app, store, said, again) {
  return h("div", { class: "narrow" },
    h("h1", { tabindex: -1 }, t("room.shut")),
    trouble(said, again ? () => app.session.forget(store.event) : undefined),
    h("p", {}, h("a", { href: link.events() }, t("lost.back"))));
}

/** The view of an applicant; once accepted, the room replaces it. */
function waitingRoom(app, store) {
  const { event } = store.state;
  const status = store.you.membership?.status;
  if (status !== "pending") return shut(app, store, t(`membership.is.${status ?? "none"}`), false);
  return h("div", { class: "narrow waiting-room" },
    h("article", { class: "card" },
      statusPill(event.status),
      h("h1", { tabindex: -1, class: "subject", dir: "auto" }, event.subject),
      h("p", { class: "breathing" }, h("span", { class: "pulse", "aria-hidden": "true" }), t("waiting.text")),
      h("p", { class: "quiet" }, t("waiting.hint")),
      h("div", { class: "row" }, button(t("waiting.cancel"), () => store.run("membership.cancel"), { kind: "quiet" }),
        note(app, store, "membership/cancel"))));
}

function openRoom(app, store) {
  const tab = app.route.tab;
  app.seen.look(store.event, store.room.seq, store.state.proposals);
  if (tab === "screen") return bigScreen(app, store);
  return h("div", { class: `room tab-${tab}` },
    head(app, store),
    tabs(app, store),
    store.status === "finished" && tab !== "ballot" && finishedBanner(app, store),
    reminding(app, store),
    h("section", { class: "tab", key: tab, "aria-label": t(`tab.${tab}`) }, SHOWS[tab](app, store)),
    shareDialog(app, store),
    startDialog(app, store),
    finishDialog(app, store),
    remindDialog(app, store),
    reopenDialog(app, store));
}

function head(app, store) {
  const { state, room } = store;
  const online = room.online;
  return h("header", { class: "room-head" },
    h("div", { class: "row facts" },
      statusPill(state.event.status),
      h("a", { class: "fact", href: link.room(store.event, "people") }, icon("person"), t("room.members", { count: state.counts.members })),
      online !== undefined && room.live && h("span", { class: "fact online" }, h("span", { class: "dot", "aria-hidden": "true" }), t("room.online", { count: online })),
      countdown(state.event),
      reminderSwitch(app, store),
      !room.live && h("span", { class: "fact stale" }, store.lostAt ? t("room.not_live", { time: clock(store.lostAt) }) : t("room.loading"))),
    h("h1", { class: "subject", tabindex: -1, dir: "auto" }, state.event.subject),
    steps(app, store),
    h("div", { class: "row controls" },
      store.may("event.start") && button(t("event.start"), () => start(app, store), { kind: "primary", sign: "play", key: "event.start", disabled: store.act("event/status")?.state === "pending" }),
      store.may("event.resume") && control(store, "event.resume", "play", "primary"),
      store.may("event.pause") && control(store, "event.pause", "pause"),
      store.may("event.finish") && button(t("event.finish"), () => app.dialogs.open("finish", store.event), { sign: "flag" }),
      store.may("event.reopen") && button(t("event.reopen"), () => app.dialogs.open("reopen", store.event), { kind: "quiet", sign: "undo" }),
      store.status !== "finished" && button(t("share"), () => app.dialogs.open("share", store.event), { kind: "quiet", sign: "share" }),
      note(app, store, "event/status")));
}

const control = (store, type, sign, kind = "") =>
  button(t(type), () => store.run(type), { kind, sign, key: type, disabled: store.act("event/status")?.state === "pending" });

function tabs(app, store) {
  const open = Object.values(store.state.proposals).filter((proposal) => proposal.status === "pending").length;
  const requests = store.state.counts.requests ?? Object.keys(store.state.requests ?? {}).length;
  const counts = { decide: open, people: requests };
  const finished = store.status === "finished";
  return h("nav", { class: "tabs", "aria-label": t("room.parts") },
    TABS.map((tab) => h("a", { key: tab, href: link.room(store.event, tab), "aria-current": app.route.tab === tab ? "page" : undefined },
      icon(SIGNS[tab]), h("span", {}, t(tab === "ballot" && finished ? "tab.results" : `tab.${tab}`)),
      counts[tab] > 0 && h("span", { class: "badge" }, h("span", { class: "unseen" }, t(`tab.${tab}.count`, { count: counts[tab] })),
        h("span", { "aria-hidden": "true" }, number(counts[tab]))))));
}

function reopenDialog(app, store) {
  if (!store.may("event.reopen")) return null;
  const reopen = () => {
    app.dialogs.close();
    store.run("event.reopen");
  };
  return dialog(app, store, "reopen", t("reopen.title", { subject: store.state.event.subject }),
    h("p", {}, t("reopen.text")),
    h("div", { class: "row end" },
      button(t("cancel"), () => app.dialogs.close(), { kind: "quiet" }),
      button(t("event.reopen"), reopen, { kind: "primary" })));
}

function finishDialog(app, store) {
  const { state } = store;
  const { counts, proposals } = state;
  // Another admin finished it meanwhile: there is no question left.
  if (!store.may("event.finish")) return null;
  const open = Object.values(proposals).filter((proposal) => proposal.status === "pending").length;
  const finish = () => {
    app.dialogs.close();
    app.later(t("undo.finish", { subject: state.event.subject }), () => store.run("event.finish"));
  };
  return dialog(app, store, "finish", t("finish.title", { subject: state.event.subject }),
    h("p", {}, t("finish.text")),
    h("p", {}, t("finish.ballots", { count: counts.ballots, members: counts.members }), " ", open > 0 && t("finish.open", { count: open })),
    h("div", { class: "row end" },
      button(t("cancel"), () => app.dialogs.close(), { kind: "quiet" }),
      button(t("event.finish"), finish, { kind: "danger", sign: "flag" })));
}
