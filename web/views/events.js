// My events, and the two ways to more of them: make one, join one.

import { reason } from "../refusal.js";
import { leads } from "../permissions.js";
import { h } from "../render.js";
import { link } from "../route.js";
import { t } from "../words.js";
import { codeForm } from "./join.js";
import { searched, searchField, windowed } from "./lists.js";
import { button, empty, icon, loading, noteOf, pill, statusPill, trouble } from "./parts.js";

export function eventsView(app) {
  const { events } = app.session;
  return h("div", { class: "narrow" },
    h("header", { class: "view-head" },
      h("h1", { tabindex: -1 }, t("events.title")),
      h("a", { class: "button primary", href: link.create() }, icon("plus"), h("span", {}, t("events.create")))),
    h("section", { class: "card join-card", "aria-labelledby": "join-title" },
      h("h2", { id: "join-title" }, t("join.title")), codeForm(app)),
    making(app),
    events.error && trouble(reason(events.error), () => app.session.loadEvents()),
    listed(app, events));
}

/** Events that were asked for and are not confirmed yet. */
function making(app) {
  const acts = app.session.acts.under(undefined, "event/create");
  return acts.filter((act) => act.state !== "confirmed").map((act) =>
    h("div", { class: "card ghost", key: act.id }, h("h2", { dir: "auto" }, act.args.subject), noteOf(app, act, () => undefined)));
}

function listed(app, events) {
  if (!events.list) return events.error ? null : loading();
  if (events.list.length === 0) return empty(t("events.none"));
  const isArchive = app.shown("events.archive");
  const kept = events.list.filter((event) => app.archive.has(event.id) === Boolean(isArchive));
  const archived = events.list.filter((event) => app.archive.has(event.id)).length;
  const { rows, more } = windowed(app, LIST, searched(app, LIST, kept, (event) => event.subject), (event) => card(app, event));
  return [
    searchField(app, LIST, t("list.search"), events.list.length),
    (archived > 0 || isArchive) && h("div", { class: "choice", role: "group", "aria-label": t("events.which") },
      [false, true].map((one) => h("button", { key: String(one), type: "button", "aria-pressed": String(Boolean(isArchive) === one), onclick: () => app.show("events.archive", one) },
        t(one ? "events.archived" : "events.current")))),
    h("ul", { class: "event-list" }, rows),
    more,
    events.next && button(t("more"), () => app.session.loadEvents(true), { disabled: events.loading }),
  ];
}

const LIST = "events";

function card(app, event) {
  const isPut = app.archive.has(event.id);
  return h("li", { key: event.id },
    h("a", { class: "event-card", href: link.room(event.id) },
      h("span", { class: "event-subject", dir: "auto" }, event.subject),
      h("span", { class: "row" }, statusPill(event.status),
        leads(event.role) && pill(t(`role.${event.role}`)),
        event.membership === "pending" && pill(t("membership.pending"), "attention"))),
    button(t(isPut ? "events.unarchive" : "events.archive", { subject: event.subject }), () => app.archive.toggle(event.id), { kind: "quiet small", sign: isPut ? "undo" : "box", bare: true }));
}
