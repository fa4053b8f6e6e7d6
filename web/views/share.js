// The ways to join: the code, the link, its QR code.

import { codePicture } from "../code-picture.js";
import { h } from "../render.js";
import { address, isOnlyHere, link } from "../route.js";
import { t } from "../words.js";
import { button, dialog, note } from "./parts.js";

export function shareDialog(app, store) {
  if (!app.dialogs.shown("share", store.event)) return null;
  return dialog(app, store, "share", t("share.title", { subject: store.state.event.subject }), ways(app, store));
}

/** The code, the link and the picture; for an admin also a new code. */
export function ways(app, store) {
  const { entrance_code: code } = store.state.event;
  const whole = address(link.join(code));
  const ask = `rotate|${store.event}`;
  const asking = app.shown(ask);
  return h("div", { class: "share" },
    codePicture(whole, t("share.qr")),
    h("div", { class: "stack" },
      h("p", { class: "quiet" }, t(store.state.event.policy.membership_auto ? "share.text.open" : "share.text")),
      h("p", { class: "code big", translate: "no", dir: "ltr" }, code),
      h("p", { class: "link", translate: "no", dir: "ltr" }, whole),
      isOnlyHere() && h("p", { class: "hint" }, t("share.only_here")),
      h("div", { class: "row" },
        copy(app, t("share.copy"), whole),
        navigator.share && button(t("share.send"), () => navigator.share({ title: store.state.event.subject, url: whole }).catch(() => {}), { sign: "share" })),
      store.may("event.rotate_code") && h("div", { class: "row" },
        asking
          ? [h("p", { class: "hint" }, t("share.rotate.hint")),
            button(t("share.rotate.do"), () => (app.show(ask, false), store.run("event.rotate_code")), { kind: "small danger" }),
            button(t("cancel"), () => app.show(ask, false), { kind: "small quiet" })]
          : button(t("event.rotate_code"), () => app.show(ask, true), { kind: "quiet small" }),
        note(app, store, "event/rotate_code")),
      h("a", { class: "quiet-link", href: link.room(store.event, "screen") }, t("screen.open"))));
}

/** A button that copies `text`, and says so. */
export function copy(app, label, text) {
  const key = `copied|${text}`;
  const done = app.shown(key);
  const write = async () => {
    try {
      await navigator.clipboard.writeText(text);
      app.show(key, "yes");
      app.announce(t("copied"));
    } catch {
      app.show(key, "no");
    }
    setTimeout(() => app.show(key, false), 2_500);
  };
  const said = { yes: t("copied"), no: t("copy.failed") }[done] ?? label;
  return button(said, write, { sign: done === "yes" ? "check" : "copy" });
}
