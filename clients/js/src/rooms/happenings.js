// What happened between two states of a room, as events: a proposal was decided, a member joined, the event finished.

import { outcomeOf } from "./tally.js";

/** Return `[type, detail]` of each, in this order: decided, joined, finished. */
export function happenings(before, after) {
  if (before === undefined || before === after) return [];
  return [...decided(before, after), ...joined(before, after), ...finished(before, after)];
}

function decided({ proposals: before = {} }, { proposals: after = {} }) {
  if (before === after) return [];
  // The window may show older ones again: those were decided before.
  const last = Math.max(0, ...Object.values(before).map(({ resolved_no: no = 0 }) => no));
  const isNew = (id, { status, resolved_no: no }) => {
    if (status === "pending" || before[id] === after[id]) return false;
    return Object.hasOwn(before, id) ? before[id].status === "pending" : no === undefined || no > last;
  };
  return Object.entries(after)
    .filter(([id, proposal]) => isNew(id, proposal))
    .sort(([, one], [, other]) => (one.resolved_no ?? 0) - (other.resolved_no ?? 0))
    .map(([proposal, closed]) => ["decided", { proposal, outcome: outcomeOf(closed) }]);
}

function joined({ members: before = {}, counts = {} }, { members: after = {} }) {
  // An applicant was shown nobody: all of them were members already.
  if (before === after || counts.members === undefined) return [];
  return Object.entries(after)
    .filter(([user]) => !Object.hasOwn(before, user))
    .map(([user, { name, role }]) => ["joined", { user, name, role }]);
}

function finished({ event: before }, { event: after, results }) {
  if (before?.status === "finished" || after?.status !== "finished") return [];
  return [["finished", { results }]];
}
