// Every command without a final answer: kept in the outbox, sent in order under its own id, settled once.

import { rejected } from "../deferred.js";
import { AyesError, MAX_INTERNAL_ERRORS } from "../error.js";
import { OPAQUE_PREFIX } from "../wire/jwt.js";
import { Command } from "./command.js";
import { Sender } from "./sender.js";

/** Commands without an answer that one client holds; the next one is refused with `busy`. */
const MAX_PENDING = 10_000;
/** Share by which a server's `retry_after_ms` is lengthened at random, so that clients do not return together. */
const RETRY_JITTER = 0.1;

export class Commands {
  #all = new Map();
  #sender;
  #order = 0;
  #user;
  #isNotifying = false;

  /** `token` names the user of a command; `emit(name, detail)` dispatches an event of the client. */
  constructor({ connection, clock, backoff, outbox, answerTimeout, renew, token, emit }) {
    Object.assign(this, { connection, clock, backoff, outbox, renew, token, emit });
    const host = {
      ready: (command) => this.#makeReady(command),
      refuse: (command, error) => this.#refuse(command, error),
      changed: () => this.#notify(),
    };
    this.#sender = new Sender({ connection, clock, answerTimeout, host });
  }

  get pending() {
    return Array.from(this.#all.values(), (command) => command.view);
  }

  promise(id) {
    return this.#all.get(id)?.deferred.promise;
  }

  /** Take a new command, and return the promise of its ack. */
  submit(id, type, args) {
    const known = this.#all.get(id);
    if (known) {
      if (known.matches(type, args)) return known.deferred.promise;
      return rejected(new AyesError("id_conflict", "this id waits for another command", { id, retry: "fix" }));
    }
    if (this.#all.size >= MAX_PENDING) return rejected(tooMany({ id, event: args.event }));
    const user = this.token.owner(this.connection.open);
    const command = this.#add({ id, type, args, since: this.clock.now(), user });
    if (!this.outbox.isKept) this.#makeReady(command);
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
    const restored = found.map(({ id, type, args = {}, since, user }) => this.#add({ id, type, args, since, user }));
    for (const command of restored) {
      command.sent = true;
      command.state = "ready";
    }
    for (const command of later) {
      command.order = this.#order += 1;
      this.#all.set(command.id, command);
    }
    this.#sender.requeue([...this.#all.values()]);
    if (this.#user !== undefined) for (const command of restored) this.#checkUser(command, this.#user);
    this.#sender.start();
    if (found.length > 0) this.#notify();
  }

  /** Take back a command that was never sent; return false if it may have been. */
  cancel(id) {
    const command = this.#all.get(id);
    if (!command || command.sent) return false;
    this.#refuse(command, new AyesError("cancelled", "taken back before it was sent", { id, event: command.event }));
    return true;
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
    this.#sender.open(limits ?? {});
  }

  down() {
    const unanswered = this.#sender.down();
    for (const command of this.#all.values()) {
      if (command.state === "expired") unanswered.push(command);
    }
    for (const command of unanswered) this.#makeReady(command);
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
    this.#finish(command);
    command.deferred.reject(error);
    this.emit("refused", { id: command.id, error });
    this.#notify();
  }

  // From state to state.

  #add(fields) {
    this.#order += 1;
    const command = new Command({ order: this.#order, ...fields });
    this.#all.set(command.id, command);
    this.#sender.add(command);
    return command;
  }

  #store(command) {
    this.outbox.put(command).then(() => {
      if (command.state === "storing") this.#makeReady(command);
    });
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
    this.outbox.remove(command.id);
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
    const isOnlyHere = !command.sent && command.user?.startsWith(OPAQUE_PREFIX);
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
    if (!this.outbox.isKept) return;
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

function tooMany(more) {
  const details = { limit: MAX_PENDING };
  return new AyesError("busy", `${MAX_PENDING} commands wait without an answer`, { retry: "same", details, ...more });
}
