// Sign in: with the provider, by name on this machine, or with a token at hand.

import { reason } from "../refusal.js";
import { h } from "../render.js";
import { CODE_LENGTH } from "../route.js";
import { has, t } from "../words.js";
import { field } from "./forms.js";
import { codeForm } from "./join.js";
import { button } from "./parts.js";

export function signInView(app) {
  const { ways } = app.signin;
  const trying = app.shown("signing-in");
  const isInvited = app.route.view === "invited";
  const isGuest = app.signin.config.guests && app.route.view === "join" && app.route.code.length === CODE_LENGTH;
  const locally = [
    ways.name && byName(app, trying),
    h("details", { class: "by-token", key: "token", open: !ways.provider && !ways.name && !app.signin.config.guests },
      h("summary", {}, t("sign_in.token.summary")), byToken(app, trying)),
  ];
  return h("div", { class: "sign-in" },
    h("section", { class: "pitch" },
      h("h1", { tabindex: -1 }, t("pitch.title")),
      h("p", {}, t("pitch.text"))),
    h("section", { class: "card", "aria-label": t("sign_in") },
      problem(app),
      isInvited && byInvitation(app, trying),
      isGuest ? asGuest(app, trying) : app.signin.config.guests && !isInvited && guestEntry(app),
      ways.provider && h("button", { class: "button primary wide", type: "button", disabled: Boolean(trying),
        onclick: () => attempt(app, () => app.signin.withProvider()) }, t("sign_in.provider")),
      // Beside the way that the link is for, another field for a name would only be in doubt.
      isInvited || isGuest ? h("details", { class: "by-token", key: "others", open: Boolean(app.shown("sign-in-error")) }, h("summary", {}, t("sign_in.other")), h("div", { class: "stack" }, locally)) : locally));
}

/** The server closed for good, though the sign-in is a good one. */
export function endedView(app) {
  return h("div", { class: "narrow ended", key: "ended" },
    h("h1", { tabindex: -1 }, t("ended.title")),
    h("section", { class: "card stack" },
      h("p", { class: "trouble", role: "alert" }, reason(app.ended)),
      h("p", { class: "quiet" }, t("ended.text")),
      h("div", { class: "row" },
        button(t("ended.again"), () => app.begin(), { kind: "primary" }),
        button(t("sign_out"), () => app.askSignOut(), { kind: "quiet" }))));
}

function problem(app) {
  const error = app.shown("sign-in-error") || app.signin.error;
  if (app.ended) return h("p", { class: "trouble", role: "alert" }, reason(app.ended));
  if (!error) return null;
  const key = `sign_in.error.${error.code}`;
  return h("p", { class: "trouble", role: "alert" }, t(has(key) ? key : "sign_in.error.refused"));
}

/** Enter by a personal invitation: who it is for is in the invitation itself. */
function byInvitation(app, trying) {
  const enter = async () => {
    const { secret } = app.route;
    await attempt(app, () => app.signin.withInvitation(secret));
    app.session?.acts.run("membership.join", { invitation: secret });
  };
  return h("div", { class: "stack", key: "by-invitation" },
    h("p", {}, t("invited.text")),
    button(t("invited.enter"), enter, { kind: "primary wide", disabled: Boolean(trying) }));
}

/** What a guest needs first: the code. */
function guestEntry(app) {
  return h("div", { class: "stack", key: "guest-code" }, h("p", {}, t("guest.code")), codeForm(app));
}

/** Take part without an account, under a name of one's own. */
function asGuest(app, trying) {
  const send = (event) => {
    event.preventDefault();
    const name = new FormData(event.target).get("name");
    attempt(app, () => app.signin.asGuest(app.route.code, name));
  };
  return h("form", { class: "stack", onsubmit: send, key: "as-guest" },
    field(app, { draft: "sign-in.guest", label: t("guest.name"), hint: t("guest.hint", { code: app.route.code }), max: 100, name: "name", required: true, autocomplete: "nickname" }),
    h("button", { class: "button primary wide", disabled: Boolean(trying) }, t("guest.submit")));
}

function byName(app, trying) {
  const send = (event) => {
    event.preventDefault();
    const name = new FormData(event.target).get("name");
    attempt(app, () => app.signin.withName(name));
  };
  return h("form", { class: "stack", onsubmit: send, key: "by-name" },
    field(app, { draft: "sign-in.name", label: t("sign_in.name"), hint: t("sign_in.name.hint"), max: 100, name: "name", required: true, autocomplete: "nickname" }),
    h("button", { class: "button primary wide", disabled: Boolean(trying) }, t("sign_in.name.submit")));
}

function byToken(app, trying) {
  const send = (event) => {
    event.preventDefault();
    const token = new FormData(event.target).get("token").trim();
    attempt(app, () => app.signin.withToken(token));
  };
  return h("form", { class: "stack", onsubmit: send },
    // No draft: only the sign-in keeps a token.
    h("div", { class: "field" }, h("label", { for: "token" }, t("sign_in.token")),
      h("textarea", { id: "token", name: "token", rows: 3, required: true, spellcheck: "false", autocomplete: "off", "aria-describedby": "token-hint" }),
      h("p", { class: "hint", id: "token-hint" }, t("sign_in.token.hint"))),
    button(t("sign_in.token.submit"), undefined, { type: "submit", disabled: Boolean(trying) }));
}

async function attempt(app, way) {
  app.ended = null;
  app.show("sign-in-error", false);
  app.show("signing-in", true);
  try {
    await way();
    app.drafts.drop("sign-in.name");
  } catch (error) {
    app.show("sign-in-error", error);
  }
  app.show("signing-in", false);
}
