// A new event from an earlier one: its items at the start, or those still to be decided.

import { DEFAULTS } from "./policy.js";

/** The form of a new event, filled with what `state` holds; `options` picks among its options. */
export function copyOf(state, subject, options = Object.keys(state.options)) {
  const contents = (items) => Object.values(items).map((item) => item.content);
  const { event } = state;
  return {
    subject,
    options: options.map((id) => state.options[id]?.content).filter(Boolean),
    assumptions: atLeastOne(contents(state.assumptions)),
    criteria: atLeastOne(contents(state.criteria)),
    max_members: event.max_members,
    policy: { ...DEFAULTS, ...event.policy },
  };
}

const atLeastOne = (values) => (values.length ? values : [""]);
