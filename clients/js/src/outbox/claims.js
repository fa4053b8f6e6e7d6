// The page that an entry belongs to, if several pages share one outbox.
//
// Each page holds a Web Lock of its own for as long as it lives. An entry whose page holds none was left behind. In a
// browser without Web Locks each page takes every entry: one id has one effect, however often it is sent.

export class Claims {
  owner = crypto.getRandomValues(new Uint32Array(2)).join("-");
  #free = null;

  constructor(name, locks = globalThis.navigator?.locks) {
    this.name = name;
    this.locks = locks;
  }

  /** Run `work(isFree)` while no other page does; `isFree(owner)` says whether that page's entries may be taken. */
  async take(work) {
    if (!this.locks) return work(() => true);
    let hasBegun = false;
    const begin = async () => {
      hasBegun = true;
      await this.#hold();
      const { held } = await this.locks.query();
      const living = new Set(held.map((lock) => lock.name));
      return work((owner) => owner === this.owner || !living.has(this.#lockOf(owner)));
    };
    try {
      return await this.locks.request(this.name, begin);
    } catch (error) {
      // A browser that blocks storage refuses locks too.
      if (hasBegun || error?.name !== "SecurityError") throw error;
      return work(() => true);
    }
  }

  /** Let other pages take the entries of this one. */
  release() {
    this.#free?.();
    this.#free = null;
  }

  #lockOf(owner) {
    return `${this.name}/${owner}`;
  }

  async #hold() {
    if (this.#free) return;
    await new Promise((held, failed) => {
      const kept = () =>
        new Promise((free) => {
          this.#free = free;
          held();
        });
      this.locks.request(this.#lockOf(this.owner), kept).catch(failed);
    });
  }
}

/** Sort records oldest first: by the time they were given, then by their order on one page. */
export function inOrder(records) {
  return records.sort((a, b) => a.entry.since - b.entry.since || a.order - b.order);
}
