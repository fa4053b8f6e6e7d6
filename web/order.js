// The order of records: by the numbers that the server gave, never by a clock, which may go back.

/** By `no`, the first made first; a record without one (of an older server) by its time. */
export const byNo = (one, other) => compare(one.no, other.no) ?? compare(one.created_at, other.created_at) ?? 0;

/** The last decided first; a record without a number by its time. */
export const byDecision = (one, other) =>
  compare(other.resolved_no, one.resolved_no) ?? compare(other.resolved_at, one.resolved_at) ?? 0;

/** By position, then as they came. */
export const byPosition = (one, other) => compare(one.position, other.position) ?? 0;

/** By `requested_at`, the first to ask first. */
export const byRequest = (one, other) => compare(one.no, other.no) ?? compare(one.requested_at, other.requested_at) ?? 0;

/** -1, 0 or 1; null if one of them has no value. */
function compare(one, other) {
  if (one === undefined || other === undefined) return null;
  return one < other ? -1 : one > other ? 1 : 0;
}
