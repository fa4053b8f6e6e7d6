// How a person finds things: controls by their name, texts by being visible. Each function is called in the page.
({
  isSeen(el) {
    const box = el.getBoundingClientRect();
    return box.width > 0 && box.height > 0 && getComputedStyle(el).visibility === "visible";
  },

  name(el) {
    const words = el.ariaLabel ?? [...(el.labels ?? [])].map((label) => label.textContent).join(" ");
    return (words || (el.matches("input, textarea, select") ? "" : el.innerText)).replace(/\s+/g, " ").trim();
  },

  /** The visible elements of `selector`; with `words`, those that say them. */
  seen(selector, words = "") {
    const found = [...document.querySelectorAll(selector)].filter((el) => this.isSeen(el));
    return found.filter((el) => el.innerText.includes(words));
  },

  /** The control of this name, else one whose name begins with it: a count may follow, or what it is about. */
  control(name, [selector, words] = ["body"]) {
    const modal = document.querySelector("dialog[open]");
    const roots = modal ? [modal] : this.seen(selector, words);
    const all = roots.flatMap((root) => [...root.querySelectorAll("a[href], button, input, select, textarea, summary")]);
    const usable = all.filter((el) => this.isSeen(el) && !el.disabled);
    return usable.find((el) => this.name(el) === name) ?? usable.find((el) => [" ", ":"].some((next) => this.name(el).startsWith(name + next)));
  },

  /** The middle of the control in the view, once it stands still and nothing is above it. */
  async aim(name, within) {
    const el = this.control(name, within);
    if (!el) return null;
    const place = () => {
      const { left, top, width, height } = el.getBoundingClientRect();
      return [left + width / 2, top + height / 2];
    };
    const [, height] = [innerWidth, innerHeight];
    if (place()[1] < height * 0.15 || place()[1] > height * 0.75) el.scrollIntoView({ block: "center", behavior: "instant" });
    const before = place();
    await new Promise((done) => setTimeout(done, 50));
    const after = place();
    const top = document.elementFromPoint(...after);
    const isFree = top && (el.contains(top) || top.contains(el) || [...(el.labels ?? [])].some((label) => label.contains(top)));
    return el.isConnected && isFree && before.every((at, i) => Math.abs(at - after[i]) < 1) ? after : null;
  },

  says(selector, words) {
    return this.seen(selector, words).length > 0;
  },

  text(selector) {
    return this.seen(selector)[0]?.innerText ?? null;
  },
})
