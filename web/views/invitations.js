// Personal invitations and people added at once: from lines or a CSV file, out as links, a CSV file and a
// printable sheet.

import { codePicture } from "../code-picture.js";
import { csvOf, peopleIn } from "../csv.js";
import { byNo } from "../order.js";
import { h } from "../render.js";
import { address, link } from "../route.js";
import { save } from "../save.js";
import { number, t } from "../words.js";
import { field } from "./forms.js";
import { windowed } from "./lists.js";
import { named } from "./names.js";
import { button, dialog, note, pill, quoted } from "./parts.js";

/** Most people of one command. */
const MAX_PEOPLE = 200;

/** The roll: who was invited, and who came. */
export function invitations(app, store) {
  const rows = Object.entries(store.state.invitations ?? {}).sort(([, a], [, b]) => byNo(b, a));
  const count = store.state.counts.invitations ?? rows.length;
  const { rows: shown, more } = windowed(app, `invitations|${store.event}`, rows, ([id, one]) => invitationRow(store, app, id, one), 20);
  return h("section", { class: "card stack", key: "invitations", "aria-labelledby": "invitations-title" },
    h("h2", { id: "invitations-title" }, t("invitations.title"), " ", count > 0 && h("span", { class: "count" }, number(count))),
    h("p", { class: "hint" }, t("invitations.hint")),
    roll(app, store, "invite", ({ name, ref }) => ({ name, ...(ref && { ref }) }), (people) => store.run("invitation.create", { people })),
    made(app, store),
    rows.length > 0 && h("ul", { class: "people-list" }, shown),
    more);
}

/** People whose user ids are known are members at once. */
export function adding(app, store) {
  return h("details", { class: "card", key: "adding" }, h("summary", {}, h("h2", {}, t("adding.title"))),
    h("p", { class: "hint" }, t("adding.hint")),
    roll(app, store, "add", ({ name, ref }) => ({ user: ref ?? name, ...(ref && { name }) }), (people) => store.run("membership.add", { people })),
    note(app, store, "membership/add"));
}

/** A field for a roll, one person a line, with a file as another way to fill it. */
function roll(app, store, name, of, send) {
  const draft = `${store.event}|${name}`;
  const people = peopleIn(app.drafts.get(draft) ?? "");
  const tooMany = people.length > MAX_PEOPLE;
  const key = name === "invite" ? "invitation/create" : "membership/add";
  const busy = store.act(key)?.state === "pending";
  const submit = async (event) => {
    event.preventDefault();
    if (people.length === 0 || tooMany || busy) return;
    const act = await send(people.map(of));
    if (act.state === "confirmed") app.drafts.drop(draft);
  };
  const take = async (event) => {
    const [file] = event.target.files;
    if (file) app.drafts.set(draft, await file.text());
    event.target.value = "";
  };
  return h("form", { class: "stack", onsubmit: submit },
    field(app, { draft, label: t(`${name}.people`), lines: 4, hint: t(`${name}.people.hint`) }),
    h("div", { class: "row" },
      h("button", { class: "button small primary", disabled: people.length === 0 || tooMany || busy }, people.length === 0 ? t(`${name}.submit.none`) : t(`${name}.submit`, { count: people.length })),
      h("label", { class: "button small quiet" }, t("roll.file"), h("input", { type: "file", class: "unseen", "aria-label": named(t("roll.file"), t(`${name}.people`)), accept: ".csv,text/csv,text/plain", onchange: take })),
      tooMany && h("span", { class: "hint over" }, t("roll.too_many", { max: MAX_PEOPLE })),
      name === "invite" && note(app, store, key)));
}

/** The invitations just made, with the secrets that are shown only now. */
function made(app, store) {
  const all = store.secrets;
  if (all.length === 0) return null;
  const rows = all.map(({ name, secret }) => [name, address(link.invited(secret))]);
  // The mark says UTF-8 to spreadsheets.
  const keep = () => save(`${t("invitations.file")}.csv`, `\ufeff${csvOf([[t("invitations.name"), t("invitations.link")], ...rows])}`);
  return h("div", { class: "banner good", role: "status", key: "made" },
    h("p", {}, t("invitations.made", { count: all.length })),
    h("div", { class: "row" },
      button(t("invitations.csv"), keep, { kind: "small" }),
      button(t("invitations.sheet"), () => app.dialogs.open("sheet", store.event), { kind: "small" }),
      button(t("dismiss"), () => store.forgetSecrets(), { kind: "small quiet" })),
    sheet(app, store, rows));
}

/** A sheet to print and cut: a name and a QR code each. */
function sheet(app, store, rows) {
  return dialog(app, store, "sheet", t("invitations.sheet"),
    h("div", { class: "row" }, button(t("results.print"), () => print(), { kind: "small primary" })),
    h("ul", { class: "sheet" }, rows.map(([name, target], index) => h("li", { key: index },
      codePicture(target, t("share.qr")), h("p", {}, h("b", {}, quoted(name))), h("p", { class: "quiet", dir: "auto" }, store.state.event.subject)))));
}

function invitationRow(store, app, id, { name, status }) {
  return h("li", { key: id },
    h("span", { class: "who" }, h("b", {}, quoted(name)), " ", pill(t(`invitation.${status}`), status === "used" ? "agreed" : "")),
    status !== "revoked" && store.may("invitation.revoke") && h("span", { class: "row" },
      button(t("invitation.revoke"), () => store.run("invitation.revoke", { invitation: id }), { kind: "small quiet", about: name }),
      note(app, store, `invitation/${id}`, name)));
}
