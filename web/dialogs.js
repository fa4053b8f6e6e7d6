// The one dialog that is open: what it is about, and its place in the browser's history.
//
// A dialog belongs to the event it was opened for. Going anywhere closes it, and Back closes it before
// it leaves the view.

export class Dialogs {
  #current = null;
  /** Resolves when the browser has taken the dialog's entry out of the way. */
  #leaving = null;

  /** `changed` is called whenever a dialog opens or closes. */
  constructor(changed, page = globalThis) {
    this.changed = changed;
    this.page = page;
    page.addEventListener("popstate", () => this.drop());
  }

  /** Open the dialog `name` of `event`; `about` says which thing of the event it concerns. */
  open(name, event, about = undefined) {
    const isInPlace = this.#current !== null;
    this.#current = { name, event, about };
    if (!isInPlace) this.page.history.pushState({ dialog: name }, "");
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
    if (this.page.history.state?.dialog) {
      this.#leaving = new Promise((done) => this.page.addEventListener("popstate", done, { once: true }));
      this.page.history.back();
    }
    this.changed();
  }

  /** Its place is gone: nothing of it stays open. */
  drop() {
    if (!this.#current) return;
    this.#current = null;
    this.changed();
  }

  /** Resolves when a closed dialog's entry is out of the browser's history. */
  async gone() {
    await this.#leaving;
    this.#leaving = null;
  }
}
