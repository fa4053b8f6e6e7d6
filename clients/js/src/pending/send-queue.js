// The order of sending: commands go out in the order given, and only the first of those with one order key.

export class SendQueue {
  #ready = [];
  #byKey = new Map();

  get isEmpty() {
    return this.first() === undefined;
  }

  /** Register a command; later ones with its order key wait for it. */
  add(command) {
    if (command.orderKey === null) return;
    const sharing = this.#byKey.get(command.orderKey);
    if (!sharing) this.#byKey.set(command.orderKey, [command]);
    else insert(sharing, command);
  }

  /** Remove a command that has its final answer; the next one with its key may go. */
  remove(command) {
    if (command.orderKey === null) return;
    const sharing = this.#byKey.get(command.orderKey);
    const index = sharing?.indexOf(command) ?? -1;
    if (index < 0) return;
    sharing.splice(index, 1);
    if (sharing.length === 0) this.#byKey.delete(command.orderKey);
    else if (index === 0 && sharing[0].state === "ready") insert(this.#ready, sharing[0]);
  }

  /** The commands with this order key, in the order given. */
  ofKey(key) {
    return this.#byKey.get(key) ?? [];
  }

  /** Mark a command as ready; it is sent once it is the first with its key. */
  push(command) {
    if (command.orderKey === null || this.#byKey.get(command.orderKey)[0] === command) {
      insert(this.#ready, command);
    }
  }

  /** Return the next command to send, or `undefined`. Settled commands are skipped. */
  first() {
    while (this.#ready.length > 0 && this.#ready[0].state !== "ready") this.#ready.shift();
    return this.#ready[0];
  }

  shift() {
    this.first();
    return this.#ready.shift();
  }
}

/** Insert into a list sorted by `order`, once. */
function insert(list, command) {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle].order < command.order) low = middle + 1;
    else high = middle;
  }
  if (list[low] !== command) list.splice(low, 0, command);
}
