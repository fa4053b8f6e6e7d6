// Writes to the outbox. A failure is reported and never holds a command up.

import { withTimeout } from "../deferred.js";

/** Longest wait for one write. A slower outbox is reported, and the command is sent without it. */
const OUTBOX_WRITE_TIMEOUT_MS = 2_000;
/** Longest wait for reading the outbox. Commands given since then are sent without what it holds. */
const OUTBOX_READ_TIMEOUT_MS = 5_000;

export class OutboxWriter {
  /** `outbox` may be `null`; `fault(error)` reports a failure. */
  constructor({ outbox, clock, fault }) {
    Object.assign(this, { outbox, clock, fault });
  }

  get isKept() {
    return Boolean(this.outbox);
  }

  /** Return the entries that this page may take over, oldest first; none if the outbox fails. */
  async load() {
    const entries = await this.#run(() => this.outbox?.load(), OUTBOX_READ_TIMEOUT_MS);
    return entries ?? [];
  }

  put(command) {
    return this.#run(() => this.outbox?.put(command.entry), OUTBOX_WRITE_TIMEOUT_MS);
  }

  remove(id) {
    return this.#run(() => this.outbox?.remove(id), OUTBOX_WRITE_TIMEOUT_MS);
  }

  /** Let other pages take over the entries that are left. */
  release() {
    this.outbox?.release?.();
  }

  async #run(work, timeout) {
    try {
      const running = work();
      return running && (await withTimeout(Promise.resolve(running), timeout, this.clock, "the outbox"));
    } catch (error) {
      this.fault(error);
      return undefined;
    }
  }
}
