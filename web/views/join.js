// Join: a code, its event, and the question whether to take part.

import { reason } from "../refusal.js";
import { h } from "../render.js";
import { CODE_LENGTH, codeIn, link } from "../route.js";
import { list, number, t } from "../words.js";
import { button, loading, noteOf, statusPill, trouble } from "./parts.js";

export function joinView(app) {
  const { code } = app.route;
  return h("div", { class: "narrow" },
    h("h1", { tabindex: -1 }, t("join.title")),
    code.length === CODE_LENGTH
      ? behind(app, code)
      : [code && trouble(t("join.malformed", { code })), h("section", { class: "card" }, codeForm(app))]);
}

/** Six letters and digits; a pasted link will do as well. */
export function codeForm(app) {
  const typed = app.drafts.get("join.code") ?? "";
  const found = codeIn(typed);
  const send = (event) => {
    event.preventDefault();
    const code = codeIn(event.target.elements.code.value);
    if (code.length !== CODE_LENGTH) return;
    app.drafts.drop("join.code");
    // Guests are not signed in yet.
    app.session?.forgetOverview(code);
    location.hash = link.join(code);
  };
  return h("form", { class: "code-form", onsubmit: send, key: "code-form" },
    h("label", { for: "code", class: "unseen" }, t("join.code")),
    h("input", { id: "code", name: "code", class: "code-input", value: typed, "data-draft": "join.code", translate: "no",
      placeholder: "A1B2C3", autocomplete: "off", autocapitalize: "characters", spellcheck: "false", required: true,
      oninput: (event) => app.drafts.set("join.code", event.target.value) }),
    h("button", { class: "button", disabled: found.length !== CODE_LENGTH }, t("join.look")),
    found.length > CODE_LENGTH && h("p", { class: "hint over wide" }, t("join.malformed", { code: typed.trim() })));
}

function behind(app, code) {
  const { loading: asking, reply, error } = app.session.overview(code);
  const again = () => app.session.forgetOverview(code);
  if (asking) return loading();
  if (error) {
    const said = error.code === "not_found" ? t("join.unknown", { code }) : reason(error);
    return [trouble(said, error.code === "not_found" ? undefined : again), h("section", { class: "card" }, codeForm(app))];
  }
  return h("article", { class: "card overview" },
    h("div", { class: "row" }, statusPill(reply.status), h("code", { class: "code", translate: "no" }, code)),
    h("h2", { class: "subject", dir: "auto" }, reply.subject),
    h("p", { class: "quiet" }, t("join.by", { names: list(reply.admins) }), " · ",
      t("join.members", { count: reply.members, max: reply.max_members })),
    reply.options.length > 0 && [h("h3", {}, t("options")),
      h("ol", { class: "option-list" }, reply.options.map((option) => h("li", { key: option.id, dir: "auto" }, option.content)))],
    standing(app, code, reply));
}

/** The acts that the user's membership allows. */
function standing(app, code, reply) {
  const status = reply.membership?.status;
  const act = app.session.acts.of(undefined, `membership/join/${code}`);
  if (status === "accepted" || status === "pending") {
    return h("div", { class: "row" }, h("a", { class: "button primary", href: link.room(reply.event) },
      t(status === "accepted" ? "join.enter" : "join.waiting")));
  }
  if (reply.status === "finished") return h("p", {}, t("join.finished"));
  const full = reply.members >= reply.max_members;
  return [
    status && h("p", { class: "quiet" }, t(`join.was.${status}`)),
    full && h("p", { class: "quiet" }, t("join.full", { max: number(reply.max_members) })),
    h("div", { class: "row" },
      button(t("join.submit"), () => app.session.acts.run("membership.join", { code }), { kind: "primary", disabled: act?.state === "pending" }),
      act && noteOf(app, act, () => undefined)),
  ];
}
