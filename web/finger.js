// The thing under the finger: a drawing that others caused moves no control that the user is about to
// press.
//
// The view keeps its place by an anchor of its own, since not all browsers have one. If a control moved
// nevertheless, a press on it has no effect if it has just taken another control's place.

const CONTROL = "button, a[href], input, select, textarea, summary, label";
/** Milliseconds before a press; a control that took its place within them was not the intended one. */
const GUARD_MS = 300;
/** Drawings remembered at most; more than a few within the guard are alike. */
const MAX_SHOTS = 8;
/** Pixels from which on something has moved. */
const MOVED = 1;

export class Finger {
  #shots = [];
  #pointer = null;
  #press = null;
  #anchor = null;
  /** Pixels that the view was scrolled here to keep its place; the user scrolled the rest. */
  #kept = 0;
  /** The user has acted here since the last drawing. */
  #input = false;

  /** `page`: a window. */
  constructor(root, page = globalThis) {
    this.root = root;
    this.page = page;
    page.addEventListener("pointermove", (event) => (this.#pointer = event), { passive: true });
    page.addEventListener("pointerdown", (event) => this.#pressed(event), { capture: true });
    page.addEventListener("click", (event) => this.#clicked(event), { capture: true });
    for (const type of ["click", "keydown", "input", "change"]) page.addEventListener(type, () => (this.#input = true), { capture: true });
  }

  /** Before a drawing; `theirs`: others caused it; `elsewhere`: it shows another view. */
  before({ theirs, elsewhere }) {
    const isOwn = this.#input && !theirs;
    this.#input = false;
    this.#anchor = elsewhere ? null : this.#found();
    // A user expects the movements that their own act causes.
    if (elsewhere || isOwn) {
      this.#shots = [];
      return;
    }
    const { innerHeight } = this.page;
    const places = [];
    for (const el of this.root.querySelectorAll(CONTROL)) {
      const place = el.getBoundingClientRect();
      if (place.bottom > 0 && place.top < innerHeight && place.width > 0) places.push({ el, place });
    }
    this.#shots.push({ at: performance.now(), places, scrolled: this.#scrolled });
    this.#shots.splice(0, this.#shots.length - MAX_SHOTS);
  }

  /** After it: put the elements in view back into their places. */
  after() {
    const kept = this.#anchor?.find(({ el }) => el.isConnected && el.getClientRects().length > 0);
    this.#anchor = null;
    if (!kept) return;
    const moved = kept.el.getBoundingClientRect().top - kept.top;
    if (Math.abs(moved) < MOVED) return;
    const { scrollY } = this.page;
    this.page.scrollBy({ top: moved, behavior: "instant" });
    this.#kept += this.page.scrollY - scrollY;
  }

  /** Pixels that the user has scrolled. */
  get #scrolled() {
    return this.page.scrollY - this.#kept;
  }

  /**
   * The elements that must stay in their place, the innermost first: under the pointer, else at the top
   * of the view.
   */
  #found() {
    const { innerWidth, innerHeight, document } = this.page;
    const main = this.root.querySelector("main");
    if (!main || document.querySelector("dialog[open]")) return null;
    const focused = document.activeElement;
    const { clientX = -1, clientY = -1 } = this.#pointer ?? {};
    const points = [[clientX, clientY], [innerWidth / 2, innerHeight * 0.2], [innerWidth / 3, innerHeight / 2]];
    const inView = (el) => el && main.contains(el) && el !== main;
    let el = main.contains(focused) && focused !== main && isSeen(focused, innerHeight) ? focused : undefined;
    for (const [x, y] of points) el ??= document.elementsFromPoint(x, y).find(inView);
    const anchors = [];
    for (let one = el; one && one !== main; one = one.parentElement) anchors.push({ el: one, top: one.getBoundingClientRect().top });
    return anchors;
  }

  #pressed(event) {
    this.#pointer = event;
    this.#press = { at: performance.now(), x: event.clientX, y: event.clientY, scrolled: this.#scrolled };
  }

  #clicked(event) {
    const press = this.#press;
    this.#press = null;
    // A click by a key or a label: no pointer aimed.
    if (event.detail === 0 || !press || !event.isTrusted) return;
    const now = event.target.closest?.(CONTROL);
    if (!now) return;
    const isOther = this.#shots.some(({ at, places, scrolled }) => {
      // A user who scrolls expects movement.
      if (at > press.at || press.at - at > GUARD_MS || Math.abs(scrolled - press.scrolled) > MOVED) return false;
      // More than one can be there: a dialog or a bar covers controls of the page.
      const under = places.filter(({ place }) => press.x >= place.left && press.x <= place.right && press.y >= place.top && press.y <= place.bottom);
      return under.length > 0 && !under.some(({ el }) => el === now || el.contains(now) || now.contains(el));
    });
    if (!isOther) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }
}

const isSeen = (el, height) => {
  const { top, bottom } = el.getBoundingClientRect();
  return bottom > 0 && top < height;
};
