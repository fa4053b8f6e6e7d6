// Writes to the outbox. A failure is reported and never holds a command up.

import { withTimeout } from "../deferred.js";

/** Longest wait for one write. A slower outbox is reported, and the command is sent without it. */
const OUTBOX_WRITE_TIMEOUT_MS = 2_000;
/** Longest wait for reading the outbox. Commands given since then are sent without what it holds. */
const OUTBOX_READ_TIMEOUT_MS = 5_000;

export class OutboxWriter {
  /** `outbox` may be `null`; `fault(error, id)` reports a failure, of one command if there is an `id`. */
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

  /** Write a command, and note on it whether the outbox has it. */
  async put(command) {
    const { entry } = command;
    const write = async () => {
      await this.outbox.put(entry);
      return true;
    };
    command.kept = Boolean(await this.#run(write, OUTBOX_WRITE_TIMEOUT_MS, command.id)) || command.kept;
  }

  remove(id) {
    return this.#run(() => this.outbox?.remove(id), OUTBOX_WRITE_TIMEOUT_MS, id);
  }

  /** Erase the entries of these users, and their copies in other pages' names. Rejects if that fails. */
  async forget(users) {
    const { outbox } = this;
    if (!outbox) return;
    const erase = async () => {
      if (outbox.forget) {
        for (const user of users) await outbox.forget(user);
        return;
      }
      for (const { id, user } of await outbox.load()) if (users.includes(user)) await outbox.remove(id);
    };
    await withTimeout(erase(), OUTBOX_READ_TIMEOUT_MS, this.clock, "the outbox");
    this.release();
  }

  /** Let other pages take over the entries that are left. */
  release() {
    this.outbox?.release?.();
  }

  async #run(work, timeout, id) {
    try {
      const running = work();
      return running && (await withTimeout(Promise.resolve(running), timeout, this.clock, "the outbox"));
    } catch (error) {
      this.fault(error, id);
      return undefined;
    }
  }
}
