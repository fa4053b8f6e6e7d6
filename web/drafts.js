// The user's unsent words, kept at every key stroke, so that neither an update nor a reload loses them.
// Each tab keeps its own; the next tab that opens takes over those of a closed one.

import { browserStore } from "./store.js";
import { Tab } from "./tab.js";

/** Drafts that are kept, more than a user has open; beyond it the oldest go first. */
const MAX_DRAFTS = 200;
/** Milliseconds after which words left in a closed tab are deleted: 30 days. */
const FORGOTTEN = 30 * 86_400_000;

export class Drafts {
  /** `changed` is called after every change. */
  constructor(changed, tab = new Tab()) {
    this.changed = changed;
    this.tab = tab;
    this.prefix = "";
    /** The prefix of this user's keys, of all tabs. */
    this.all = "";
    this.held = new Map();
    this.opening = null;
  }

  /** Use the drafts of `owner`, with those of an earlier visit and the words typed before now. */
  async open(owner) {
    const opening = (this.opening = {});
    const lives = await this.tab.claim();
    const all = `ayes:draft:${encodeURIComponent(owner)}:`;
    const prefix = `${all}${this.tab.name}:`;
    if (this.opening !== opening || this.prefix === prefix) return;
    const early = this.prefix === "" ? [...this.held] : [];
    this.prefix = prefix;
    this.all = all;
    this.held.clear();
    for (const [key, { name, value }] of this.chosen(all, lives)) {
      this.set(key, value);
      if (name !== prefix + key) browserStore.remove(name);
    }
    for (const [key, value] of early) this.set(key, value);
    this.changed();
  }

  /** For each place this tab's own words, else the newest that were left; the others wait for a later page. */
  chosen(all, lives) {
    const found = new Map();
    for (const draft of left(all)) {
      const isOurs = found.get(draft.key)?.tab === this.tab.name;
      if (!isOurs && !lives(draft.tab)) found.set(draft.key, draft);
    }
    return found;
  }

  /** Detach from the user: the next words may be another user's. */
  close() {
    this.opening = null;
    this.prefix = "";
    this.all = "";
    this.held.clear();
  }

  /**
   * Detach from the user and delete all their drafts in this browser, those of other tabs and earlier
   * visits too.
   */
  forget() {
    for (const name of this.all === "" ? [] : browserStore.keys(this.all)) browserStore.remove(name);
    this.close();
  }

  /** How many texts wait to be sent here. */
  get size() {
    return [...this.held].filter(([, value]) => typeof value !== "string" || value.trim() !== "").length;
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
    this.store(key, JSON.stringify({ at: Date.now(), value }));
    while (this.held.size > MAX_DRAFTS) this.drop(this.held.keys().next().value);
    this.changed();
  }

  /** Forget it, and empty the field that shows it if it still has the same words. */
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
    if (text === null) browserStore.remove(this.prefix + key);
    else browserStore.set(this.prefix + key, text);
  }
}

/** The drafts in the storage under `all`, the oldest first: `{name, tab, key, at, value}`. */
function left(all) {
  const found = [];
  for (const name of browserStore.keys(all)) {
    const [tab, ...rest] = name.slice(all.length).split(":");
    const draft = parsed(browserStore.get(name));
    if (!draft) continue;
    const { at, value } = draft;
    if (Date.now() - at > FORGOTTEN) browserStore.remove(name);
    else found.push({ name, tab, key: rest.join(":"), at, value });
  }
  return found.sort((one, other) => one.at - other.at);
}

/** The stored draft, or null if it is not a draft or another tab has just taken it. */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
