// The rules of an event, as fields and as sentences.

import { h } from "../render.js";
import { span, t } from "../words.js";
import { numberField } from "./forms.js";

export const KINDS = ["assumption", "criterion", "conclusion"];
/** The server's defaults (protocol/policy.py). */
export const DEFAULTS = {
  assumption: { auto: true, rule: "count", threshold: 3 },
  criterion: { auto: true, rule: "count", threshold: 3 },
  conclusion: { auto: true, rule: "percent", threshold: 60 },
  membership_auto: false,
};
const MOST_SECONDS = 31_536_000;
/** Seconds of the units that spans are given in. */
const UNITS = { min_open_seconds: 60, ttl_seconds: 3_600 };
/** The rules that may be off, with what they begin at. */
const OPTIONAL = { quorum_percent: 50, min_open_seconds: 600, ttl_seconds: 86_400 };

/** Fields for `policy`; `change(policy)` is called with a new one. `draft` keeps the typed text. */
export function policyFields(app, { draft, policy, change }) {
  const set = (patch) => change({ ...policy, ...patch });
  return h("div", { class: "policy-fields" },
    KINDS.map((kind) => kindFields(app, `${draft}.${kind}`, kind, policy[kind], (rule) => set({ [kind]: rule }))),
    h("fieldset", {}, h("legend", {}, t("policy.more")),
      tick(`${draft}.membership`, t("policy.membership_auto"), policy.membership_auto, (on) => set({ membership_auto: on })),
      tick(`${draft}.proposer`, t("policy.proposer_votes"), Boolean(policy.proposer_votes), (on) => set({ proposer_votes: on })),
      Object.keys(OPTIONAL).map((name) => optional(app, draft, name, policy, set))));
}

function kindFields(app, draft, kind, rule, change) {
  const most = rule.rule === "percent" ? 100 : 100_000;
  return h("fieldset", { key: kind },
    h("legend", {}, t(`policy.${kind}`)),
    tick(`${draft}.auto`, t("policy.auto"), rule.auto, (auto) => change({ ...rule, auto })),
    rule.auto && h("div", { class: "row rule" },
      numberField(app, { draft: `${draft}.threshold`, label: t("policy.threshold"), initial: rule.threshold, min: 1, max: most, required: true,
        oninput: whole(app, `${draft}.threshold`, 1, most, (threshold) => change({ ...rule, threshold })) }),
      h("div", { class: "choice", role: "group", "aria-label": t("policy.rule") },
        ["count", "percent"].map((one) => h("button", { key: one, type: "button", "aria-pressed": String(rule.rule === one),
          onclick: () => change({ ...rule, rule: one, threshold: one === "percent" ? Math.min(rule.threshold, 100) : rule.threshold }) },
          t(`policy.rule.${one}`))))));
}

function optional(app, draft, name, policy, set) {
  const on = policy[name] !== undefined && policy[name] !== null;
  const unit = UNITS[name] ?? 1;
  const most = name === "quorum_percent" ? 100 : Math.floor(MOST_SECONDS / unit);
  return h("div", { key: name, class: "optional" },
    tick(`${draft}.${name}`, t(`policy.${name}`), on, (wanted) => set({ [name]: wanted ? OPTIONAL[name] : null })),
    on && numberField(app, { draft: `${draft}.${name}.value`, label: t(`policy.${name}.value`), initial: policy[name] / unit, min: 1, max: most, required: true,
      oninput: whole(app, `${draft}.${name}.value`, 1, most, (value) => set({ [name]: value * unit })) }));
}

function tick(id, label, on, change) {
  const name = `t-${id.replace(/[^\w-]/g, "-")}`;
  return h("div", { class: "tick", key: id },
    h("input", { type: "checkbox", id: name, checked: on, onchange: (event) => change(event.target.checked) }),
    h("label", { for: name }, label));
}

/** Keeps the typed text, and passes it on if it is a whole number in range. */
const whole = (app, draft, min, max, tell) => (event) => {
  app.drafts.set(draft, event.target.value);
  const value = Number(event.target.value);
  if (Number.isInteger(value) && value >= min && value <= max) tell(value);
};

/** Forget the numbers that were typed under `draft`. */
export function dropPolicyDrafts(app, draft) {
  for (const key of [...app.drafts.held.keys()]) if (key.startsWith(`${draft}.`)) app.drafts.drop(key);
}

/** The difference from `before` to `after`, as a merge patch, or null if there is none. */
export function policyPatch(before, after) {
  const patch = {};
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const value = after[name] ?? null;
    if (JSON.stringify(before[name] ?? null) !== JSON.stringify(value)) patch[name] = name === "proposer_votes" ? Boolean(value) : value;
  }
  return Object.keys(patch).length ? patch : null;
}

/** The rules as sentences. */
export function policySentences(policy) {
  const passes = KINDS.map((kind) => {
    const { auto, rule, threshold } = policy[kind];
    return t(auto ? `policy.says.${rule}` : "policy.says.admin", { what: t(`policy.${kind}`), count: threshold });
  });
  return [
    ...passes,
    t(policy.membership_auto ? "policy.says.open" : "policy.says.closed"),
    policy.quorum_percent && t("policy.says.quorum", { count: policy.quorum_percent }),
    policy.min_open_seconds && t("policy.says.min_open", { span: span(policy.min_open_seconds) }),
    policy.ttl_seconds && t("policy.says.ttl", { span: span(policy.ttl_seconds) }),
    policy.proposer_votes && t("policy.says.proposer"),
  ].filter(Boolean);
}
