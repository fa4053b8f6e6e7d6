// Who is next: commands in the order given, and of those on one thing only the first.

export class Line {
  #ready = [];
  #strands = new Map();

  get empty() {
    return this.first() === undefined;
  }

  /** A command is there; what comes after it on the same thing waits for it. */
  join(command) {
    if (command.strand === null) return;
    const strand = this.#strands.get(command.strand);
    if (!strand) this.#strands.set(command.strand, [command]);
    else insert(strand, command);
  }

  /** It is answered for good. */
  leave(command) {
    if (command.strand === null) return;
    const strand = this.#strands.get(command.strand);
    const index = strand?.indexOf(command) ?? -1;
    if (index < 0) return;
    strand.splice(index, 1);
    if (strand.length === 0) this.#strands.delete(command.strand);
    else if (index === 0 && strand[0].state === "ready") insert(this.#ready, strand[0]);
  }

  /** It may be sent, as soon as it is first on its thing. */
  put(command) {
    if (command.strand === null || this.#strands.get(command.strand)[0] === command) {
      insert(this.#ready, command);
    }
  }

  /** The next one to send, if there is one; those that were settled meanwhile are passed over. */
  first() {
    while (this.#ready.length > 0 && this.#ready[0].state !== "ready") this.#ready.shift();
    return this.#ready[0];
  }

  take() {
    this.first();
    return this.#ready.shift();
  }
}

/** Into a list sorted by `order`, where it is not there yet. */
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
