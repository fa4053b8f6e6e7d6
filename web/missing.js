// Members who have not taken part yet, for an admin's reminder: their names if the server shows who took part,
// else their number if that is public.

import { termsOf } from "./policy.js";

/** Members whose names are read; of more, only the number is shown. */
const MAX_NAMED = 1_000;
/** Rows of one page of a list. */
const PAGE = 200;

/**
 * `{count, of, names}` of the ballot (`proposal` left out) or of a proposal: how many of how many have not taken part,
 * and their names. `names` is null if they are not shown, and `count` too if not even the number is.
 */
export async function missing(store, id) {
  const { counts, proposals } = store.state;
  const proposal = id === undefined ? undefined : proposals[id];
  const number = id === undefined ? { count: counts.members - counts.ballots, of: counts.members } : numberOf(proposal, counts.members);
  if (!isNamed(proposal) || counts.members > MAX_NAMED) return { ...number, names: null };
  const members = await voters(store);
  const about = id === undefined ? { ballot: true } : { proposal: id };
  const took = new Set();
  for await (const { user } of pages(store, "turnout.list", "turnout", about)) took.add(user);
  const names = [...members].filter(([user]) => !took.has(user)).map(([user, { name }]) => store.label(user, name)).sort((a, b) => a.localeCompare(b));
  return { count: names.length, of: members.size, names };
}

/** Whether the server shows admins who took part. With an electorate of the opening, others may not vote. */
function isNamed(proposal) {
  if (proposal === undefined) return true;
  const { votes, stances, tally, electorate } = termsOf(proposal);
  if (electorate === "opening") return false;
  return stances.length > 1 || (votes === "named" && tally !== "close");
}

function numberOf({ eligible, voters: took, agree, ...proposal }, members) {
  const of = eligible ?? members;
  const { stances } = termsOf(proposal);
  const part = took ?? (stances.length === 1 ? agree : undefined);
  return part === undefined ? { count: null, of } : { count: Math.max(0, of - part), of };
}

/** The members who vote: user → member. */
async function voters(store) {
  const all = new Map(Object.entries(store.state.members));
  const isVoter = ([, { role }]) => role !== "organiser";
  if ([...all].filter(isVoter).length < store.state.counts.members) {
    for await (const member of pages(store, "members.list", "members", {})) if (!all.has(member.id)) all.set(member.id, member);
  }
  return new Map([...all].filter(isVoter));
}

/** The rows of the query `type`, page by page. */
async function* pages(store, type, field, about) {
  let before;
  do {
    const reply = await store.client.query(type, { event: store.event, ...about, limit: PAGE, ...(before !== undefined && { before }) });
    yield* reply[field];
    before = reply.next;
  } while (before !== undefined);
}
