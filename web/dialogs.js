// The one dialog that is open, its subject, and its place in the browser's history.
//
// A dialog belongs to the event it was opened for. Going anywhere closes it, and Back closes it before
// it leaves the view.

export class Dialogs {
  #current = null;
  /** The callbacks for the moment when the browser has removed a closed dialog's entry. */
  #leaving = null;
  /** The element that had the focus before the dialog, and gets it back afterwards. */
  opener = null;

  /** `changed` is called whenever a dialog opens or closes. */
  constructor(changed, page = globalThis) {
    this.changed = changed;
    this.page = page;
    // After a reload the dialog is gone, and so is to be its entry: Back leaves the view at once.
    if (page.history.state?.dialog) page.history.back();
    page.addEventListener("popstate", () => (this.#leaving ? this.#left() : this.drop()));
    page.addEventListener("click", (event) => this.#follow(event), { capture: true });
  }

  /** Open the dialog `name` of `event`; `about` is the thing of the event it concerns. */
  open(name, event = undefined, about = undefined) {
    const isInPlace = this.#current !== null;
    if (!isInPlace) this.opener = this.page.document.activeElement;
    const opened = (this.#current = { name, event, about });
    if (!isInPlace) this.#afterwards(() => this.#current === opened && this.page.history.pushState({ dialog: name }, ""));
    this.changed();
  }

  /** The open dialog, if it is `name` of `event`, else null. */
  shown(name, event) {
    const { current } = this;
    return current?.name === name && current.event === event ? current : null;
  }

  get current() {
    return this.#current;
  }

  /** Close it as its own buttons do: its entry in the browser's history goes, too. */
  close() {
    if (!this.#current) return;
    this.#current = null;
    // A step back that is under way takes the entry; a second one would leave the view.
    if (this.page.history.state?.dialog && !this.#leaving) {
      this.#leaving = [];
      this.page.history.back();
    }
    this.changed();
  }

  /** Close it completely, since its place is gone. */
  drop() {
    if (!this.#current) return;
    this.#current = null;
    this.changed();
  }

  /** Resolves when a closed dialog's entry is out of the browser's history. */
  gone() {
    return new Promise((done) => this.#afterwards(done));
  }

  #afterwards(then) {
    if (this.#leaving) this.#leaving.push(then);
    else then();
  }

  /** Follow a link of the page only after a closed dialog's step back, which would undo it. */
  #follow(event) {
    const link = this.#leaving && event.button === 0 && event.target.closest?.("a[href^='#/']");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    this.#afterwards(() => (this.page.location.hash = link.hash));
  }

  #left() {
    const waiting = this.#leaving;
    this.#leaving = null;
    for (const then of waiting) then();
  }
}
