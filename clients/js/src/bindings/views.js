// The values that components show of a client and its rooms. A value stays the same object while it is equal.

/** Return a function that returns its last value again while the next one is equal. */
export function steady(make) {
  let last;
  let text;
  return () => {
    const next = make();
    const said = JSON.stringify(next);
    if (said !== text) [last, text] = [next, said];
    return last;
  };
}

/** The connection to the server: `retryAt` in milliseconds since 1970, or `null`. */
export function connectionOf(client) {
  const { status, transport, retryAt, trouble, user } = client;
  return { status, transport, retryAt, why: trouble?.error.message ?? null, where: trouble?.where ?? null, user: user ?? null };
}

/** The items of a collection of the state, with their ids, in their order. */
export function ordered(collection = {}) {
  const place = ({ position, no = 0 }) => position ?? no;
  return Object.entries(collection)
    .map(([id, item]) => ({ id, ...item }))
    .sort((one, other) => place(one) - place(other) || (one.id < other.id ? -1 : 1));
}

/** The final ballot: what may be chosen, what was, and how it ended. */
export function ballotOf(room) {
  const { state, you } = room;
  const isOpen = state.event.status === "in_progress";
  const sending = room.pending.some(({ type }) => type.startsWith("ballot."));
  const method = state.event.policy?.ballot?.method ?? "single";
  const { options, criteria, results, counts } = state;
  return {
    method, isOpen, sending,
    options: ordered(options), criteria: ordered(criteria),
    ballot: you.ballot ?? null, results: results ?? null, submitted: counts?.ballots ?? null,
  };
}

/** The voters' acts on one proposal, none of which rejects: `error` holds the last refusal. `changed` is called when it changes. */
export class Acting {
  error = null;

  constructor(changed) {
    this.changed = changed;
  }

  /** Settle with the ack of what `act` gives, or with `undefined` if it was refused. */
  run = (act) => {
    this.clear();
    return act().catch((error) => {
      // A stopped client keeps the command, or it was taken back.
      if (error?.code === "stopped" || error?.code === "cancelled") return;
      this.error = error;
      this.changed();
    });
  };

  clear = () => {
    if (this.error === null) return;
    this.error = null;
    this.changed();
  };
}
