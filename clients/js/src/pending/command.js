// One command, from the call that gave it to its answer.
//
//   storing ──▶ ready ──▶ inflight ──▶ done
//                 ▲           │
//                 ├─ delayed ◀┤   `retry:"same"`: sent again after a delay
//                 └─ expired ◀┘   `retry:"auth"`: sent again after a new token
//
// A command of `once` whose connection broke before its answer is `lost`: the next connection asks what became of it.

import { Deferred } from "../deferred.js";

/** Families whose commands all act on one thing of their event, so that they are sent one after another. */
const SERIAL_FAMILIES = new Set(["ballot", "event"]);

export class Command {
  state = "storing";
  /** Whether it may have reached the server. */
  sent = false;
  /** The same as an outbox knows it: written before the command is sent, so that a reload can trust it. */
  markedSent = false;
  /** Whether it came from an outbox, and not from this client's application. */
  restored = false;
  /** Whether an outbox has it, so that it outlives the page. */
  kept = false;
  tries = 0;
  /** `internal` answers so far. */
  defects = 0;
  /** The position that its ack names, which its room has not reached yet. */
  seq = undefined;
  deferred = new Deferred();
  timer = null;

  /**
   * `lifetime`: milliseconds from `since` to its `not_after`, which is set by the server's clock before the command is
   * first sent and never changes after that. `once`: no later connection sends it.
   */
  constructor({ id, type, args, since, user, order, lifetime, once = false }) {
    Object.assign(this, { id, type, args, since, user, order, lifetime, once });
    this.event = args.event;
    this.orderKey = orderKeyOf(type, args);
  }

  /** The message to send; no argument overrides `type` or `id`. */
  get message() {
    return { ...this.args, type: this.type, id: this.id };
  }

  /** The record that an outbox keeps. */
  get entry() {
    const { id, type, event, args, since, user, lifetime } = this;
    const sent = this.sent || this.markedSent;
    return { id, type, event, args, since, user, sent, ...(lifetime !== undefined && { lifetime }) };
  }

  /** The public description: `Pending` in ayes.d.ts. */
  get view() {
    const { id, type, event, args, since, sent, tries, kept, seq } = this;
    return Object.freeze({ id, type, event, args, since, sent, tries, kept, ...(seq !== undefined && { seq }) });
  }

  /** Return whether another use of this id asks for the same. */
  matches(type, args, lifetime) {
    const { traceparent: _trace, ...mine } = this.args;
    const { traceparent: _other, ...theirs } = args;
    if (this.lifetime !== undefined) delete mine.not_after;
    return type === this.type && lifetime === this.lifetime && canonical(theirs) === canonical(mine);
  }

  /** Set `not_after`, if a lifetime asks for one and it is not set yet; `now` is the server's time, `age` its age. */
  setDeadline(now, age) {
    if (this.lifetime === undefined || this.args.not_after !== undefined) return;
    this.args = { ...this.args, not_after: new Date(now - age + this.lifetime).toISOString() };
  }
}

/** Return the key that commands on one thing share, of which the next waits for the answer of the one before. */
function orderKeyOf(type, { event, proposal }) {
  if (event === undefined) return null;
  if (proposal !== undefined) return `${event}/${proposal}`;
  const family = type.split(".", 1)[0];
  return SERIAL_FAMILIES.has(family) ? `${event}/${family}` : null;
}

/** Return JSON with sorted keys. */
function canonical(value) {
  return JSON.stringify(value, (_, inner) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
