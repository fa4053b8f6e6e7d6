// What the page keeps in this browser. If the place for it is full or forbidden, the next best one takes it. The
// last place is the memory of the page: what is there ends with a reload.

const PROBE = "ayes:probe";
/** Characters of a text that a place must take at the page's beginning: as long as a draft. */
const PROBE_LENGTH = 200;
const held = new Map();

const memory = {
  getItem: (key) => held.get(key) ?? null,
  setItem: (key, text) => held.set(key, text),
  removeItem: (key) => held.delete(key),
  keys: () => [...held.keys()],
};

/** A place of the browser, asked for at each use: its mere name may throw. */
const place = (of) => ({
  getItem: (key) => of().getItem(key),
  setItem: (key, text) => of().setItem(key, text),
  removeItem: (key) => of().removeItem(key),
  keys: () => Object.keys(of()),
});
const local = place(() => localStorage);
const tab = place(() => sessionStorage);

/** Texts by their keys, in the first of `places` that takes them. None of its methods throws. */
class Store {
  #places;
  /** Keys whose texts the first place did not take. */
  #elsewhere = new Set();

  constructor(places) {
    this.#places = places;
    // Nothing may have been kept yet, and the page says from the start what it can keep.
    this.set(PROBE, "x".repeat(PROBE_LENGTH));
    for (const one of places) attempt(() => one.removeItem(PROBE));
  }

  /** Whether the first place did not take a text. */
  get isFailing() {
    return this.#elsewhere.size > 0;
  }

  get(key) {
    for (const one of this.#places) {
      const found = attempt(() => one.getItem(key));
      if (found !== null && found !== undefined) return found;
    }
    return null;
  }

  set(key, text) {
    let isKept = false;
    for (const one of this.#places) {
      // An older text elsewhere would be read in its place.
      if (isKept) attempt(() => one.removeItem(key));
      else {
        isKept = attempt(() => (one.setItem(key, text), true)) ?? false;
        if (!isKept) attempt(() => one.removeItem(key));
        else if (one === this.#places[0]) this.#elsewhere.delete(key);
        else this.#elsewhere.add(key);
      }
    }
  }

  remove(key) {
    for (const one of this.#places) attempt(() => one.removeItem(key));
    this.#elsewhere.delete(key);
  }

  /** The keys that begin with `prefix`. */
  keys(prefix) {
    const all = this.#places.flatMap((one) => attempt(() => one.keys()) ?? []);
    return [...new Set(all)].filter((key) => key.startsWith(prefix));
  }
}

function attempt(what) {
  try {
    return what();
  } catch {
    return undefined;
  }
}

/** For every tab, and for the next visit. */
export const browserStore = new Store([local, tab, memory]);
/** For this tab alone: two tabs can be two users. */
export const tabStore = new Store([tab, memory]);

/** How long the page's texts last here: "visits", or as long as the "tab", or as long as the "page". */
export const lasting = () => (tabStore.isFailing ? "page" : browserStore.isFailing ? "tab" : "visits");
