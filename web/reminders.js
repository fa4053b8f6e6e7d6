// Reminders of a start or an end that comes near: in the page, and by the browser if the user asked for it.
//
// A reminder is given once per user and browser. A moment that was moved is another one.

import { read, remove, write } from "./seen.js";
import { currentLanguage, t } from "./words.js";
import { nearing, wordsOf } from "./nearing.js";

/** Milliseconds between two checks of the open rooms. A page in the background may look once a minute only. */
const LOOK_INTERVAL_MS = 15_000;
/** Reminders that are remembered as given; the oldest go first. */
const MAX_TOLD = 500;
const ICON = new URL("./icons/icon-192.png", import.meta.url).href;

export class Reminders {
  #owner = null;
  /** The browser refused, or cannot do it. */
  isRefused = false;

  /**
   * `rooms()` gives the rooms of the page, `looks(event)` is true if the user looks at that one now, `say(text)`
   * announces, `lead(event, tab)` goes to a room, and `changed` is called after every change.
   */
  constructor({ rooms, looks, say, lead, changed }, page = globalThis) {
    Object.assign(this, { rooms, looks, say, lead, changed, page });
  }

  /** Remind `owner` from now on. */
  open(owner) {
    this.#owner = owner;
    this.isRefused = false;
    this.timer ??= this.page.setInterval(() => this.look(), LOOK_INTERVAL_MS);
  }

  /** Forget everything of this user. */
  forget() {
    if (this.#owner) remove(keyOf(this.#owner));
    this.close();
  }

  close() {
    this.#owner = null;
    this.page.clearInterval(this.timer);
    this.timer = undefined;
  }

  /** Whether this browser can remind at all. */
  get isPossible() {
    return typeof this.page.Notification === "function" && this.page.isSecureContext !== false;
  }

  /** Whether the browser reminds this user. */
  get isOn() {
    return this.isPossible && this.page.Notification.permission === "granted" && this.#kept().on;
  }

  /** Switch the browser's reminders on, which asks the user once, or off. */
  async toggle() {
    const on = !this.isOn;
    if (on && this.page.Notification.permission !== "granted") await this.page.Notification.requestPermission();
    this.isRefused = on && this.page.Notification.permission !== "granted";
    this.#keep({ on: on && !this.isRefused });
    this.changed();
    this.look();
  }

  /** Give each reminder that is due and was not given yet. */
  look() {
    if (!this.#owner) return;
    for (const store of this.rooms()) {
      for (const moment of nearing(store)) this.#tell(store, moment);
    }
  }

  #tell(store, moment) {
    const isLooking = this.looks(store.event);
    // Another tab may have given it meanwhile.
    const { told } = this.#kept();
    if (told.includes(moment.key) || !(isLooking || this.isOn)) return;
    this.#keep({ told: [...told, moment.key].slice(-MAX_TOLD) });
    const text = wordsOf(store, moment);
    if (isLooking) this.say(text);
    else this.#notify(store, moment, text);
  }

  #notify(store, moment, body) {
    try {
      const shown = new this.page.Notification(store.state.event.subject, { body, tag: `${store.event}|${moment.name}`, icon: ICON, lang: currentLanguage(), dir: "auto" });
      shown.onclick = () => {
        this.page.focus?.();
        this.lead(store.event, moment.tab);
        shown.close();
      };
    } catch {
      // Some phones show notifications of installed pages only.
      this.isRefused = true;
      this.#keep({ on: false });
    }
  }

  #kept() {
    const kept = this.#owner ? read(keyOf(this.#owner), {}) : {};
    return { on: false, told: [], ...this.memory, ...kept };
  }

  #keep(change) {
    // Where nothing can be kept, it lasts for this visit.
    this.memory = { ...this.#kept(), ...change };
    if (this.#owner) write(keyOf(this.#owner), this.memory);
  }
}

const keyOf = (owner) => `ayes:reminders:${encodeURIComponent(owner)}`;

/** The reminders' switch in words. */
export const switchWords = (reminders) => t(reminders.isOn ? "remind.on" : "remind.me");
