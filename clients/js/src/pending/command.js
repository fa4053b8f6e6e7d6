// One command, from the call that gave it to its answer.
//
//   storing ──▶ ready ──▶ inflight ──▶ done
//                 ▲           │
//                 ├─ delayed ◀┤   `retry:"same"`: sent again after a delay
//                 └─ expired ◀┘   `retry:"auth"`: sent again after a new token

import { Deferred } from "../deferred.js";

/** Families whose commands all act on one thing of their event, so that they are sent one after another. */
const SERIAL_FAMILIES = new Set(["ballot", "event"]);

export class Command {
  state = "storing";
  /** Whether it may have reached the server. */
  sent = false;
  tries = 0;
  /** `internal` answers so far. */
  defects = 0;
  deferred = new Deferred();
  timer = null;

  constructor({ id, type, args, since, user, order }) {
    Object.assign(this, { id, type, args, since, user, order });
    this.event = args.event;
    this.orderKey = orderKeyOf(type, args);
  }

  /** The message to send; no argument overrides `type` or `id`. */
  get message() {
    return { ...this.args, type: this.type, id: this.id };
  }

  /** The record that an outbox keeps. */
  get entry() {
    const { id, type, event, args, since, user } = this;
    return { id, type, event, args, since, user };
  }

  /** The public description: `Pending` in ayes.d.ts. */
  get view() {
    const { id, type, event, args, since, sent, tries } = this;
    return Object.freeze({ id, type, event, args, since, sent, tries });
  }

  /** Return whether another use of this id asks for the same. */
  matches(type, args) {
    return type === this.type && canonical(args) === canonical(this.args);
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
