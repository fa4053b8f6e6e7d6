// Commands that were acked, and whose rooms do not show them yet. No order is promised between an ack and its diff, so
// without them a vote would be neither on its way nor shown for a moment.

/** Such commands of one client. Beyond it the oldest are forgotten: their rooms show them soon, or are resynchronised. */
const MAX_UNSHOWN = 1_000;

export class Unshown {
  /** Event → its commands by id, in the order of their acks. */
  #byEvent = new Map();
  #size = 0;

  get all() {
    return Array.from(this.#byEvent.values(), (commands) => [...commands.values()]).flat();
  }

  get(id) {
    return this.all.find((command) => command.id === id);
  }

  of(event) {
    return [...(this.#byEvent.get(event)?.values() ?? [])];
  }

  add(command) {
    if (this.#size >= MAX_UNSHOWN) this.clear();
    const { event } = command;
    if (!this.#byEvent.has(event)) this.#byEvent.set(event, new Map());
    this.#byEvent.get(event).set(command.id, command);
    this.#size += 1;
  }

  /** The room of `event` shows `seq`; without it, the room is closed, or has another history. Return whether any was dropped. */
  drop(event, seq = Infinity) {
    const commands = this.#byEvent.get(event);
    if (!commands) return false;
    const before = this.#size;
    for (const [id, command] of commands) {
      if (command.seq > seq) continue;
      commands.delete(id);
      this.#size -= 1;
    }
    if (commands.size === 0) this.#byEvent.delete(event);
    return this.#size < before;
  }

  clear() {
    this.#byEvent.clear();
    this.#size = 0;
  }
}
