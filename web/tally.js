// The votes that a proposal still needs, by the server's rules (handlers/rules), for display. Whole
// numbers only, as there.

import { shareOf, termsOf } from "./policy.js";

/**
 * The least number of agreeing votes that `rule` asks of `eligible` members, with `against` votes
 * against it. Infinity if no number is enough.
 */
export function needed(rule, { eligible, against = 0 }) {
  if (rule.rule === "count") return rule.threshold;
  if (rule.rule === "percent") return Math.max(Math.ceil((rule.threshold * eligible) / 100), 1);
  const { part, of } = shareOf(rule);
  if (rule.of !== "votes") return Math.max(least(part * eligible, of, rule.more_than), 1);
  // agree * of >= part * (agree + against), solved for agree.
  if (part === of) return against === 0 && !rule.more_than ? 1 : Infinity;
  return Math.max(least(part * against, of - part, rule.more_than), 1);
}

/** The least whole number that is at least `a / b`, or with `isMore` greater. */
const least = (a, b, isMore) => (isMore ? Math.floor(a / b) + 1 : Math.ceil(a / b));

/** The least number that must take part, or null if there is no quorum. */
export function quorum(policy, eligible) {
  if (!policy.quorum_percent) return null;
  return Math.ceil((policy.quorum_percent * eligible) / 100);
}

/**
 * The tally of `proposal`: {agree, against, abstain, voters, eligible, need, automatic, quorum, isHidden,
 * isAtClose}. For a decided one it is the tally at its decision. `agree` is undefined while it is hidden.
 */
export function tally(proposal, state) {
  const { decision } = proposal;
  const terms = termsOf(proposal);
  const rule = decision ?? state.event.policy[proposal.kind];
  const eligible = decision?.eligible ?? proposal.eligible ?? state.counts.members ?? 0;
  const agree = decision?.agree ?? proposal.agree;
  const against = decision?.against ?? proposal.against ?? 0;
  return {
    agree,
    against,
    abstain: decision?.abstain ?? proposal.abstain ?? 0,
    voters: proposal.voters,
    eligible,
    need: needed(rule, { eligible, against }),
    automatic: decision ? true : rule.auto,
    quorum: decision ? null : quorum(state.event.policy, eligible),
    isHidden: agree === undefined,
    isAtClose: terms.decide === "close",
    stances: terms.stances,
  };
}
