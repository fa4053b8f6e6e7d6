// All commands without a final answer: kept, sent in order, sent again with their own ids, settled.

import { Command } from "./command.js";
import { Deferred, within } from "./deferred.js";
import { AyesError, MOST_INTERNAL } from "./error.js";
import { Line } from "./line.js";
import { OPAQUE } from "./token.js";

/** Above so many unsent bytes nothing more is given to the socket: it would only wait there. */
const MOST_BUFFERED = 256 * 1024;
/** A socket does not say when its bytes have left, so it is looked at. */
const LOOK_MS = 50;
/** Longest wait for the outbox before a command is sent without it. */
const STORE_MS = 2_000;
/** Commands without an answer that one client holds; no more are taken until there is room. */
const MOST_PENDING = 10_000;

export class Commands {
  #all = new Map();
  #flying = new Map();
  #line = new Line();
  #order = 0;
  #user;
  /** Shut until the outbox was read: what it holds goes first. */
  #gate = true;
  #pumping = false;
  #telling = false;
  #pausedUntil = 0;
  #timers = { pump: null, watch: null };

  /** `token` says whose commands are; `tell(name, detail)` dispatches an event of the client. */
  constructor({ connection, clock, backoff, outbox, answerTimeout, renew, token, tell }) {
    Object.assign(this, { connection, clock, backoff, outbox, answerTimeout, renew, token, tell });
  }

  get pending() {
    return Array.from(this.#all.values(), (command) => command.view);
  }

  promise(id) {
    return this.#all.get(id)?.deferred.promise;
  }

  /** A new command; the promise of its ack. */
  give(id, type, args) {
    const known = this.#all.get(id);
    if (known) {
      if (known.says(type, args)) return known.deferred.promise;
      const refused = new Deferred();
      refused.reject(new AyesError("id_conflict", "this id waits for another command", { id, retry: "fix" }));
      return refused.promise;
    }
    if (this.#all.size >= MOST_PENDING) {
      const refused = new Deferred();
      refused.reject(tooMany({ id, event: args.event }));
      return refused.promise;
    }
    const user = this.token.owner(this.connection.open);
    const command = this.#add({ id, type, args, since: this.clock.now(), user });
    if (!this.outbox) this.#ready(command);
    else if (user !== undefined) this.#store(command);
    this.#changed();
    return command.deferred.promise;
  }

  // Earlier versions wrote some without a user. They may be another user's, so they stay in the outbox.
  /** Commands that an outbox held: before all that were given since, as they were then. */
  adopt(entries) {
    const later = [...this.#all.values()];
    const left = entries.filter((entry) => entry.user === undefined).length;
    const error = new Error(`${left} commands of an unknown user stay in the outbox, unsent`);
    if (left > 0) this.tell("fault", { where: "outbox", error });
    const found = entries.filter((entry) => entry.user !== undefined && !this.#all.has(entry.id));
    this.#all.clear();
    this.#line = new Line();
    for (const { id, type, args = {}, since, user } of found) {
      const command = this.#add({ id, type, args, since, user });
      command.sent = true;
      this.#ready(command);
      if (this.#user !== undefined) this.#claim(command, this.#user);
    }
    for (const command of later) {
      command.order = this.#order += 1;
      this.#all.set(command.id, command);
      this.#line.join(command);
      if (command.state === "ready") this.#line.put(command);
    }
    this.#gate = false;
    this.pump();
    if (found.length > 0) this.#changed();
  }

  /** Take back what was surely never sent. */
  cancel(id) {
    const command = this.#all.get(id);
    if (!command || command.sent) return false;
    this.#refuse(command, new AyesError("cancelled", "taken back before it was sent", { id, event: command.event }));
    return true;
  }

  /** A token came: commands without an owner are its user's, and are kept as such. */
  own() {
    const user = this.token.subject;
    for (const command of this.#all.values()) {
      if (command.user === undefined) this.#giveTo(command, user);
    }
  }

  // The socket's life.

  open(user, limits) {
    this.#user = user.id;
    this.limits = limits ?? {};
    this.#pausedUntil = 0;
    for (const command of [...this.#all.values()]) this.#claim(command, user.id);
    this.token.welcomed(user.id);
    this.pump();
  }

  down() {
    const flying = [...this.#flying.values()];
    this.#flying.clear();
    this.#clear("watch");
    for (const command of this.#all.values()) {
      if (command.state === "auth") flying.push(command);
    }
    for (const command of flying) this.#ready(command);
    this.#changed();
  }

  /** The token was renewed: what waited for that goes out. */
  renewed() {
    for (const command of this.#all.values()) {
      if (command.state === "auth") this.#ready(command);
    }
  }

  /** The end of this client: whatever waits is rejected, and stays in the outbox. */
  end(errorFor) {
    const left = [...this.#all.values()];
    this.#all.clear();
    this.#flying.clear();
    this.#line = new Line();
    this.#gate = true;
    this.#user = undefined;
    for (const name of Object.keys(this.#timers)) this.#clear(name);
    for (const command of left) {
      this.#forget(command);
      command.deferred.reject(errorFor(command));
    }
    if (left.length > 0) this.#changed();
  }

  // Answers.

  /** An ack or an error that bears an `id`; ignored where nobody waits for it. */
  take(message) {
    const command = this.#all.get(message.id);
    if (!command) return;
    if (message.type === "ack") {
      this.#settle(command);
      command.deferred.resolve(message);
      this.tell("acked", { id: command.id, ack: message });
      this.#changed();
      return;
    }
    const error = AyesError.from(message);
    if (error.code === "internal") command.defects += 1;
    const again = command.defects >= MOST_INTERNAL ? "no" : error.retry;
    if (again === "same") this.#later(command, error);
    else if (again === "auth") this.#renewFor(command);
    else this.#refuse(command, error);
  }

  #later(command, { code, retryAfterMs }) {
    this.#land(command);
    command.state = "later";
    const jitter = this.backoff.after(command.tries);
    const wait = retryAfterMs === undefined ? jitter : retryAfterMs * (1 + 0.1 * this.backoff.random());
    if (code === "rate_limited") this.#pausedUntil = this.clock.now() + wait;
    command.timer = this.clock.setTimeout(() => this.#ready(command), wait);
    this.#changed();
  }

  #renewFor(command) {
    this.#land(command);
    command.state = "auth";
    this.renew();
  }

  #refuse(command, error) {
    this.#settle(command);
    command.deferred.reject(error);
    this.tell("refused", { id: command.id, error });
    this.#changed();
  }

  // Sending.

  /** Send what may go out, at the end of this turn: what is given in one turn shares a frame. */
  pump() {
    if (this.#pumping) return;
    this.#pumping = true;
    queueMicrotask(() => {
      this.#pumping = false;
      this.#send();
    });
  }

  #send() {
    while (!this.#gate && this.connection.open && !this.connection.leaving) {
      const wait = this.#hold();
      if (wait > 0) {
        this.#set("pump", wait, () => this.pump());
        return;
      }
      const frame = this.#frame();
      if (frame.length === 0) return;
      this.connection.send(frame.map((command) => command.message));
      const now = this.clock.now();
      for (const command of frame) {
        command.state = "flying";
        command.sent = true;
        command.tries += 1;
        command.sentAt = now;
        this.#flying.set(command.id, command);
      }
      this.#watch();
      this.#changed();
    }
  }

  /** Milliseconds until anything may be sent. */
  #hold() {
    if (this.#line.empty) return 0;
    const paused = this.#pausedUntil - this.clock.now();
    if (paused > 0) return paused;
    if (this.connection.buffered > MOST_BUFFERED) return LOOK_MS;
    return this.connection.pace.wait;
  }

  /** The next commands that fit in one frame and in the server's limits. */
  #frame() {
    const { inflight = 1, batch = 1, message_bytes: bytes = Infinity } = this.limits;
    const most = Math.min(inflight - this.#flying.size, batch, this.connection.pace.free);
    const frame = [];
    let size = 2;
    while (frame.length < most) {
      const command = this.#line.first();
      if (!command) break;
      const length = byteLength(JSON.stringify(command.message)) + 1;
      if (length > bytes) {
        this.#line.take();
        this.#refuse(command, tooLarge(command, bytes));
        continue;
      }
      if (frame.length > 0 && size + length > bytes) break;
      size += length;
      frame.push(this.#line.take());
    }
    return frame;
  }

  /** Send again what has had no answer for too long. */
  #watch() {
    if (this.#timers.watch !== null || this.#flying.size === 0) return;
    const [oldest] = this.#flying.values();
    const left = oldest.sentAt + this.answerTimeout - this.clock.now();
    this.#set("watch", Math.max(0, left), () => {
      const late = this.clock.now() - this.answerTimeout;
      for (const command of [...this.#flying.values()]) {
        if (command.sentAt > late) break;
        this.#ready(command);
      }
      this.#watch();
    });
  }

  // Keeping.

  #add(fields) {
    this.#order += 1;
    const command = new Command({ order: this.#order, ...fields });
    this.#all.set(command.id, command);
    this.#line.join(command);
    return command;
  }

  #ready(command) {
    if (command.state === "done") return;
    this.#land(command);
    command.state = "ready";
    this.#line.put(command);
    this.pump();
  }

  /** No answer is awaited any more, nor a moment. */
  #land(command) {
    this.#flying.delete(command.id);
    if (command.timer !== null) this.clock.clearTimeout(command.timer);
    command.timer = null;
  }

  #forget(command) {
    this.#land(command);
    command.state = "done";
    this.#all.delete(command.id);
  }

  #settle(command) {
    this.#forget(command);
    this.#line.leave(command);
    this.#attempt(this.outbox?.remove(command.id));
    this.pump();
  }

  #store(command) {
    this.#attempt(this.outbox.put(command.entry)).then(() => {
      if (command.state === "storing") this.#ready(command);
    });
  }

  /** One user's command is never sent as another's; it waits in the outbox for that user. */
  #claim(command, user) {
    if (command.user === user) return;
    // No token named its user, and this client was given it: this welcome does.
    const isOnlyHere = !command.sent && command.user?.startsWith(OPAQUE);
    if (command.user === undefined || command.user === this.token.subject || isOnlyHere) {
      this.#giveTo(command, user);
    } else {
      this.#forget(command);
      this.#line.leave(command);
      command.deferred.reject(AyesError.stopped({ id: command.id, event: command.event }));
      this.#changed();
    }
  }

  /** Without an owner a command is not kept: another client of the outbox could take it for its own. */
  #giveTo(command, user) {
    command.user = user;
    if (!this.outbox) return;
    if (command.state === "storing") this.#store(command);
    else this.#attempt(this.outbox.put(command.entry));
  }

  /** Wait for the outbox, in vain if need be: a command is not held up by a full disk. */
  async #attempt(work) {
    if (!work) return;
    try {
      await within(work, STORE_MS, this.clock, "the outbox");
    } catch (error) {
      this.tell("fault", { where: "outbox", error });
    }
  }

  /** Tell of it once a turn, however much has changed. */
  #changed() {
    if (this.#telling) return;
    this.#telling = true;
    queueMicrotask(() => {
      this.#telling = false;
      // Made only where it is looked at: thousands may wait.
      const commands = this;
      this.tell("pending", {
        get pending() {
          return commands.pending;
        },
      });
    });
  }

  #set(name, ms, run) {
    this.#clear(name);
    this.#timers[name] = this.clock.setTimeout(() => {
      this.#timers[name] = null;
      run();
    }, ms);
  }

  #clear(name) {
    if (this.#timers[name] !== null) this.clock.clearTimeout(this.#timers[name]);
    this.#timers[name] = null;
  }
}

const encoder = new TextEncoder();

function byteLength(text) {
  return encoder.encode(text).length;
}

function tooLarge({ id, event }, limit) {
  return new AyesError("too_large", `the message is over ${limit} bytes`, { retry: "fix", id, event, details: { limit } });
}

function tooMany(more) {
  const details = { limit: MOST_PENDING };
  return new AyesError("busy", `${MOST_PENDING} commands wait without an answer`, { retry: "same", details, ...more });
}
