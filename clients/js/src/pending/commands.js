// Every command without a final answer: kept in the outbox, sent in order under its own id, settled once.

import { rejected } from "../deferred.js";
import { AyesError, MAX_INTERNAL_ERRORS } from "../error.js";
import { OPAQUE_PREFIX } from "../wire/jwt.js";
import { Command } from "./command.js";
import { Sender } from "./sender.js";
import { Unshown } from "./unshown.js";

/** Commands without an answer that one client holds; the next one is refused with `busy`. */
const MAX_PENDING = 10_000;
/** Longest lifetime of a command, a hundred years: beyond it, `not_after` is no date. */
const MAX_LIFETIME_MS = 100 * 365 * 86_400_000;
/** Share by which a server's `retry_after_ms` is lengthened at random, so that clients do not return together. */
const RETRY_JITTER = 0.1;

export class Commands {
  #all = new Map();
  #sender;
  #order = 0;
  #user;
  /** Identifies the present connection while its commands are marked as sent. */
  #opening = null;
  #isNotifying = false;
  #unshown = new Unshown();

  /**
   * `token` names the user of a command; `emit(name, detail)` dispatches an event of the client. `isBehind(event, seq)`:
   * whether a room is entered that does not show the position yet.
   */
  constructor({ connection, clock, serverClock, backoff, outbox, answerTimeout, renew, token, query, emit, isBehind }) {
    Object.assign(this, { connection, clock, serverClock, backoff, outbox, renew, token, query, emit, isBehind });
    const host = {
      ready: (command) => this.#makeReady(command),
      refuse: (command, error) => this.#refuse(command, error),
      changed: () => this.#notify(),
    };
    this.#sender = new Sender({ connection, clock, answerTimeout, host });
  }

  /** The commands of the present user without an answer, oldest first. */
  get waiting() {
    const user = this.#present;
    return [...this.#all.values()].filter((command) => isOf(user, command)).map((command) => command.view);
  }

  /** The same, and before them those that were acked and that their entered rooms do not show yet. */
  get pending() {
    return [...this.#unshown.all.map((command) => command.view), ...this.waiting];
  }

  /** The newest of the user's commands on the votes of a proposal that its room does not show yet, or `undefined`. */
  vote(event, proposal) {
    const user = this.#present;
    const given = this.#sender.ofKey(`${event}/${proposal}`);
    const isVote = ({ type, args }) => args.proposal === proposal && (type === "vote.cast" || type === "vote.retract");
    const waiting = given.findLast((command) => isVote(command) && isOf(user, command));
    return (waiting ?? this.#unshown.of(event).findLast(isVote))?.view;
  }

  promise(id) {
    return (this.#all.get(id) ?? this.#unshown.get(id))?.deferred.promise;
  }

  /** The room of `event` shows `seq`; without it, the room was closed, or has another history. */
  shown(event, seq) {
    if (this.#unshown.drop(event, seq)) this.#notify();
  }

  /** The user whose commands are shown; `undefined` before that is known. */
  get #present() {
    const { subject } = this.token;
    // The subject of a token that names no user says nothing of the user that the server will name.
    return this.#user ?? (subject?.startsWith(OPAQUE_PREFIX) ? undefined : subject);
  }

  /** Take a new command, and return the promise of its ack. */
  submit(id, type, given, { notAfter, once } = {}) {
    const { event } = given;
    const args = notAfter instanceof Date ? { ...given, not_after: notAfter.toJSON() } : given;
    const lifetime = notAfter instanceof Date ? undefined : notAfter;
    const isLifetime = typeof lifetime === "number" && lifetime >= 0 && lifetime <= MAX_LIFETIME_MS;
    if (args.not_after === null || !(lifetime === undefined || isLifetime)) {
      return rejected(badDeadline({ id, event }));
    }
    const known = this.#all.get(id);
    if (known) {
      if (known.matches(type, args, lifetime)) return known.deferred.promise;
      return rejected(new AyesError("id_conflict", "this id waits for another command", { id, retry: "fix" }));
    }
    if (this.#all.size >= MAX_PENDING) return rejected(tooMany({ id, event }));
    if (once && (!this.connection.open || this.connection.draining)) return rejected(notSent({ id, event }));
    const user = this.token.owner(this.connection.open);
    const command = this.#add({ id, type, args, since: this.clock.now(), user, lifetime, once });
    command.markedSent = this.connection.open;
    if (this.serverClock.isKnown) command.setDeadline(this.serverClock.now(), 0);
    if (!this.#isKept(command)) this.#makeReady(command);
    else if (user !== undefined) this.#store(command);
    this.#notify();
    return command.deferred.promise;
  }

  /** Take over the entries of an outbox; they go before every command given since. */
  restore(entries) {
    // Entries of early versions name no user. They may be another user's, so they stay in the outbox.
    const unowned = entries.filter((entry) => entry.user === undefined).length;
    const error = new Error(`${unowned} commands of an unknown user stay in the outbox, unsent`);
    if (unowned > 0) this.emit("fault", { where: "outbox", error });
    const found = entries.filter((entry) => entry.user !== undefined && !this.#all.has(entry.id));
    const later = [...this.#all.values()];
    this.#all.clear();
    const restored = found.map((entry) => {
      const { id, type, args = {}, since, user, lifetime, sent = true } = entry;
      const command = this.#add({ id, type, args, since, user, lifetime });
      const state = this.connection.open && !sent ? "storing" : "ready";
      return Object.assign(command, { state, restored: true, kept: true, sent, markedSent: sent });
    });
    for (const command of later) {
      command.order = this.#order += 1;
      this.#all.set(command.id, command);
    }
    this.#sender.requeue([...this.#all.values()]);
    if (this.#user !== undefined) for (const command of restored) this.#checkUser(command, this.#user);
    this.#whenMarked(() => {
      for (const command of restored) if (command.state === "storing") this.#makeReady(command);
      this.#sender.start();
    });
    if (found.length > 0) this.#notify();
  }

  /** Take back a command that was never sent; return false if it may have been. */
  cancel(id) {
    return this.#takeBack(id) !== null;
  }

  /** Do the same, and resolve once the outbox has erased it, so that no reload brings it back. */
  async takeBack(id) {
    const erased = this.#takeBack(id);
    await erased;
    return erased !== null;
  }

  #takeBack(id) {
    const command = this.#all.get(id);
    if (!command || command.sent) return null;
    const error = new AyesError("cancelled", "taken back before it was sent", { id, event: command.event });
    return this.#refuse(command, error);
  }

  /** A token came: give its user the commands that have none yet. */
  assignUser() {
    const user = this.token.subject;
    for (const command of this.#all.values()) {
      if (command.user === undefined) this.#setUser(command, user);
    }
  }

  // The connection.

  open(user, limits) {
    this.#user = user.id;
    for (const command of [...this.#all.values()]) this.#checkUser(command, user.id);
    this.token.welcomed(user.id);
    const opening = (this.#opening = {});
    this.#whenMarked(() => {
      if (this.#opening === opening) this.#sender.open(limits ?? {});
    });
    for (const command of [...this.#all.values()]) if (command.state === "lost") this.#askWhatBecame(command);
  }

  down() {
    this.#opening = null;
    const unanswered = this.#sender.down();
    for (const command of [...this.#all.values()]) if (command.once) this.#loseConnection(command);
    for (const command of this.#all.values()) {
      if (command.state === "expired") unanswered.push(command);
    }
    for (const command of unanswered) if (!command.once) this.#makeReady(command);
    this.#notify();
  }

  /** The token was renewed: send the commands that the server refused for the old one. */
  renewed() {
    for (const command of this.#all.values()) {
      if (command.state === "expired") this.#makeReady(command);
    }
  }

  /** The client ends: reject every command. They stay in the outbox. */
  end(errorFor) {
    const left = [...this.#all.values()];
    this.#all.clear();
    this.#unshown.clear();
    this.#opening = null;
    this.#sender.reset();
    this.#user = undefined;
    for (const command of left) {
      this.#forget(command);
      command.deferred.reject(errorFor(command));
    }
    if (left.length > 0) this.#notify();
  }

  // Answers.

  /** Handle an ack or an error with an `id`; an id that is not pending is ignored. */
  onAnswer(message) {
    const command = this.#all.get(message.id);
    if (!command) return;
    if (message.type === "ack") {
      this.#finish(command);
      if (this.isBehind(message.event, message.seq)) this.#unshown.add(Object.assign(command, { seq: message.seq }));
      command.deferred.resolve(message);
      this.emit("acked", { id: command.id, ack: message });
      this.#notify();
      return;
    }
    const error = AyesError.from(message);
    if (error.code === "internal") command.defects += 1;
    const retry = command.defects >= MAX_INTERNAL_ERRORS ? "no" : error.retry;
    if (retry === "same") this.#delay(command, error);
    else if (retry === "auth") this.#awaitToken(command);
    else this.#refuse(command, error);
  }

  #delay(command, { code, retryAfterMs }) {
    this.#sender.settle(command);
    command.state = "delayed";
    const jitter = this.backoff.after(command.tries);
    const delay = retryAfterMs === undefined ? jitter : retryAfterMs * (1 + RETRY_JITTER * this.backoff.random());
    if (code === "rate_limited") this.#sender.pause(delay);
    command.timer = this.clock.setTimeout(() => this.#makeReady(command), delay);
    this.#notify();
  }

  #awaitToken(command) {
    this.#sender.settle(command);
    command.state = "expired";
    this.renew();
  }

  #refuse(command, error) {
    const erased = this.#finish(command);
    command.deferred.reject(error);
    this.emit("refused", { id: command.id, error });
    this.#notify();
    return erased;
  }

  // Commands that no later connection sends.

  /** The connection of a `once` command broke: refuse it if it was never sent, or ask the next one for its answer. */
  #loseConnection(command) {
    if (!command.sent) {
      this.#refuse(command, notSent(command));
    } else if (command.event === undefined) {
      this.#refuse(command, unanswered(command));
    } else {
      this.#sender.settle(command);
      command.state = "lost";
    }
  }

  async #askWhatBecame(command) {
    const { id, event } = command;
    let found;
    try {
      const { commands } = await this.query("command.status", { event, ids: [id] });
      found = commands.find((one) => one.id === id);
    } catch {
      // The client ended, or the server may not say: nothing is known.
    }
    if (command.state !== "lost") return;
    if (found?.state === "committed") this.onAnswer({ ...found.ack, type: "ack", id });
    else if (found?.state === "refused") this.#refuse(command, AyesError.from({ ...found.error, id, event }));
    else this.#refuse(command, unanswered(command));
  }

  // From state to state.

  #add(fields) {
    this.#order += 1;
    const command = new Command({ order: this.#order, ...fields });
    this.#all.set(command.id, command);
    this.#sender.add(command);
    return command;
  }

  /** Whether an outbox keeps this command; one of `once` must not outlive the page. */
  #isKept(command) {
    return this.outbox.isKept && !command.once;
  }

  #store(command) {
    this.outbox.put(command).then(() => {
      if (command.state === "storing") this.#makeReady(command);
      this.#notify();
    });
  }

  /** Call `then` once the outbox knows which commands are about to be sent, and their deadlines. */
  #whenMarked(then) {
    const marking = [];
    for (const command of this.connection.open ? this.#all.values() : []) {
      const before = command.args;
      command.setDeadline(this.serverClock.now(), this.clock.now() - command.since);
      if (command.markedSent && command.args === before) continue;
      command.markedSent = true;
      if (this.#isKept(command)) marking.push(this.outbox.put(command));
    }
    if (marking.length === 0) then();
    else Promise.all(marking).then(then);
  }

  #makeReady(command) {
    if (command.state === "done") return;
    this.#sender.settle(command);
    command.state = "ready";
    this.#sender.push(command);
  }

  #finish(command) {
    this.#forget(command);
    this.#sender.remove(command);
    return this.outbox.remove(command.id);
  }

  #forget(command) {
    this.#sender.settle(command);
    command.state = "done";
    this.#all.delete(command.id);
  }

  // Users.

  /** Drop a command of another user from this client; it stays in the outbox for that user. */
  #checkUser(command, user) {
    if (command.user === user) return;
    // The token named no user and the command was given to this client: the welcome names the user.
    const isOnlyHere = !command.restored && !command.sent && command.user?.startsWith(OPAQUE_PREFIX);
    if (command.user === undefined || command.user === this.token.subject || isOnlyHere) {
      this.#setUser(command, user);
    } else {
      this.#forget(command);
      this.#sender.remove(command);
      command.deferred.reject(AyesError.stopped({ id: command.id, event: command.event }));
      this.#notify();
    }
  }

  /** A command is kept only from here on: without a user, another client of the outbox could take it as its own. */
  #setUser(command, user) {
    command.user = user;
    if (!this.#isKept(command)) return;
    if (command.state === "storing") this.#store(command);
    else this.outbox.put(command);
  }

  /** Emit `pending` once a turn, however many commands have changed. */
  #notify() {
    if (this.#isNotifying) return;
    this.#isNotifying = true;
    queueMicrotask(() => {
      this.#isNotifying = false;
      const commands = this;
      this.emit("pending", {
        // Computed only if a listener reads it: there may be thousands.
        get pending() {
          return commands.pending;
        },
      });
    });
  }
}

/** Whether `command` is `user`'s; one of nobody yet is, and any is while the user is not known. */
function isOf(user, command) {
  return command.user === user || command.user === undefined || user === undefined;
}

function badDeadline(more) {
  const details = { path: "not_after" };
  return new AyesError("bad_request", "notAfter is no date and no lifetime", { retry: "fix", details, ...more });
}

function notSent({ id, event }) {
  return new AyesError("not_sent", "there is no connection, and no later one sends this command", { id, event });
}

function unanswered({ id, event }) {
  const message = "the connection broke before the answer, and no later one sends this command again";
  return new AyesError("unanswered", message, { effect: "unknown", id, event });
}

function tooMany(more) {
  const details = { limit: MAX_PENDING };
  return new AyesError("busy", `${MAX_PENDING} commands wait without an answer`, { retry: "same", details, ...more });
}
