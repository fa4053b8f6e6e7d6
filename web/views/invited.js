// A personal invitation: one press, and its person is in the event.

import { h } from "../render.js";
import { t } from "../words.js";
import { button, noteOf } from "./parts.js";

export function invitedView(app) {
  const { secret } = app.route;
  const act = app.session.acts.of(undefined, `membership/join/${secret}`);
  const accept = () => app.session.acts.run("membership.join", { invitation: secret });
  const user = app.signin.user;
  return h("div", { class: "narrow" },
    h("h1", { tabindex: -1 }, t("invited.title")),
    h("section", { class: "card stack" },
      h("p", {}, t("invited.as", { name: user?.name ?? app.session.user?.name ?? "" })),
      h("div", { class: "row" },
        button(t("invited.accept"), accept, { kind: "primary", disabled: act?.state === "pending" }),
        user?.way !== "invited" && button(t("invited.not_me"), () => app.signin.out(), { kind: "quiet" }),
        act && noteOf(app, act, () => undefined))));
}
