// The fields that this version knows where a misspelt one would change the rules of an event. The server ignores a
// field that it does not know, so that a newer client can talk to it, and nobody would hear of it.

const names = (text) => Object.fromEntries(text.split(" ").map((name) => [name, null]));
const KIND = names("auto rule threshold share more_than of");
const POLICY = {
  ...names("membership_auto quorum_percent min_open_seconds ttl_seconds proposer_votes guests"),
  ...names("stances decide tally votes electorate"),
  ...{ assumption: KIND, criterion: KIND, conclusion: KIND, ballot: names("method named") },
};
const EVENT = {
  ...names("event subject max_members options assumptions criteria entrance_code starts_at ends_at as"),
  ...names("not_after traceparent"),
  policy: POLICY,
};

/** Throw a `RangeError` if a new event, or any `policy`, has a field that is not known; `more` are names of options. */
export function checkArgs(type, args, more) {
  if (type === "event.create") check(type, args, { ...EVENT, ...more }, "");
  else if (args.policy) check("policy", args.policy, POLICY, "policy.");
}

/** Throw a `TypeError` if there is any option left over. */
export function checkOptions(rest) {
  const [name] = Object.keys(rest);
  if (name !== undefined) throw new TypeError(`there is no option '${name}'`);
}

function check(path, given, known, below) {
  for (const [name, value] of Object.entries(given)) {
    if (!Object.hasOwn(known, name)) {
      const near = Object.keys(known).find((one) => isNear(name, one));
      const hint = near ? `; did you mean '${near}'?` : "";
      throw new RangeError(`${path} has no '${name}'${hint}; for a field of a newer server, the option unchecked checks nothing`);
    }
    const inner = known[name];
    if (inner && typeof value === "object" && value) check(below + name, value, inner, `${below}${name}.`);
  }
}

/** Whether one word is the other after a letter was left out, added, changed, or swapped with the next. */
function isNear(a, b) {
  let start = 0;
  while (start < a.length && a[start] === b[start]) start += 1;
  let end = 0;
  while (end < Math.min(a.length, b.length) - start && a.at(-1 - end) === b.at(-1 - end)) end += 1;
  return Math.max(a.length, b.length) - start - end <= 2 && end + start > 0;
}
