// What stands round every view: the name of the page, the line to the server, whose page it is.

import { h } from "../render.js";
import { link } from "../route.js";
import { currentLanguage, LANGUAGES, t } from "../words.js";
import { button, icon } from "./parts.js";
import { createView } from "./create.js";
import { eventsView } from "./events.js";
import { joinView } from "./join.js";
import { roomView } from "./room.js";
import { endedView, signInView } from "./sign-in.js";

export function shell(app) {
  const { session } = app;
  return [
    h("a", { class: "skip", href: "#main", onclick: skip }, t("skip")),
    h("header", { class: "top" },
      h("a", { class: "brand", href: link.events() }, logo(), h("span", {}, "Ayes")),
      session && line(app),
      session ? personMenu(app) : h("div", { class: "row" }, languageSwitch(app), themeSwitch(app))),
    h("main", { id: "main", tabindex: -1, class: session ? `view-${app.route.view}` : "view-sign-in" },
      session ? view(app) : app.ended && app.signin.user ? endedView(app) : signInView(app)),
  ];
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
    case "room":
      return roomView(app);
    default:
      return h("div", { class: "narrow" }, h("h1", { tabindex: -1 }, t("lost.title")),
        h("p", {}, h("a", { href: link.events() }, t("lost.back"))));
  }
}

const logo = () =>
  h("svg", { class: "logo", viewBox: "0 0 32 32", "aria-hidden": "true" },
    h("rect", { width: 32, height: 32, rx: 9 }),
    h("path", { d: "M8 17.5l5.2 5L24 10" }));

/** The state of the connection; while there is none, what waits for it. */
function line(app) {
  const { client } = app.session;
  const waiting = client.pending.length;
  if (client.status === "open") {
    return h("p", { class: "line open", key: "line" }, h("span", { class: "dot", "aria-hidden": "true" }), t("line.open"),
      waiting > 0 && h("span", { class: "waiting" }, t("line.sending", { count: waiting })));
  }
  const seconds = client.retryAt ? Math.max(1, Math.ceil((client.retryAt - Date.now()) / 1000)) : 0;
  const said = client.status === "offline" ? t("line.offline")
    : client.status === "waiting" && seconds ? t("line.waiting", { count: seconds })
    : t("line.connecting");
  return h("div", { class: "line away", key: "line", role: "status" },
    h("span", { class: "dot", "aria-hidden": "true" }), h("span", {}, said),
    waiting > 0 && h("span", { class: "waiting" }, t("line.queued", { count: waiting })),
    client.status === "waiting" && button(t("line.now"), () => client.retry(), { kind: "quiet small" }));
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

function personMenu(app) {
  const { user } = app.session;
  const name = user?.name ?? app.signin.user?.name ?? "…";
  return h("details", { class: "menu", key: "menu", onkeydown: closeOnEscape, onfocusout: closeWhenLeft, mount: closeWhenPassedBy },
    h("summary", { "aria-label": t("menu", { name }) }, h("span", { class: "face", "aria-hidden": "true" }, [...name][0] ?? "?"),
      h("span", { class: "name" }, name)),
    h("div", { class: "menu-body" },
      h("p", { class: "menu-name" }, name),
      languageSwitch(app), themeSwitch(app),
      h("button", { type: "button", class: "button quiet", onclick: () => app.signOut() }, icon("undo"), h("span", {}, t("sign_out")))));
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
