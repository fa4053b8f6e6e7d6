// The votes that a proposal still needs, by the server's rules (handlers/rules/auto_acceptance.py), for
// display.

/** The least number of agreeing votes that `rule` asks of `eligible` members. Integers, as there. */
export function needed(rule, eligible) {
  if (rule.rule === "count") return rule.threshold;
  return Math.max(Math.ceil((rule.threshold * eligible) / 100), eligible === 0 ? 1 : 0);
}

/** The least number that must take part, or null if there is no quorum. */
export function quorum(policy, eligible) {
  if (!policy.quorum_percent) return null;
  return Math.ceil((policy.quorum_percent * eligible) / 100);
}

/**
 * The tally of `proposal`: {agree, eligible, need, rule, threshold, automatic, quorum}. For a decided one
 * it is the tally at its decision.
 */
export function tally(proposal, state) {
  const decided = proposal.decision;
  const rule = decided ?? state.event.policy[proposal.kind];
  const eligible = decided?.eligible ?? state.counts.members ?? 0;
  return {
    agree: decided?.agree ?? proposal.agree,
    eligible,
    need: needed(rule, eligible),
    rule: rule.rule,
    threshold: rule.threshold,
    automatic: decided ? true : rule.auto,
    quorum: decided ? null : quorum(state.event.policy, eligible),
  };
}
