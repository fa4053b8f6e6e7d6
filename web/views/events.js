// My events, and the two ways to more of them: make one, join one.

import { reason } from "../refusal.js";
import { h } from "../render.js";
import { link } from "../route.js";
import { t } from "../words.js";
import { codeForm } from "./join.js";
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
    h("div", { class: "card ghost", key: act.id }, h("h2", {}, act.args.subject), noteOf(app, act, () => undefined)));
}

function listed(app, events) {
  if (!events.list) return events.error ? null : loading();
  if (events.list.length === 0) return empty(t("events.none"));
  return [
    h("ul", { class: "event-list" }, events.list.map((event) =>
      h("li", { key: event.id },
        h("a", { class: "event-card", href: link.room(event.id) },
          h("span", { class: "event-subject" }, event.subject),
          h("span", { class: "row" }, statusPill(event.status),
            event.role === "admin" && pill(t("role.admin")),
            event.membership === "pending" && pill(t("membership.pending"), "attention")))))),
    events.next && button(t("more"), () => app.session.loadEvents(true), { disabled: events.loading }),
  ];
}
