// The commands of a room that have a method of their own. They take what their arguments lack from the room.

import { rejected } from "../deferred.js";
import { Emitter } from "../emitter.js";
import { AyesError } from "../error.js";

/** A room without its state: `command`, `event`, `state` and `seq` are the room's. */
export class Acts extends Emitter {
  vote(proposal, { revision, stance, ...options } = {}) {
    const shown = revision ?? this.#shown("proposals", proposal)?.revision;
    if (shown === undefined) return rejected(this.#unknown("proposal", "revision", options.id));
    return this.command("vote.cast", given({ proposal, revision: shown, stance }), options);
  }

  retract(proposal, options) {
    return this.command("vote.retract", { proposal }, options);
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
    let base = base_version;
    if (target !== undefined && base === undefined) {
      const item = this.#shown(kind === "assumption" ? "assumptions" : "criteria", target);
      if (!item) return rejected(this.#unknown("target", "base_version", options.id));
      base = kind === "conclusion" ? item.conclusion_version : item.version;
    }
    return this.command("proposal.create", given({ kind, category, content, target, base_version: base, reason }), options);
  }

  comment(content, { proposal, criterion, ...options } = {}) {
    return this.command("comment.add", given({ content, proposal, criterion }), options);
  }

  ballot(option, criteria, { revision, base, ...options } = {}) {
    const chosen = typeof option === "string" ? { option } : { options: option };
    const criteria_rev = revision ?? this.state?.event?.criteria_rev;
    return this.command("ballot.submit", given({ ...chosen, criterion_order: criteria, criteria_rev, base }), options);
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

  /** A command names the version that its user has seen, and the room shows none. */
  #unknown(what, path, id) {
    const more = { event: this.event, id, retry: "fix", details: { path } };
    return new AyesError("bad_request", `the room does not show this ${what}`, more);
  }
}

/** The arguments that were given. */
function given(args) {
  return Object.fromEntries(Object.entries(args).filter(([, value]) => value !== undefined));
}
