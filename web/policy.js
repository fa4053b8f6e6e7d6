// The rules of an event: the server's defaults, the presets, and the difference between two sets of rules.

export { termsOf } from "../sdk/ayes.js";

export const KINDS = ["assumption", "criterion", "conclusion"];

/** The server's defaults (protocol/policy.py). */
export const DEFAULTS = {
  assumption: { auto: true, rule: "count", threshold: 3 },
  criterion: { auto: true, rule: "count", threshold: 3 },
  conclusion: { auto: true, rule: "percent", threshold: 60 },
  membership_auto: false,
};

/** The defaults of the rules that an event may leave out. */
export const PLAIN = {
  stances: ["agree"],
  decide: "reached",
  tally: "live",
  votes: "secret",
  electorate: "now",
  ballot: { method: "single", named: false },
  guests: false,
  proposer_votes: false,
};

/** The rules of `policy`, with the defaults of those that it leaves out. */
export const whole = (policy) => ({ ...PLAIN, ...policy, ballot: { ...PLAIN.ballot, ...policy.ballot } });

const DAY = 86_400;
const byVotes = (share, isMore) => ({ auto: true, rule: "share", share, more_than: isMore, of: "votes" });
const everyKind = (rule) => Object.fromEntries(KINDS.map((kind) => [kind, rule]));

/** For the kinds that are about the final ballot: with as few members as there are, a proposal can pass. */
const byMajority = everyKind({ auto: true, rule: "percent", threshold: 51 });

/** Sets of rules under a name: what differs from the defaults. */
export const PRESETS = {
  open: {},
  poll: { ...byMajority, membership_auto: true },
  motion: { ...everyKind(byVotes("1/2", true)), stances: ["agree", "against", "abstain"], decide: "close", ttl_seconds: 3 * DAY, votes: "named" },
  consent: { ...everyKind(byVotes("1/1", false)), stances: ["agree", "against"], decide: "close", ttl_seconds: 2 * DAY, votes: "named", proposer_votes: true },
  secret: { ...byMajority, tally: "close", electorate: "opening" },
  ranked: { ...byMajority, ballot: { method: "ranked", named: false } },
};

/** The rules of the preset `name`, whole. */
export const presetPolicy = (name) => ({ ...DEFAULTS, ...PRESETS[name] });

/** The name of the preset that `policy` is, or null. */
export const presetOf = (policy) => Object.keys(PRESETS).find((name) => policyPatch(presetPolicy(name), policy) === null) ?? null;

/** The difference from `before` to `after`, as a merge patch, or null if there is none. */
export function policyPatch(before, after) {
  const patch = {};
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const old = before[name] ?? PLAIN[name] ?? null;
    const value = after[name] ?? PLAIN[name] ?? null;
    if (!same(old, value)) patch[name] = isRecord(value) ? changes(old, value) : value;
  }
  return Object.keys(patch).length ? patch : null;
}

/** `value` as a merge patch of `old`: the fields that it lacks are taken away. */
const changes = (old, value) => ({ ...Object.fromEntries(Object.keys(old ?? {}).filter((name) => !(name in value)).map((name) => [name, null])), ...value });

const isRecord = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
const sortedFields = (value) => (isRecord(value) ? Object.fromEntries(Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1))) : value);
const same = (one, other) => JSON.stringify(sortedFields(one)) === JSON.stringify(sortedFields(other));

/** The rules of a new event: what differs from the defaults, without anything to be taken away. */
export function newPolicy(policy) {
  const names = Object.keys(policyPatch(DEFAULTS, policy) ?? {}).filter((name) => policy[name] !== null && policy[name] !== undefined);
  return names.length ? Object.fromEntries(names.map((name) => [name, policy[name]])) : undefined;
}

/** The numbers of a share "a/b". */
export function shareOf(rule) {
  const [part, of] = (rule.share ?? "1/2").split("/").map(Number);
  return { part, of };
}

/** Why the rules cannot be set as they are: the name of a reason, or null. */
export function contradiction(policy) {
  const { decide, ttl_seconds: ttl } = whole(policy);
  const ofVotes = KINDS.some((kind) => policy[kind].auto && policy[kind].rule === "share" && policy[kind].of === "votes");
  if (ofVotes && decide !== "close") return "of_votes";
  if (decide === "close" && !ttl) return "close_ttl";
  const isAll = KINDS.some((kind) => policy[kind].auto && policy[kind].rule === "share" && policy[kind].more_than && shareOf(policy[kind]).part >= shareOf(policy[kind]).of);
  return isAll ? "more_than_all" : null;
}
