// The rules of an event, as fields and as sentences.

import { contradiction, KINDS, PRESETS, presetOf, presetPolicy, shareOf, whole } from "../policy.js";
import { h } from "../render.js";
import { span, t } from "../words.js";
import { choice, numberField, tick } from "./forms.js";

const MAX_SECONDS = 31_536_000;
const MAX_COUNT = 100_000;
const MAX_SHARE = 1_000;
/** Seconds of the units that spans are given in. */
const UNITS = { min_open_seconds: 60, ttl_seconds: 3_600 };
/** The rules that may be off, with what they begin at. */
const OPTIONAL = { quorum_percent: 50, min_open_seconds: 600, ttl_seconds: 86_400 };
/** What a vote may say, each under a name. */
const STANCES = { agree: ["agree"], against: ["agree", "against"], abstain: ["agree", "against", "abstain"] };

/** The presets, each in one sentence; `change(policy)` is called with the rules of the chosen one. */
export function presets(app, { draft, policy, change }) {
  const chosen = presetOf(policy);
  const take = (name) => {
    dropPolicyDrafts(app, draft);
    change(presetPolicy(name));
  };
  return h("fieldset", { class: "card presets" },
    h("legend", {}, h("h2", {}, t("preset.title"))),
    Object.keys(PRESETS).map((name) => h("label", { class: `preset ${name === chosen ? "on" : ""}`, key: name },
      h("input", { type: "radio", name: "preset", value: name, checked: name === chosen, onchange: () => take(name) }),
      h("span", {}, h("b", {}, t(`preset.${name}`)), " ", h("span", { class: "quiet preset-says" }, t(`preset.${name}.says`))))),
    chosen === null && h("p", { class: "hint" }, t("preset.own")));
}

/** Fields for `policy`; `change(policy)` is called with a new one. `draft` keeps the typed text. */
export function policyFields(app, { draft, policy, change }) {
  const set = (patch) => change(settled({ ...policy, ...patch }));
  const { stances, decide, tally, votes, electorate, ballot, guests, proposer_votes: proposer } = whole(policy);
  const among = (name, values, value, to = (one) => ({ [name]: one })) =>
    choice({ label: t(`policy.${name}`), values, value, text: (one) => t(`policy.${name}.${one}`), change: (one) => set(to(one)), hint: t(`policy.${name}.hint`) });
  const wrong = contradiction(policy);
  return h("div", { class: "policy-fields" },
    KINDS.map((kind) => kindFields(app, `${draft}.${kind}`, kind, policy[kind], (rule) => set({ [kind]: rule }))),
    h("fieldset", { key: "votes" }, h("legend", {}, t("policy.votes.title")),
      among("stances", Object.keys(STANCES), Object.keys(STANCES).find((name) => STANCES[name].length === stances.length), (one) => ({ stances: STANCES[one] })),
      among("decide", ["reached", "close"], decide),
      among("tally", ["live", "close"], tally),
      among("votes", ["secret", "named"], votes),
      among("electorate", ["now", "opening"], electorate),
      tick({ id: `${draft}.proposer`, label: t("policy.proposer_votes"), on: proposer, change: (on) => set({ proposer_votes: on }) }),
      Object.keys(OPTIONAL).map((name) => optional(app, draft, name, policy, set))),
    h("fieldset", { key: "ballot" }, h("legend", {}, t("ballot.title")),
      among("ballot", ["single", "approval", "ranked"], ballot.method, (method) => ({ ballot: { ...ballot, method } })),
      tick({ id: `${draft}.named`, label: t("policy.ballot.named"), on: ballot.named, change: (named) => set({ ballot: { ...ballot, named } }) })),
    h("fieldset", { key: "joining" }, h("legend", {}, t("policy.joining")),
      tick({ id: `${draft}.membership`, label: t("policy.membership_auto"), on: policy.membership_auto, change: (on) => set({ membership_auto: on }) }),
      (app.signin.config?.guests || guests) && tick({ id: `${draft}.guests`, label: t("policy.guests"), on: guests, change: (on) => set({ guests: on }) })),
    wrong && h("p", { class: "hint over", role: "status" }, t(`policy.wrong.${wrong}`)));
}

/** Votes that are counted at the end need an end: a time limit is set with the choice. */
const settled = (policy) => (whole(policy).decide === "close" && !policy.ttl_seconds ? { ...policy, ttl_seconds: OPTIONAL.ttl_seconds } : policy);

function kindFields(app, draft, kind, rule, change) {
  return h("fieldset", { key: kind },
    h("legend", {}, t(`policy.${kind}`)),
    tick({ id: `${draft}.auto`, label: t("policy.auto"), on: rule.auto, change: (auto) => change({ ...rule, auto }) }),
    rule.auto && h("div", { class: "rule" },
      choice({ label: t("policy.rule"), values: ["count", "percent", "share"], value: rule.rule, text: (one) => t(`policy.rule.${one}`), change: (one) => change(ruleOf(one, rule)) }),
      rule.rule === "share" ? shareFields(app, draft, rule, change) : threshold(app, draft, rule, change)));
}

/** A rule of another kind, with numbers that fit it. */
function ruleOf(name, { auto, threshold: standing = 50 }) {
  if (name === "share") return { auto, rule: name, share: "1/2", more_than: true, of: "members" };
  return { auto, rule: name, threshold: name === "percent" ? Math.min(standing, 100) : standing };
}

function threshold(app, draft, rule, change) {
  const max = rule.rule === "percent" ? 100 : MAX_COUNT;
  return numberField(app, { draft: `${draft}.threshold`, label: t("policy.threshold"), initial: rule.threshold, min: 1, max, required: true,
    oninput: number(app, `${draft}.threshold`, 1, max, (value) => change({ ...rule, threshold: value })) });
}

function shareFields(app, draft, rule, change) {
  const { part, of } = shareOf(rule);
  const shared = (name, initial, max, to) => numberField(app, { draft: `${draft}.${name}`, label: t(`policy.share.${name}`), initial, min: 1, max, required: true,
    oninput: number(app, `${draft}.${name}`, 1, max, (value) => change({ ...rule, share: to(value) })) });
  return [
    h("div", { class: "row share-row", key: "share" },
      shared("part", part, of, (value) => `${value}/${of}`),
      shared("whole", of, MAX_SHARE, (value) => `${Math.min(part, value)}/${value}`)),
    choice({ label: t("policy.share.of"), values: ["members", "votes"], value: rule.of ?? "members", text: (one) => t(`policy.share.of.${one}`), change: (one) => change({ ...rule, of: one }) }),
    tick({ id: `${draft}.more`, label: t("policy.share.more_than"), on: Boolean(rule.more_than), change: (on) => change({ ...rule, more_than: on }) }),
  ];
}

function optional(app, draft, name, policy, set) {
  const on = policy[name] !== undefined && policy[name] !== null;
  const unit = UNITS[name] ?? 1;
  const max = name === "quorum_percent" ? 100 : Math.floor(MAX_SECONDS / unit);
  return h("div", { key: name, class: "optional" },
    tick({ id: `${draft}.${name}`, label: t(`policy.${name}`), on, change: (wanted) => set({ [name]: wanted ? OPTIONAL[name] : null }) }),
    on && numberField(app, { draft: `${draft}.${name}.value`, label: t(`policy.${name}.value`), initial: policy[name] / unit, min: 1, max, required: true,
      oninput: number(app, `${draft}.${name}.value`, 1, max, (value) => set({ [name]: value * unit })) }));
}

/** Keeps the typed text, and passes it on if it is a whole number in range. */
const number = (app, draft, min, max, take) => (event) => {
  app.drafts.set(draft, event.target.value);
  const value = Number(event.target.value);
  if (Number.isInteger(value) && value >= min && value <= max) take(value);
};

/** Forget the numbers that were typed under `draft`. */
export function dropPolicyDrafts(app, draft) {
  for (const key of [...app.drafts.held.keys()]) if (key.startsWith(`${draft}.`)) app.drafts.drop(key);
}

/** The rules as sentences. */
export function policySentences(policy) {
  const rules = whole(policy);
  return [
    ...KINDS.map((kind) => ruleSentence(kind, policy[kind])),
    rules.stances.length > 1 && t(`policy.says.stances.${rules.stances.length}`),
    rules.decide === "close" && t("policy.says.close"),
    rules.tally === "close" && t("policy.says.tally"),
    t(`policy.says.votes.${rules.votes}`),
    rules.electorate === "opening" && t("policy.says.electorate"),
    t(`policy.says.ballot.${rules.ballot.method}`),
    t(rules.ballot.named ? "policy.says.ballot.named" : "policy.says.ballot.secret"),
    t(rules.membership_auto ? "policy.says.open" : "policy.says.closed"),
    rules.guests && t("policy.says.guests"),
    rules.quorum_percent && t("policy.says.quorum", { count: rules.quorum_percent }),
    rules.min_open_seconds && t("policy.says.min_open", { span: span(rules.min_open_seconds) }),
    rules.ttl_seconds && rules.decide !== "close" && t("policy.says.ttl", { span: span(rules.ttl_seconds) }),
    rules.ttl_seconds && rules.decide === "close" && t("policy.says.closes", { span: span(rules.ttl_seconds) }),
    rules.proposer_votes && t("policy.says.proposer"),
  ].filter(Boolean);
}

function ruleSentence(kind, { auto, rule, threshold: count, share, more_than: isMore, of }) {
  const what = t(`policy.${kind}`);
  if (!auto) return t("policy.says.admin", { what });
  if (rule !== "share") return t(`policy.says.${rule}`, { what, count });
  return t(`policy.says.share.${of ?? "members"}.${isMore ? "more" : "least"}`, { what, share });
}
