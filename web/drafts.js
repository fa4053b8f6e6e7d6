// What somebody is typing: kept at every key stroke, so that neither an update nor a reload loses it.

/** More than anybody has open; the oldest go first. */
const MOST = 200;

export class Drafts {
  /** `changed` is called after every change. */
  constructor(changed) {
    this.changed = changed;
    this.prefix = "";
    this.held = new Map();
  }

  /** From now on those of `owner`, with what an earlier visit left and what was typed before now. */
  open(owner) {
    const early = this.prefix === "" ? [...this.held] : [];
    this.prefix = `ayes:draft:${owner}:`;
    this.held.clear();
    try {
      for (let index = 0; index < localStorage.length; index++) {
        const name = localStorage.key(index);
        if (name.startsWith(this.prefix)) {
          this.held.set(name.slice(this.prefix.length), JSON.parse(localStorage.getItem(name)));
        }
      }
    } catch {
      // Storage is off or holds what is not ours: drafts live as long as the page.
    }
    for (const [key, value] of early) this.set(key, value);
  }

  /** Nobody's: what comes next was typed by somebody else. */
  close() {
    this.prefix = "";
    this.held.clear();
  }

  get(key) {
    return this.held.get(key);
  }

  has(key) {
    return this.held.has(key);
  }

  /** `value`: a text, or anything JSON can hold. */
  set(key, value) {
    this.held.delete(key);
    this.held.set(key, value);
    this.store(key, JSON.stringify(value));
    while (this.held.size > MOST) this.drop(this.held.keys().next().value);
    this.changed();
  }

  /** Forget it, and empty the field that shows it where it still says the same. */
  drop(key) {
    const value = this.held.get(key);
    if (!this.held.delete(key)) return;
    this.store(key, null);
    for (const field of document.querySelectorAll("[data-draft]")) {
      if (field.dataset.draft === key && field.value === value) field.value = "";
    }
    this.changed();
  }

  store(key, text) {
    if (this.prefix === "") return;
    try {
      if (text === null) localStorage.removeItem(this.prefix + key);
      else localStorage.setItem(this.prefix + key, text);
    } catch {
      // Full or off: it is still held here.
    }
  }
}
