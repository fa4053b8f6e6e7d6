// Texts for a screen reader, in one polite line: the user's own acts at once, the acts of others
// gathered.

/** Milliseconds a text stays alone in the line, so that it is read before the next. */
const READ_MS = 1_200;
/** Milliseconds over which the acts of others are gathered into one sentence. */
const GATHER_MS = 4_000;
/** Texts that wait to be read; beyond it the oldest go. */
const MAX_WAITING = 5;

export class Announcer {
  #waiting = [];
  #busy = false;
  #gathered = new Map();
  #gathering = false;

  /** `phrase(kind, count)` gives the words for so many events of a kind. */
  constructor(phrase, line = () => document.getElementById("announcer")) {
    this.phrase = phrase;
    this.line = line;
  }

  /** Say `text`, after the text that is being read. */
  say(text) {
    if (this.#busy) {
      this.#waiting.push(text);
      this.#waiting.splice(0, this.#waiting.length - MAX_WAITING);
      return;
    }
    this.#busy = true;
    this.line().textContent = text;
    setTimeout(() => {
      this.#busy = false;
      if (this.#waiting.length) this.say(this.#waiting.splice(0).join(" "));
    }, READ_MS);
  }

  /** Count one of `kind`; all that come within some seconds are one sentence. */
  gather(kind) {
    this.#gathered.set(kind, (this.#gathered.get(kind) ?? 0) + 1);
    if (this.#gathering) return;
    this.#gathering = true;
    setTimeout(() => {
      this.#gathering = false;
      const said = [...this.#gathered].map(([one, count]) => this.phrase(one, count));
      this.#gathered.clear();
      this.say(said.join(" "));
    }, GATHER_MS);
  }
}
