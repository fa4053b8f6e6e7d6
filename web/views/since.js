// The news since the user's last visit.

import { h } from "../render.js";
import { link } from "../route.js";
import { t } from "../words.js";
import { button } from "./parts.js";

export function since(app, store) {
  const before = app.seen.before(store.event);
  if (!before) return null;
  const then = new Date(before.at).toISOString();
  const proposals = Object.values(store.state.proposals);
  const made = proposals.filter((one) => one.status === "pending" && one.created_at > then && one.author !== store.me).length;
  const decided = proposals.filter((one) => one.resolved_at > then && one.resolved_by !== store.me).length;
  if (made + decided === 0) return null;
  return h("div", { class: "banner since", key: "since" },
    h("p", {}, t("since.title"), " ", made > 0 && t("since.made", { count: made }), " ",
      decided > 0 && h("a", { href: link.room(store.event, "history") }, t("since.decided", { count: decided }))),
    button(t("dismiss"), () => (app.seen.settle(store.event), app.changed()), { kind: "quiet small", sign: "cross", bare: true, about: t("since.title") }));
}
