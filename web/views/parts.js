// The small parts that every view is made of.

import { reason } from "../refusal.js";
import { h } from "../render.js";
import { rich } from "../rich.js";
import { exact, initial, relative, t } from "../words.js";
import { named } from "./names.js";

const ICONS = {
  check: "M4.5 12.5l5 5L20 7",
  cross: "M6 6l12 12M18 6L6 18",
  plus: "M12 5v14M5 12h14",
  pencil: "M4 20l1-4L16 5l3 3L8 19l-4 1zM13.5 7.5l3 3",
  bin: "M5 7h14M10 7V4.5h4V7M7 7l1 13h8l1-13",
  up: "M12 19V5M6 11l6-6 6 6",
  down: "M12 5v14M6 13l6 6 6-6",
  grip: "M9 6h.01M15 6h.01M9 12h.01M15 12h.01M9 18h.01M15 18h.01",
  talk: "M5 5h14v10H10l-5 4z",
  share: "M12 15V4M8 8l4-4 4 4M6 12v8h12v-8",
  copy: "M9 9h11v11H9zM5 15V4h11",
  undo: "M9 7L4 12l5 5M4 12h10a5 5 0 010 10h-2",
  person: "M12 12a4 4 0 100-8 4 4 0 000 8zM4 21c0-4 4-6.5 8-6.5s8 2.5 8 6.5",
  clock: "M12 21a9 9 0 100-18 9 9 0 000 18zM12 7v5l3.5 2",
  gear: "M5 7h8M17 7h2M5 17h2M11 17h8M15 7a2 2 0 100-.01M9 17a2 2 0 100-.01",
  ballot: "M5 4h14v16H5zM8.5 9l1.5 1.5L13 8M8.5 15h7",
  scales: "M12 4v16M6 20h12M5 7h14M5 7l-2.5 6.5h5zM19 7l-2.5 6.5h5z",
  play: "M8 5.5l10 6.5-10 6.5z",
  pause: "M8.5 5v14M15.5 5v14",
  flag: "M6 21V4h11l-2 4 2 4H6",
  lock: "M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 017 0v3",
  minus: "M6 12h12",
  box: "M4 7h16v13H4zM4 7l2-3h12l2 3M9.5 12h5",
  bell: "M6 17V11a6 6 0 0112 0v6l1.5 2h-15zM10 21.5h4",
  printer: "M7 9V4h10v5M7 17H4V9h16v8h-3M7 14h10v6H7z",
  dots: "M6 12h.01M12 12h.01M18 12h.01",
};

/** A drawn sign; the words next to it say the same. */
export const icon = (name) =>
  h("svg", { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true" }, h("path", { d: ICONS[name] }));

/**
 * A button. `kind`: primary, quiet, danger, agree. `sign`: an icon; `bare`: only that is seen. `about`: the thing it is
 * about, for one of many; it is heard, and on a bare one shown.
 */
export function button(label, onclick, { kind = "", sign, bare = false, about, ...props } = {}) {
  const name = about ? named(label, about) : label;
  const classes = ["button", kind, bare ? "bare" : ""].filter(Boolean).join(" ");
  return h("button", { type: "button", class: classes, onclick, ...props, ...((bare || about) && { "aria-label": name }), ...(bare && { title: name }) },
    sign && icon(sign), bare ? null : h("span", {}, label));
}

/** The result of the act at `key`, in words next to its control. `about`: the thing it is about. */
export function note(app, store, key, about) {
  const act = store.act(key);
  return act ? noteOf(app, act, (user) => store.name(user), about) : null;
}

export function noteOf(app, act, name, about = act.args.content ?? act.args.subject) {
  if (act.state === "pending") return waiting(app, act, about);
  if (act.state === "confirmed") {
    const said = t(act.applied ? "act.confirmed" : "act.same");
    return h("span", { class: "note confirmed", key: `note-${act.id}` }, icon("check"), said);
  }
  return h("span", { class: "note refused", key: `note-${act.id}` },
    h("span", {}, reason(act.error, name)),
    button(t("dismiss"), () => app.session.acts.dismiss(act.id), { kind: "quiet", sign: "cross", bare: true, about }));
}

/** The command of `act`, if it waits here for a connection and was surely never sent. */
function unsent(app, act) {
  const { session } = app;
  return session.online ? undefined : session.waiting().find((one) => one.id === act.id && !one.sent);
}

/** Whether `act` waits here for a connection, and was surely never sent. */
export const isKept = (app, act) => unsent(app, act) !== undefined;

function waiting(app, act, about) {
  const { acts, online } = app.session;
  const queued = unsent(app, act);
  return h("span", { class: "note pending", key: `note-${act.id}` },
    h("span", { class: "spinner", "aria-hidden": "true" }),
    t(online ? "act.sending" : !queued ? "act.unknown" : queued.kept ? "act.queued" : "act.unkept"),
    queued && button(t("act.take_back"), () => acts.cancel(act.id), { kind: "quiet small", about }));
}

/** A user's text, in its own direction. */
export const words = (text, props = {}) => h("div", { class: "words", dir: "auto", ...props }, rich(text));

/** A user's short text within a line of ours. */
export const quoted = (text) => h("bdi", {}, text);

/** The reason that a user gave. */
export const reasonOf = (text) => h("blockquote", { class: "reason", dir: "auto" }, rich(text));

/** A sign for a user: the first character of the name. */
export const face = (name) => h("span", { class: "face", "aria-hidden": "true", translate: "no" }, initial(name));

/** A moment, relative to now; the exact time is shown on hover. */
export const time = (moment) =>
  h("time", { datetime: moment, title: exact(moment), onclick: showExact }, relative(moment));

/** A tap shows the moment itself, with its zone: a phone has no pointer. */
const showExact = (event) => event.currentTarget.toggleAttribute("data-exact");

/** A short word for a state or kind. */
export const pill = (text, kind = "") => h("span", { class: `pill ${kind}` }, text);

/** A user's name if the page knows it. */
export function person(store, user) {
  if (user === store.me) return h("b", { class: "me" }, t("you"));
  const name = store.name(user);
  return h("b", {}, name === undefined ? t("people.unknown") : quoted(name), marked(store, user));
}

/** The mark of a namesake, if `user` has one. */
export function marked(store, user) {
  const mark = store.mark(user);
  return mark === undefined ? null : [" ", h("code", { class: "quiet", title: t("people.namesake") }, mark)];
}

/** The event's status. */
export const statusPill = (status) => pill(t(`status.${status}`), `status-${status}`);

/** A note that the list is empty, and how to fill it. */
export const empty = (text, ...more) => h("div", { class: "empty" }, h("p", {}, text), more);

/** A failed request, with a button to try again. */
export const trouble = (text, again) =>
  h("div", { class: "trouble", role: "alert" }, h("p", {}, text), again && button(t("try_again"), again));

export const loading = (text = t("loading")) =>
  h("p", { class: "loading" }, h("span", { class: "spinner", "aria-hidden": "true" }), text);

/** The dialog `name` of `store`'s event over the page, if it is open; Escape and Back close it. */
export function dialog(app, store, name, title, ...content) {
  if (!app.dialogs.shown(name, store.event)) return null;
  const close = () => app.dialogs.close();
  // Returns undefined: a handler that returns false undoes the click, and no box could be ticked.
  const closeBeside = (event) => void (event.target === event.currentTarget && close());
  const id = `dialog-${name}`;
  return h("dialog", { key: `${name}|${store.event}`, class: "dialog", "aria-labelledby": id, mount: (el) => el.showModal(), onclose: close,
    onclick: closeBeside },
    h("div", { class: "dialog-body" },
      h("header", {}, h("h2", { id, dir: "auto" }, title), button(t("close"), close, { kind: "quiet", sign: "cross", bare: true })),
      content));
}
