// The name of this tab: it stays over reloads, and is not another open tab's.

import { tabStore } from "./store.js";

const KEPT = "ayes:tab";
/**
 * The longest wait for the previous page of this tab to be gone. If the name is still held then, this tab
 * is a duplicate of its holder.
 */
const GOING_MS = 500;

export class Tab {
  #free = null;

  constructor(page = globalThis) {
    this.locks = page.navigator.locks;
    this.name = remembered() ?? named();
    // A page that holds a lock is not put aside whole (the back/forward cache).
    page.addEventListener("pagehide", () => this.release());
    page.addEventListener("pageshow", (event) => event.persisted && this.claim());
  }

  /**
   * Take `name`; resolves with a function that returns whether another open tab has a name. Without Web
   * Locks (they need a secure origin) it returns false.
   */
  async claim() {
    if (!this.locks) return () => false;
    if (this.#free === null && !(await this.#hold())) {
      this.name = named();
      await this.#hold();
    }
    // A browser that forbids its storage forbids its locks, too.
    const { held } = await this.locks.query().catch(() => ({ held: [] }));
    const living = new Set(held.map((lock) => lock.name));
    return (name) => name !== this.name && living.has(lockOf(name));
  }

  release() {
    this.#free?.();
    this.#free = null;
  }

  /** Whether the name is this tab's; it is until the page goes. */
  #hold() {
    return new Promise((answer) => {
      const kept = () =>
        new Promise((free) => {
          this.#free = free;
          answer(true);
        });
      this.locks.request(lockOf(this.name), { signal: AbortSignal.timeout(GOING_MS) }, kept).catch(() => answer(false));
    });
  }
}

const lockOf = (name) => `${KEPT}/${name}`;

function remembered() {
  return tabStore.get(KEPT);
}

function named() {
  const name = crypto.getRandomValues(new Uint32Array(2)).join("-");
  tabStore.set(KEPT, name);
  return name;
}
