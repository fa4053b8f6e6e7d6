// Sends commands within the server's limits, and again if no answer comes.

import { AyesError } from "../error.js";
import { Timers } from "../timers.js";
import { SendQueue } from "./send-queue.js";

/** Unsent bytes of the socket beyond which nothing more is handed to it; commands would only wait there. */
const MAX_BUFFERED_BYTES = 256 * 1024;
/** Interval between two checks of the unsent bytes: a browser's socket has no event for them. */
const BUFFER_POLL_INTERVAL_MS = 50;

export class Sender {
  #queue = new SendQueue();
  #inflight = new Map();
  /** Limits of the present connection; `null` while nothing may be sent. */
  #limits = null;
  /** Closed until the outbox was read: its commands go first. */
  #isOpen = false;
  #isScheduled = false;
  #pausedUntil = 0;
  #timers;

  /** `host` has `ready(command)`, `refuse(command, error)` and `changed()`. */
  constructor({ connection, clock, answerTimeout, host }) {
    Object.assign(this, { connection, clock, answerTimeout, host });
    this.#timers = new Timers(clock);
  }

  /** Begin, once the outbox was read. */
  start() {
    this.#isOpen = true;
    this.wake();
  }

  add(command) {
    this.#queue.add(command);
  }

  push(command) {
    this.#queue.push(command);
    this.wake();
  }

  remove(command) {
    this.#queue.remove(command);
    this.wake();
  }

  ofKey(key) {
    return this.#queue.ofKey(key);
  }

  /** Forget that an answer is awaited, and any delay. */
  settle(command) {
    this.#inflight.delete(command.id);
    if (command.timer !== null) this.clock.clearTimeout(command.timer);
    command.timer = null;
  }

  /** Queue `commands` again, behind those that were just queued. */
  requeue(commands) {
    this.#queue = new SendQueue();
    for (const command of commands) this.#queue.add(command);
    for (const command of commands) {
      if (command.state === "ready") this.#queue.push(command);
    }
  }

  /** Use the limits of a new connection. */
  open(limits) {
    this.#limits = limits;
    this.#pausedUntil = 0;
    this.wake();
  }

  /** The connection is gone. Return the commands whose answers will not come. */
  down() {
    const inflight = [...this.#inflight.values()];
    this.#inflight.clear();
    this.#limits = null;
    this.#timers.clear("answers");
    return inflight;
  }

  /** Drop everything, as at the start. */
  reset() {
    this.#queue = new SendQueue();
    this.#inflight.clear();
    this.#isOpen = false;
    this.#limits = null;
    this.#timers.clearAll();
  }

  /** Send nothing for `ms`: the server found the client too fast. */
  pause(ms) {
    this.#pausedUntil = this.clock.now() + ms;
  }

  /** Send at the end of this turn, so that commands given in one turn share a frame. */
  wake() {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      this.#send();
    });
  }

  #send() {
    while (this.#isOpen && this.#limits !== null && this.connection.open && !this.connection.draining) {
      const delay = this.#delay();
      if (delay > 0) {
        this.#timers.set("send", delay, () => this.wake());
        return;
      }
      const batch = this.#nextBatch();
      if (batch.length === 0) return;
      this.connection.send(batch.map((command) => command.message));
      const now = this.clock.now();
      for (const command of batch) {
        command.state = "inflight";
        command.sent = true;
        command.tries += 1;
        command.sentAt = now;
        this.#inflight.set(command.id, command);
      }
      this.#watchAnswers();
      this.host.changed();
    }
  }

  /** Milliseconds until anything may be sent. */
  #delay() {
    if (this.#queue.isEmpty) return 0;
    const pause = this.#pausedUntil - this.clock.now();
    if (pause > 0) return pause;
    if (this.connection.buffered > MAX_BUFFERED_BYTES) return BUFFER_POLL_INTERVAL_MS;
    return this.connection.bucket.delayMs;
  }

  /** Take the next commands that fit into one frame and the server's limits. */
  #nextBatch() {
    const { inflight = 1, batch = 1, message_bytes: bytes = Infinity } = this.#limits;
    const count = Math.min(inflight - this.#inflight.size, batch, this.connection.bucket.available);
    const taken = [];
    let size = 2;
    while (taken.length < count) {
      const command = this.#queue.first();
      if (!command) break;
      const length = byteLength(JSON.stringify(command.message)) + 1;
      if (length > bytes) {
        this.#queue.shift();
        this.host.refuse(command, tooLarge(command, bytes));
        continue;
      }
      if (taken.length > 0 && size + length > bytes) break;
      size += length;
      taken.push(this.#queue.shift());
    }
    return taken;
  }

  /** Queue every command again whose answer is late. */
  #watchAnswers() {
    if (this.#timers.has("answers") || this.#inflight.size === 0) return;
    const [oldest] = this.#inflight.values();
    const left = oldest.sentAt + this.answerTimeout - this.clock.now();
    this.#timers.set("answers", Math.max(0, left), () => {
      const late = this.clock.now() - this.answerTimeout;
      for (const command of [...this.#inflight.values()]) {
        if (command.sentAt > late) break;
        this.host.ready(command);
      }
      this.#watchAnswers();
    });
  }
}

const encoder = new TextEncoder();

function byteLength(text) {
  return encoder.encode(text).length;
}

function tooLarge({ id, event }, limit) {
  return new AyesError("too_large", `the message is over ${limit} bytes`, { retry: "fix", id, event, details: { limit } });
}
