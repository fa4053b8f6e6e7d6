// The tally of a proposal, by the server's rules (handlers/rules): the shown counts, with the user's own vote that is
// on its way counted once. Whole numbers only, as there.

/** The terms of a proposal that names none (protocol/policy.py). */
const TERMS = Object.freeze({
  stances: Object.freeze(["agree"]),
  decide: "reached",
  tally: "live",
  votes: "secret",
  electorate: "now",
});

/** The terms of `proposal`, the defaults among them. */
export function termsOf(proposal) {
  return { ...TERMS, ...proposal.terms };
}

/**
 * Return the least number of agreeing votes that `rule` asks of `eligible` members, or `null` if no number is enough.
 * A share of the votes is taken of `against` and the agreeing ones, if votes decide at the close only.
 */
export function needed(rule, { eligible, against = 0, atClose = true }) {
  if (rule.rule === "count") return rule.threshold;
  if (rule.rule === "percent") return Math.max(Math.ceil((rule.threshold * eligible) / 100), 1);
  const [part, of] = rule.share.split("/").map(Number);
  if (rule.of !== "votes" || !atClose) return Math.max(least(part * eligible, of, rule.more_than), 1);
  // agree * of >= part * (agree + against), solved for agree.
  if (part === of) return against === 0 && !rule.more_than ? 1 : null;
  return Math.max(least(part * against, of - part, rule.more_than), 1);
}

/** The least whole number that is at least `a / b`, or with `isMore` greater. */
function least(a, b, isMore) {
  return isMore ? Math.floor(a / b) + 1 : Math.ceil(a / b);
}

/** Return the least number of members that must take part, or `null` without a quorum. */
export function quorum(policy, eligible) {
  return policy.quorum_percent ? Math.ceil((policy.quorum_percent * eligible) / 100) : null;
}

/** Return what became of `proposal`, or `null` while it is pending. */
export function outcomeOf(proposal) {
  if (proposal.status === "pending") return null;
  const { status, decision = {}, resolution: how } = proposal;
  return {
    carried: status === "accepted",
    status,
    how,
    by: proposal.resolved_by ?? null,
    at: proposal.resolved_at ?? null,
    reason: proposal.resolution_reason ?? null,
    agree: decision.agree ?? null,
    against: decision.against ?? null,
    abstain: decision.abstain ?? null,
    eligible: decision.eligible ?? null,
  };
}

/**
 * Return the tally of the proposal `id`, or `undefined` if `state` does not show it. `vote` is the user's newest
 * command on its votes that the room does not show yet: `{ type, args }`.
 */
export function tallyOf(id, { state, you, vote }) {
  const proposal = Object.hasOwn(state?.proposals ?? {}, id) ? state.proposals[id] : undefined;
  if (proposal === undefined) return undefined;
  const terms = termsOf(proposal);
  const { decision } = proposal;
  const outcome = outcomeOf(proposal);
  const shown = you?.votes?.[id] === proposal.revision ? (you.stances?.[id] ?? "agree") : null;
  const mine = outcome ? shown : intended(vote, proposal, shown);
  const count = (stance, absent) => {
    const counted = (decision ?? proposal)[stance] ?? absent;
    return counted === null || outcome ? counted : counted - (shown === stance ? 1 : 0) + (mine === stance ? 1 : 0);
  };
  const hidden = !outcome && proposal.agree === undefined;
  const eligible = decision?.eligible ?? proposal.eligible ?? state.counts?.members ?? 0;
  const against = count("against", hidden ? null : 0);
  const atClose = terms.decide === "close";
  const policy = state.event?.policy;
  const rule = decision ?? policy?.[proposal.kind];
  return {
    agree: count("agree", hidden || outcome ? null : 0),
    against,
    abstain: count("abstain", hidden ? null : 0),
    voters: proposal.voters ?? null,
    mine,
    sending: vote !== undefined,
    eligible,
    needed: rule ? needed(rule, { eligible, against: against ?? 0, atClose }) : null,
    quorum: outcome || !policy ? null : quorum(policy, eligible),
    hidden,
    automatic: outcome ? true : Boolean(rule?.auto),
    atClose,
    stances: terms.stances,
    outcome,
  };
}

/** Return the stance that `vote` leads to. A vote is for one revision, and does not count for another. */
function intended(vote, proposal, shown) {
  if (vote?.type === "vote.retract") return null;
  return vote?.args.revision === proposal.revision ? (vote.args.stance ?? "agree") : shown;
}
