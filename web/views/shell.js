// The frame of every view: the name of the page, the connection, the user.

import { h } from "../render.js";
import { link } from "../route.js";
import { lasting } from "../store.js";
import { currentLanguage, has, LANGUAGES, t } from "../words.js";
import { button, dialog, face, icon, quoted, time } from "./parts.js";
import { createView } from "./create.js";
import { freshNews } from "./decide.js";
import { eventsView } from "./events.js";
import { joinView } from "./join.js";
import { invitedView } from "./invited.js";
import { proposalName } from "./names.js";
import { roomView } from "./room.js";
import { endedView, signInView } from "./sign-in.js";

export function shell(app) {
  const { session } = app;
  return [
    h("a", { class: "skip", href: "#main", onclick: skip }, t("skip")),
    h("header", { class: "top" },
      h("a", { class: "brand", href: link.events() }, logo(), h("span", {}, "Ayes")),
      session && freshNews(app),
      session && line(app),
      session ? personMenu(app) : h("div", { class: "row" }, help(app), languageSwitch(app), themeSwitch(app))),
    forgetful(app),
    h("main", { id: "main", tabindex: -1, class: session ? `view-${app.route.view}` : "view-sign-in" },
      session ? view(app) : app.ended && app.signin.user ? endedView(app) : signInView(app)),
    undoing(app),
    session && signOutDialog(app),
  ];
}

/** A note that the browser does not keep what the user begins, until it is dismissed. */
function forgetful(app) {
  const key = `kept.${lasting()}`;
  if (!has(key) || app.shown(key)) return null;
  return h("div", { class: "banner forgetful", role: "status", key: "forgetful" }, h("p", {}, t(key)),
    button(t("dismiss"), () => app.show(key, true), { kind: "quiet small", sign: "cross", bare: true }));
}

/** The waiting acts that can still be undone, with their seconds. */
function undoing(app) {
  const all = app.undoable.all();
  if (all.length === 0) return null;
  return h("div", { class: "undoing", key: "undoing" }, all.map(({ id, what, until }) =>
    h("div", { class: "row", key: id, role: "group", "aria-label": what },
      h("p", {}, h("span", { class: "undo-seconds", "aria-hidden": "true" }, String(Math.max(0, Math.ceil((until - Date.now()) / 1000)))), what),
      h("span", { class: "row" },
        button(t("undo"), () => app.undoable.undo(id), { kind: "small", sign: "undo" }),
        button(t("undo.now"), () => app.undoable.now(id), { kind: "small quiet" })))));
}

/** The question before signing out, with the commands and words that would be lost. */
function signOutDialog(app) {
  if (!app.dialogs.shown("sign-out", undefined)) return null;
  const unsent = app.session.unsent().length;
  const drafts = app.drafts.size;
  return dialog(app, { event: undefined }, "sign-out", t("sign_out.title"),
    h("p", {}, t("sign_out.text")),
    h("ul", { class: "sentences" },
      unsent > 0 && h("li", {}, t("sign_out.unsent", { count: unsent })),
      drafts > 0 && h("li", {}, t("sign_out.drafts", { count: drafts }))),
    h("div", { class: "row end" },
      button(t("sign_out.stay"), () => app.dialogs.close(), { kind: "quiet" }),
      button(t("sign_out.forget"), () => app.signOut(), { kind: "danger" })));
}

function skip(event) {
  event.preventDefault();
  document.getElementById("main").focus();
}

function view(app) {
  switch (app.route.view) {
    case "events":
      return eventsView(app);
    case "new":
      return createView(app);
    case "join":
      return joinView(app);
    case "invited":
      return invitedView(app);
    case "room":
      return roomView(app);
    default:
      return h("div", { class: "narrow" }, h("h1", { tabindex: -1 }, t("lost.title")),
        h("p", { class: "quiet" }, t("lost.text")),
        h("p", {}, h("a", { href: link.events() }, t("lost.back"))));
  }
}

const logo = () =>
  h("svg", { class: "logo", viewBox: "0 0 32 32", "aria-hidden": "true" },
    h("rect", { width: 32, height: 32, rx: 9 }),
    h("path", { d: "M8 17.5l5.2 5L24 10" }));

/** The state of the connection; while there is none, the waiting commands. */
function line(app) {
  const { client } = app.session;
  const waiting = app.session.waiting().length;
  if (client.status === "open") {
    return h("p", { class: "line open", key: "line" }, h("span", { class: "dot", "aria-hidden": "true" }), t(client.transport === "http" ? "line.open.slower" : "line.open"),
      waiting > 0 && h("span", { class: "waiting" }, t("line.sending", { count: waiting })));
  }
  return away(app);
}

/** No connection: list the waiting commands with their times; one that never left can be taken back. */
function away(app) {
  const { client } = app.session;
  const all = app.session.waiting();
  const seconds = client.retryAt ? Math.max(1, Math.ceil((client.retryAt - Date.now()) / 1000)) : 0;
  const said = client.status === "offline" ? t("line.offline")
    : client.status === "waiting" && seconds ? t("line.waiting", { count: seconds })
    : t("line.connecting");
  return h("div", { class: "line away", key: "line" },
    h("span", { class: "dot", "aria-hidden": "true" }), h("span", {}, said),
    all.length > 0 && h("details", { class: "menu waiting-menu", key: "waiting", onkeydown: closeOnEscape, mount: closeWhenPassedBy },
      h("summary", { class: "waiting" }, t("line.queued", { count: all.length })),
      h("div", { class: "menu-body" },
        h("ul", { class: "waiting-list" }, all.map((entry) =>
          h("li", { key: entry.id },
            h("span", {}, wishOf(entry), subjectOf(app, entry) && [": ", quoted(subjectOf(app, entry))], " ", h("span", { class: "quiet" }, time(new Date(entry.since).toISOString()))),
            entry.sent ? h("span", { class: "quiet" }, t("act.unknown"))
              : button(t("act.take_back"), () => app.session.acts.cancel(entry.id), { kind: "quiet small", about: subjectOf(app, entry) ?? wishOf(entry) })))),
        h("p", { class: "hint" }, t("line.queued.hint")))),
    app.session.unkept().length > 0 && h("span", { class: "over" }, t("line.unkept")),
    client.status === "waiting" && button(t("line.now"), () => client.retry(), { kind: "quiet small" }));
}

/** A command, in words. */
const wishOf = ({ type }) => t(has(`wish.${type}`) ? `wish.${type}` : "wish.other");

/** The words that a command is about, if the page knows them. */
function subjectOf(app, { args }) {
  const room = app.session.rooms.get(args.event);
  const store = room?.phase === "open" ? room : undefined;
  const proposal = store?.state.proposals[args.proposal];
  return args.content ?? args.subject ?? (proposal ? proposalName(store, proposal) : args.user && store?.label(args.user));
}

function languageSwitch(app) {
  return h("div", { class: "choice", role: "group", "aria-label": t("language") },
    Object.entries(LANGUAGES).map(([tag, name]) =>
      h("button", { key: tag, type: "button", lang: tag, "aria-pressed": String(currentLanguage() === tag), onclick: () => app.speak(tag) }, name)));
}

function themeSwitch(app) {
  return h("div", { class: "choice", role: "group", "aria-label": t("theme") },
    ["system", "light", "dark"].map((theme) =>
      h("button", { key: theme, type: "button", "aria-pressed": String(app.theme === theme), onclick: () => app.paint(theme) }, t(`theme.${theme}`))));
}

/** The link to the operator's help, if there is one. */
function help(app) {
  const { help_url: address } = app.signin.config;
  return address && h("a", { class: "help", href: address, target: "_blank", rel: "noopener noreferrer" }, t("help"));
}

function personMenu(app) {
  const { user } = app.session;
  const name = user?.name ?? app.signin.user?.name ?? "…";
  return h("details", { class: "menu", key: "menu", onkeydown: closeOnEscape, onfocusout: closeWhenLeft, mount: closeWhenPassedBy },
    h("summary", { "aria-label": t("menu", { name }) }, face(name),
      h("span", { class: "name" }, quoted(name))),
    h("div", { class: "menu-body" },
      h("p", { class: "menu-name", dir: "auto" }, name),
      languageSwitch(app), themeSwitch(app), help(app),
      h("button", { type: "button", class: "button quiet", onclick: () => app.askSignOut() }, icon("undo"), h("span", {}, t("sign_out")))));
}

function closeOnEscape(event) {
  if (event.key !== "Escape" || !event.currentTarget.open) return;
  event.currentTarget.open = false;
  event.currentTarget.querySelector("summary").focus();
}

/** A press elsewhere closes it, and so does going elsewhere. */
function closeWhenPassedBy(menu) {
  const look = (event) => {
    if (!menu.isConnected) {
      removeEventListener("pointerdown", look);
      removeEventListener("hashchange", look);
    } else if (event.type === "hashchange" || !menu.contains(event.target)) menu.open = false;
  };
  addEventListener("pointerdown", look);
  addEventListener("hashchange", look);
}

function closeWhenLeft(event) {
  if (event.relatedTarget && !event.currentTarget.contains(event.relatedTarget)) event.currentTarget.open = false;
}
