// The commands of a room that have a method of their own. They take what their arguments lack from the room.

import { ignorable, rejected } from "../deferred.js";
import { Emitter } from "../emitter.js";
import { AyesError } from "../error.js";

/** Longest wait for the room to show the user's own acked steps. Beyond it an act takes what the room shows. */
const CATCH_UP_TIMEOUT_MS = 10_000;

/** A room without its state: `command`, `event`, `state`, `seq`, `pending` and `until` are the room's. */
export class Acts extends Emitter {
  vote(proposal, { revision, stance, ...options } = {}) {
    const shown = () => revision ?? this.#shown("proposals", proposal)?.revision;
    return this.#after(shown() !== undefined, options, () => {
      if (shown() === undefined) return rejected(this.#unknown("proposal", proposal, "revision to vote", options.id));
      return this.command("vote.cast", given({ proposal, revision: shown(), stance }), options);
    });
  }

  retract(proposal, options) {
    // A vote given just before waits for the same step.
    const isShown = this.#shown("proposals", proposal) !== undefined;
    return this.#after(isShown, options, () => this.command("vote.retract", { proposal }, options));
  }

  approve(proposal, { allow_stale, ...options } = {}) {
    return this.command("proposal.accept", given({ proposal, allow_stale }), options);
  }

  reject(proposal, { reason, ...options } = {}) {
    return this.command("proposal.reject", given({ proposal, reason }), options);
  }

  withdraw(proposal, { reason, ...options } = {}) {
    return this.command("proposal.withdraw", given({ proposal, reason }), options);
  }

  propose(kind, content, { category = "create", target, base_version, reason, ...options } = {}) {
    const send = (base) =>
      this.command("proposal.create", given({ kind, category, content, target, base_version: base, reason }), options);
    if (target === undefined || base_version !== undefined) return send(base_version);
    const [what, items] = kind === "assumption" ? ["assumption", "assumptions"] : ["criterion", "criteria"];
    const shown = () => this.#shown(items, target);
    return this.#after(shown() !== undefined, options, () => {
      const item = shown();
      if (!item) return rejected(this.#unknown(what, target, "base_version to propose", options.id));
      return send(kind === "conclusion" ? item.conclusion_version : item.version);
    });
  }

  comment(content, { proposal, criterion, ...options } = {}) {
    return this.command("comment.add", given({ content, proposal, criterion }), options);
  }

  ballot(option, criteria, { revision, base, ...options } = {}) {
    const chosen = typeof option === "string" ? { option } : { options: option };
    // The user's own steps may have changed the criteria.
    return this.#after(revision !== undefined || this.#ownSeq <= this.seq, options, () => {
      const criteria_rev = revision ?? this.state?.event?.criteria_rev;
      return this.command("ballot.submit", given({ ...chosen, criterion_order: criteria, criteria_rev, base }), options);
    });
  }

  approveAll({ upto = this.seq, ...options } = {}) {
    return this.command("membership.approve_all", { upto }, options);
  }

  rejectAll({ upto = this.seq, ...options } = {}) {
    return this.command("membership.reject_all", { upto }, options);
  }

  addMembers(people, options) {
    const given = Array.from(people, (one) => (typeof one === "string" ? { user: one } : one));
    return this.command("membership.add", { people: given }, options);
  }

  start(options) {
    return this.command("event.start", {}, options);
  }

  pause(options) {
    return this.command("event.pause", {}, options);
  }

  resume(options) {
    return this.command("event.resume", {}, options);
  }

  finish(options) {
    return this.command("event.finish", {}, options);
  }

  #shown(collection, id) {
    const items = this.state?.[collection] ?? {};
    return Object.hasOwn(items, id) ? items[id] : undefined;
  }

  /** The position of the newest acked step of the user's own that the room does not show yet. */
  get #ownSeq() {
    return Math.max(-1, ...this.pending.map(({ seq }) => seq ?? -1));
  }

  /** Wait until the room shows each acked step of the user's own, but not long: no order is promised between the two. */
  _caughtUp({ signal } = {}) {
    const own = this.#ownSeq;
    return this.until(({ seq }) => seq >= own, { timeout: CATCH_UP_TIMEOUT_MS, signal }).catch((error) => {
      if (error?.name !== "TimeoutError") throw error;
    });
  }

  /** Call `act` at once if `isShown`, else after the user's own acked steps. */
  #after(isShown, options, act) {
    return isShown ? act() : ignorable(this._caughtUp(options).then(act));
  }

  /** A command names the version that its user has seen, and the room shows none. */
  #unknown(what, thing, how, id) {
    const path = what === "proposal" ? what : "target";
    const message = `this room shows no ${what} ${thing}; pass ${how} without seeing it`;
    return new AyesError("not_found", message, { event: this.event, id, details: { path } });
  }
}

/** The arguments that were given. */
function given(args) {
  return Object.fromEntries(Object.entries(args).filter(([, value]) => value !== undefined));
}
