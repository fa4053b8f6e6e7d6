// The user's commands and their results: pending, confirmed at #seq, or refused with the reason.
//
// The page shows a command as pending until the server has answered it.

import { newId } from "../sdk/ayes.js";

/** Milliseconds a confirmation stays to be read. */
const CONFIRMATION_TIMEOUT_MS = 6_000;
/** Refusals that are kept until they are dismissed; beyond it the oldest go. */
const MAX_REFUSALS = 100;

/** Lifetime of a command: one that could not be sent in this time has no effect any more. */
const COMMAND_TTL_MS = 10 * 60_000;
/**
 * The same for a command that cannot be undone, which is sent within the present connection or not at
 * all.
 */
const DEAR_COMMAND_TTL_MS = 60_000;
const DEAR = new Set([
  "event.finish", "event.reopen", "invitation.revoke", "event.rotate_code", "membership.leave", "membership.remove", "membership.reject", "membership.reject_all",
  "membership.approve_all", "proposal.accept", "proposal.reject", "proposal.moderate", "proposal.withdraw", "proposal.revert",
]);

/** Whether `type` cannot be undone. */
export const isDear = (type) => DEAR.has(type);

/** The place on the page that an act belongs to: one key for what excludes each other there. */
export function keyOf(type, args) {
  const [family, verb] = type.split(".");
  switch (family) {
    case "vote":
      return `vote/${args.proposal}`;
    case "proposal":
      if (verb === "create") return `propose/${args.kind}/${args.category}/${args.target ?? ""}`;
      return verb === "rebase" ? `rebase/${args.proposal}` : `decide/${args.proposal}`;
    case "comment":
      return verb === "add" ? `comment/${args.proposal ?? args.criterion}` : `said/${args.comment}`;
    case "option":
    case "assumption":
    case "criterion":
      return verb === "add" ? `add/${family}` : `item/${args[family]}`;
    case "membership":
      if (verb === "join") return `membership/join/${args.code ?? args.invitation}`;
      return args.user ? `member/${args.user}` : `membership/${verb}`;
    case "event":
      return verb in { start: 1, pause: 1, resume: 1, finish: 1, reopen: 1 } ? "event/status" : `event/${verb}`;
    case "invitation":
      return verb === "revoke" ? `invitation/${args.invitation}` : `invitation/${verb}`;
    default:
      return family;
  }
}

export class Acts {
  /**
   * `client`: the SDK's. `changed` is called whenever something is to be shown; `settled(act)` once
   * for every act that was confirmed or refused. `now()`: milliseconds by the server's clock.
   */
  constructor(client, changed, settled, now = Date.now) {
    this.client = client;
    this.now = now;
    this.changed = changed;
    this.settled = settled;
    /** id → act, in the order given. */
    this.all = new Map();
  }

  /** Commands that an earlier visit left without an answer are acts again. */
  async adopt() {
    await this.client.loaded;
    for (const entry of this.client.pending) {
      if (!this.all.has(entry.id)) this.follow(entry, this.client.adopt(entry.id));
    }
    this.changed();
  }

  /**
   * Ask for `type` with `args`. Resolves with the act once it is settled; never rejects. A repeat while
   * the first one waits is not sent.
   */
  run(type, args) {
    const before = this.of(args.event, keyOf(type, args));
    if (before?.state === "pending" && before.type === type && same(before.args, args)) return before.done;
    if (before && before.state !== "pending") this.all.delete(before.id);
    return this.add(type, args);
  }

  /** Ask for it in addition to other acts at the same place: several lines are several items. */
  add(type, args) {
    const id = newId();
    const since = this.now();
    const notAfter = isDear(type) ? DEAR_COMMAND_TTL_MS : COMMAND_TTL_MS;
    const sending = (async () => {
      if (isDear(type) && this.client.status !== "open") throw notSent(id, args.event);
      return this.client.command(type, args, { id, notAfter, once: isDear(type) });
    })();
    return this.follow({ id, type, event: args.event, args, since }, sending);
  }

  follow(entry, sending) {
    const { id, type, since, args } = entry;
    const act = { id, type, args, since, event: entry.event, key: keyOf(type, args), state: "pending" };
    act.done = Promise.resolve(sending).then(
      (ack) => this.confirm(act, ack),
      (error) => this.refuse(act, error),
    );
    this.all.set(id, act);
    this.changed();
    return act.done;
  }

  confirm(act, ack) {
    Object.assign(act, { state: "confirmed", at: Date.now(), seq: ack.seq, applied: ack.applied, ack });
    setTimeout(() => this.dismiss(act.id), CONFIRMATION_TIMEOUT_MS);
    this.settled(act);
    this.changed();
    return act;
  }

  refuse(act, error) {
    // Stopped: it stays in the outbox, and the next visit takes it up. Cancelled: the user took it back.
    if (error.code === "stopped" || error.code === "cancelled") {
      this.all.delete(act.id);
      act.state = error.code;
    } else {
      Object.assign(act, { state: "refused", error });
      this.settled(act);
    }
    const refused = [...this.all.values()].filter((one) => one.state === "refused");
    for (const old of refused.slice(0, -MAX_REFUSALS)) this.all.delete(old.id);
    this.changed();
    return act;
  }

  /** The newest act at `key` of `event`, if any is still to be shown. */
  of(event, key) {
    let found;
    for (const act of this.all.values()) if (act.key === key && act.event === event) found = act;
    return found;
  }

  /** All acts of `event` whose key begins with `prefix`, the oldest first. */
  under(event, prefix) {
    return [...this.all.values()].filter((act) => act.event === event && act.key.startsWith(prefix));
  }

  pending() {
    return [...this.all.values()].filter((act) => act.state === "pending");
  }

  dismiss(id) {
    if (this.all.delete(id)) this.changed();
  }

  /** Take back a command that was never sent, for good; false if it may be on its way. */
  cancel(id) {
    return this.client.takeBack(id);
  }
}

/** The error of a command that cannot be undone and was not sent. */
const notSent = (id, event) => Object.assign(new Error("there is no connection"), { code: "not_sent", effect: "none", retry: "fix", details: {}, id, event });

const same = (one, other) => Object.keys({ ...one, ...other }).every((name) => JSON.stringify(one[name]) === JSON.stringify(other[name]));
