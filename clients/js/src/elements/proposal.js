// <ayes-proposal proposal="p_…">: its words, how it stands, and the buttons to vote.

import { Acting } from "../bindings/views.js";
import { AyesElement, made } from "./element.js";

export class AyesProposal extends AyesElement {
  #acting = new Acting(() => this.draw());
  #parts = null;

  reset() {
    this.#parts = null;
  }

  show(room) {
    const id = this.getAttribute("proposal");
    const tally = room.tally(id);
    if (!tally) {
      this.reset();
      this.shadowRoot.replaceChildren(made("p", this.say("unknown"), { role: "status" }));
      return;
    }
    const { words, standing, buttons, error } = (this.#parts ??= this.#make());
    const { content, target, category } = room.state.proposals[id];
    const item = room.state.assumptions[target] ?? room.state.criteria[target];
    set(words, content ?? item?.content ?? "");
    words.classList.toggle("gone", category === "delete");
    set(standing, this.#standing(tally, room));
    standing.setAttribute("aria-busy", String(tally.sending));
    this.#draw(buttons, room, id, tally);
    set(error, this.#acting.error ? this.explain(this.#acting.error) : "");
    error.hidden = this.#acting.error === null;
  }

  #make() {
    const parts = {
      words: made("p", "", { className: "words", dir: "auto", part: "words" }),
      standing: made("p", "", { role: "status", part: "standing" }),
      buttons: made("p", "", { part: "buttons" }),
      error: made("p", "", { className: "error", hidden: true, part: "error" }),
    };
    parts.error.setAttribute("role", "alert");
    this.shadowRoot.replaceChildren(...Object.values(parts));
    return parts;
  }

  #standing(tally, room) {
    const { outcome, hidden, agree, eligible, needed, quorum } = tally;
    if (outcome) return this.say(outcome.carried ? "carried" : `not.${outcome.how}`) ?? this.say("not");
    const parts = [hidden ? this.say("hidden") : this.say("agree", { agree, eligible })];
    if (tally.stances.includes("against") && !hidden) parts.push(this.say("against", { against: tally.against }));
    if (tally.automatic && !hidden) parts.push(needed === null ? this.say("never") : this.say("needed", { needed }));
    if (quorum !== null) parts.push(this.say("quorum", { quorum }));
    if (!room.live) parts.push(this.say("away"));
    return parts.join(" · ");
  }

  #draw(place, room, id, { stances, mine, sending, outcome }) {
    const mayVote = room.you.membership?.status === "accepted" && room.you.membership.role !== "organiser" && room.state.event.status === "in_progress";
    const shown = outcome || !mayVote ? [] : stances;
    if (place.childElementCount !== shown.length) {
      place.replaceChildren(...shown.map((stance) => made("button", "", { type: "button", part: "button", onclick: () => this.#press(stance) })));
    }
    shown.forEach((stance, index) => {
      const button = place.children[index];
      const isMine = mine === stance;
      set(button, this.say(isMine && stances.length === 1 ? "take_back" : `vote.${stance}`));
      button.setAttribute("aria-pressed", String(isMine));
      button.setAttribute("aria-busy", String(isMine && sending));
    });
  }

  #press(stance) {
    const { room } = this;
    const id = this.getAttribute("proposal");
    const isMine = room.tally(id)?.mine === stance;
    this.#acting.run(() => (isMine ? room.retract(id) : room.vote(id, stance === "agree" ? {} : { stance })));
  }
}

/** Change a text only if it is another one: a screen reader reads what changes. */
function set(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
