// One command, from being given to its answer.
//
//   storing ──▶ ready ──▶ flying ──▶ done
//                 ▲          │
//                 ├─ later ◀─┤   `retry:"same"`: after a while
//                 └─ auth ◀──┘   `retry:"auth"`: after a new token

import { Deferred } from "./deferred.js";

/** Commands of these families act on one thing of an event: one after another. */
const FAMILIES = new Set(["ballot", "event"]);

export class Command {
  state = "storing";
  /** Whether it may have reached the server. */
  sent = false;
  tries = 0;
  /** How often the server met a defect of its own over it. */
  defects = 0;
  deferred = new Deferred();
  timer = null;

  constructor({ id, type, args, since, user, order }) {
    Object.assign(this, { id, type, args, since, user, order });
    this.event = args.event;
    this.strand = strandOf(type, args);
  }

  /** What is sent; `type` and `id` cannot be overridden by an argument. */
  get message() {
    return { ...this.args, type: this.type, id: this.id };
  }

  /** What is kept in an outbox. */
  get entry() {
    const { id, type, event, args, since, user } = this;
    return { id, type, event, args, since, user };
  }

  /** What its user is shown. */
  get view() {
    const { id, type, event, args, since, sent, tries } = this;
    return Object.freeze({ id, type, event, args, since, sent, tries });
  }

  /** Whether another use of this id means the same. */
  says(type, args) {
    return type === this.type && canonical(args) === canonical(this.args);
  }
}

/** The thing that a command acts on, if what follows on the same must wait for its answer. */
function strandOf(type, { event, proposal }) {
  if (event === undefined) return null;
  if (proposal !== undefined) return `${event}/${proposal}`;
  const family = type.split(".", 1)[0];
  return FAMILIES.has(family) ? `${event}/${family}` : null;
}

/** JSON with sorted keys. */
function canonical(value) {
  return JSON.stringify(value, (_, inner) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
