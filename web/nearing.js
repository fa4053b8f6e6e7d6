// The moments of an event that come near: its start, its end, and the close of proposals.

import { byNo } from "./order.js";
import { leads } from "./permissions.js";
import { now, remaining, t } from "./words.js";

const MINUTE_MS = 60_000;
/** Milliseconds before a moment at which a reminder is given: a day, an hour, ten minutes, one. */
const LEADS_MS = [24 * 60, 60, 10, 1].map((minutes) => minutes * MINUTE_MS);
/** Milliseconds before a moment from which the page shows what is left to do. */
export const NEAR_MS = 60 * MINUTE_MS;

/**
 * The moments of `store`'s event within a day that concern the user, the nearest first: `{name, at, left, key, tab}`,
 * `isToDo` if something is left to do: `lacks` a ballot, or votes on `proposals` (their ids). `key` names the moment and
 * how near it is. An end concerns users with something left to do, and admins.
 */
export function nearing(store) {
  if (store.phase !== "open" || !store.room.live) return [];
  const { event } = store.state;
  const found = [];
  if (store.status === "not_started" && event.starts_at) found.push({ name: "starts", at: event.starts_at, tab: "decide" });
  if (["in_progress", "paused"].includes(store.status) && event.ends_at) {
    const lacks = lacksBallot(store);
    const proposals = unvoted(store).filter(([, { expires_at: closes }]) => !closesFirst(closes, event.ends_at)).map(([id]) => id);
    const isToDo = lacks || proposals.length > 0;
    if (isToDo || leads(store.role)) found.push({ name: "ends", at: event.ends_at, lacks, proposals, isToDo, tab: lacks ? "ballot" : "decide" });
  }
  found.push(...closings(store));
  return found.map((moment) => ({ ...moment, ...distance(store, moment) })).filter(({ lead }) => lead !== undefined).sort((a, b) => a.left - b.left);
}

/** How far away `moment` is by the server's clock. */
function distance(store, { name, at }) {
  const left = new Date(at).getTime() - now();
  const lead = left > 0 ? LEADS_MS.findLast((one) => left <= one) : undefined;
  return { left, lead, key: [store.event, name, at, lead].join("|") };
}

const lacksBallot = (store) => store.may("ballot.submit") && !store.you.ballot && Object.keys(store.state.options).length > 0;

/** The open proposals without a vote of the user, the oldest first. */
function unvoted(store) {
  if (!store.may("vote.cast")) return [];
  return Object.entries(store.state.proposals)
    .filter(([id, { status, stale, revision }]) => status === "pending" && !stale && store.you.votes[id] !== revision)
    .sort(([, a], [, b]) => byNo(a, b));
}

/** Whether the proposal's own end, if it has one, comes before the event's, if that has one. */
const closesFirst = (closes, ends) => Boolean(closes) && (!ends || new Date(closes) < new Date(ends));

/** The closes of proposals without a vote of the user; those that close in the same minute are one. */
function closings(store) {
  const byMinute = new Map();
  for (const [id, { expires_at: at }] of unvoted(store)) {
    if (!closesFirst(at, store.state.event.ends_at)) continue;
    const minute = Math.floor(new Date(at).getTime() / MINUTE_MS);
    const one = byMinute.get(minute) ?? { name: "closes", at, proposals: [], isToDo: true, tab: "decide" };
    one.proposals.push(id);
    byMinute.set(minute, one);
  }
  return [...byMinute.values()];
}

/** `moment` in words, with what is left to do. */
export function wordsOf(store, { name, left, lacks, proposals }) {
  const { counts } = store.state;
  // Whole minutes: seconds would be another text each second.
  const span = remaining(Math.max(1, Math.round(left / MINUTE_MS)) * MINUTE_MS);
  if (name === "closes") return t("remind.closes", { span, count: proposals.length });
  return [
    t(`remind.${name}`, { span }),
    lacks && t("remind.no_ballot"),
    proposals?.length > 0 && t("remind.no_votes", { count: proposals.length }),
    name === "ends" && leads(store.role) && t("remind.given", { count: counts.ballots, members: counts.members }),
  ].filter(Boolean).join(" ");
}
