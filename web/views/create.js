// A new event: its subject, and as much of the rest as is known already.

import { contradiction, DEFAULTS, newPolicy, presetOf } from "../policy.js";
import { h } from "../render.js";
import { number, t } from "../words.js";
import { fromLocal, linesOf, momentField, numberField, tick, tooLong } from "./forms.js";
import { button, noteOf } from "./parts.js";
import { dropPolicyDrafts, policyFields, presets } from "./policy-fields.js";
import { zone } from "./schedule.js";

/** Most characters of a subject, and of an item of each list. */
const SUBJECT = 200;
const LISTS = { options: 200, assumptions: 2_000, criteria: 2_000 };
/** The kinds that are about the final ballot: what else can be written down is folded away. */
const BALLOT_ONLY = ["poll", "secret", "ranked"];
const BLANK = { subject: "", options: ["", ""], assumptions: [""], criteria: [""], max_members: 100, as: "admin", policy: DEFAULTS };

export function createView(app) {
  const made = { ...BLANK, ...app.drafts.get("create") };
  const change = (patch) => app.drafts.set("create", { ...BLANK, ...app.drafts.get("create"), ...patch });
  const acts = app.session.acts.under(undefined, "event/create");
  const act = acts.at(-1);
  const busy = act?.state === "pending";
  const list = (name) => lines(app, name, LISTS[name], made[name], (values) => change({ [name]: values }));
  const isBallotOnly = BALLOT_ONLY.includes(presetOf(made.policy));
  const isWritten = [...made.assumptions, ...made.criteria].some((text) => text.trim());
  return h("form", { class: "narrow create", onsubmit: (event) => send(app, event, made) },
    h("h1", { tabindex: -1 }, t("create.title")),
    h("section", { class: "card stack" },
      h("div", { class: "field subject-field" }, h("label", { for: "subject" }, t("create.subject")),
        h("input", { id: "subject", value: made.subject, required: true, dir: "auto", autocomplete: "off", placeholder: t("create.subject.example"),
          "aria-invalid": tooLong(made.subject, SUBJECT) && "true", oninput: (event) => change({ subject: event.target.value }) }),
        over(made.subject, SUBJECT))),
    presets(app, { draft: "create.policy", policy: made.policy, change: (policy) => change({ policy }) }),
    list("options"),
    isBallotOnly ? h("details", { class: "card stack", key: "more", mount: (el) => (el.open = isWritten) },
      h("summary", {}, h("h2", {}, t("create.more.title")), h("span", { class: "quiet" }, t("create.more.hint"))),
      list("assumptions"), list("criteria")) : [list("assumptions"), list("criteria")],
    h("details", { class: "card", key: "rules" },
      h("summary", {}, h("h2", {}, t("policy.title")), h("span", { class: "quiet" }, t("create.rules.hint"))),
      numberField(app, { draft: "create.max_members", label: t("create.max_members"), initial: made.max_members, min: 1, max: 100_000, required: true,
        oninput: (event) => (app.drafts.set("create.max_members", event.target.value), change({ max_members: Number(event.target.value) })) }),
      tick({ id: "create.organiser", label: t("create.organiser"), on: made.as === "organiser", change: (on) => change({ as: on ? "organiser" : "admin" }) }),
      h("div", { class: "row moments" },
        momentField(app, { draft: "create.starts_at", label: t("schedule.starts_at"), hint: zone() }),
        momentField(app, { draft: "create.ends_at", label: t("schedule.ends_at"), hint: zone() })),
      policyFields(app, { draft: "create.policy", policy: made.policy, change: (policy) => change({ policy }) })),
    h("div", { class: "row submit-row" },
      h("button", { class: "button primary", disabled: busy || Boolean(hindrance(made)) }, t("create.submit")),
      !busy && h("span", { class: "hint" }, hindrance(made)),
      act && act.state !== "confirmed" && noteOf(app, act, () => undefined)));
}

/** Why it cannot be made yet, in words. */
function hindrance(made) {
  if (!made.subject.trim()) return t("create.needs_subject");
  const long = Object.entries({ subject: SUBJECT, ...LISTS }).some(([name, max]) => [made[name]].flat().some((text) => tooLong(text, max)));
  if (long) return t("create.too_long");
  const wrong = contradiction(made.policy);
  return wrong ? t(`policy.wrong.${wrong}`) : undefined;
}

/** How much of it is too much. */
const over = (text, max) => tooLong(text, max) && h("p", { class: "hint over" }, tooLong(text, max));

/** A list of texts, one a line, with always one more to write into. */
function lines(app, name, max, values, change) {
  const set = (index, text) => change(values.map((value, at) => (at === index ? text : value)));
  return h("fieldset", { class: "card lines", key: name },
    h("legend", {}, h("h2", {}, t(name))),
    h("p", { class: "hint" }, t(`create.${name}.hint`)),
    h("ol", {}, values.map((value, index) => h("li", { key: index },
      h("input", { value, dir: "auto", "aria-label": t(`create.${name}.nth`, { count: index + 1 }), autocomplete: "off",
        "aria-invalid": tooLong(value, max) && "true", onpaste: (event) => pasted(app, event, name, index, values, change),
        onkeydown: (event) => addOnEnter(event, () => change([...values, ""])),
        oninput: (event) => set(index, event.target.value) }),
      values.length > 1 && button(t("remove"), () => change(values.filter((_, at) => at !== index)), { kind: "quiet", sign: "cross", bare: true, about: number(index + 1) }), over(value, max)))),
    button(t(`create.${name}.add`), () => change([...values, ""]), { kind: "quiet small", sign: "plus" }));
}

/** Several lines are several items, from the one they were pasted into. */
function pasted(app, event, name, index, values, change) {
  const found = linesOf(event.clipboardData.getData("text/plain"));
  if (found.length < 2) return;
  event.preventDefault();
  const next = [...values];
  if (values[index].trim()) next.splice(index + 1, 0, ...found);
  else {
    // The field has the focus, so a drawing leaves it alone.
    event.target.value = found[0];
    next.splice(index, 1, ...found);
  }
  change(next);
  app.announce(t(`create.${name}.pasted`, { count: found.length }));
}

/** Enter in the last line makes another instead of sending all. */
function addOnEnter(event, add) {
  if (event.key !== "Enter" || event.isComposing) return;
  event.preventDefault();
  const rows = event.target.closest("ol");
  const next = event.target.closest("li").nextElementSibling;
  if (next) next.querySelector("input").focus();
  else if (event.target.value.trim()) {
    add();
    requestAnimationFrame(() => requestAnimationFrame(() => rows.lastElementChild.querySelector("input").focus()));
  }
}

function send(app, event, made) {
  event.preventDefault();
  const written = (values) => values.map((value) => value.trim()).filter(Boolean);
  const policy = newPolicy(made.policy);
  const [starts, ends] = ["starts_at", "ends_at"].map((name) => fromLocal(app.drafts.get(`create.${name}`)));
  app.session.acts.run("event.create", {
    subject: made.subject.trim(),
    max_members: made.max_members,
    options: written(made.options),
    assumptions: written(made.assumptions),
    criteria: written(made.criteria),
    ...(made.as === "organiser" && { as: made.as }),
    ...(starts && { starts_at: starts }),
    ...(ends && { ends_at: ends }),
    ...(policy && { policy }),
  });
  dropPolicyDrafts(app, "create.policy");
  for (const name of ["max_members", "starts_at", "ends_at"]) app.drafts.drop(`create.${name}`);
}
