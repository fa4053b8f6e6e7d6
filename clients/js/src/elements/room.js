// <ayes-room event="…">: the place of the elements in it; without children, the room's open proposals.

import { AyesElement, made } from "./element.js";

export class AyesRoom extends AyesElement {
  #parts = null;

  reset() {
    this.#parts = null;
  }

  show(room) {
    if (this.childElementCount > 0) {
      if (!this.shadowRoot.querySelector("slot")) this.shadowRoot.replaceChildren(made("slot"));
      return;
    }
    const { title, line, list } = (this.#parts ??= this.#make());
    const { event, proposals } = room.state;
    if (title.textContent !== event.subject) title.textContent = event.subject;
    const said = room.live ? "" : this.say("away");
    if (line.textContent !== said) line.textContent = said;
    const order = ([one, { no: a = 0 }], [other, { no: b = 0 }]) => a - b || (one < other ? -1 : 1);
    const shown = new Set([...list.children].map((element) => element.getAttribute("proposal")));
    // One that is decided while it is looked at stays, and says so.
    const ids = Object.entries(proposals ?? {})
      .filter(([id, { status }]) => status === "pending" || shown.has(id))
      .sort(order)
      .map(([id]) => id);
    for (const element of [...list.children]) if (!ids.includes(element.getAttribute("proposal"))) element.remove();
    ids.forEach((id, index) => {
      if (list.children[index]?.getAttribute("proposal") === id) return;
      const element = document.createElement("ayes-proposal");
      element.setAttribute("proposal", id);
      list.insertBefore(element, list.children[index] ?? null);
    });
  }

  #make() {
    const parts = {
      title: made("p", "", { className: "words", dir: "auto", part: "title" }),
      line: made("p", "", { role: "status", part: "line" }),
      list: made("div", undefined, { part: "list" }),
    };
    this.shadowRoot.replaceChildren(...Object.values(parts));
    return parts;
  }
}
