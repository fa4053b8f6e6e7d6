// Questions: asked on the open socket at the pace that the server takes, asked again on the next one,
// answered by `ref`.

import { Deferred, heeding } from "./deferred.js";
import { AyesError, MOST_INTERNAL } from "./error.js";

/** Questions without an answer that one client holds; the next one is refused. */
const MOST_OPEN = 10_000;

export class Questions {
  #open = new Map();
  /** Those to be asked as soon as the pace allows, in their order. */
  #due = new Set();
  #pumping = null;

  constructor({ connection, clock, backoff, answerTimeout, newRef, renew }) {
    Object.assign(this, { connection, clock, backoff, answerTimeout, newRef, renew });
  }

  /** The promise of the reply; not asked again once `signal` is aborted. */
  ask(type, args, signal) {
    if (this.#open.size >= MOST_OPEN) {
      const refused = new Deferred();
      const details = { limit: MOST_OPEN };
      refused.reject(new AyesError("busy", `${MOST_OPEN} questions wait without an answer`, { retry: "same", details }));
      return refused.promise;
    }
    const question = { ref: this.newRef(), type, args, deferred: new Deferred(), timer: null, tries: 0, defects: 0 };
    this.#open.set(question.ref, question);
    this.#send(question);
    return heeding(signal, question.deferred.promise, () => {
      this.#clear(question);
      this.#close(question);
    });
  }

  open() {
    for (const question of [...this.#open.values()]) this.#send(question);
  }

  /** A new token is there: those that were refused for the old one are asked again. */
  renewed() {
    for (const question of this.#open.values()) {
      if (question.waitsForToken) this.#send(question);
    }
  }

  down() {
    this.#rest();
    for (const question of this.#open.values()) this.#clear(question);
  }

  end(error) {
    const left = [...this.#open.values()];
    this.#open.clear();
    this.#rest();
    for (const question of left) {
      this.#clear(question);
      question.deferred.reject(error);
    }
  }

  /** The answer to a question, if `message` is one. */
  takes(message) {
    const question = this.#open.get(message.ref);
    if (!question) return false;
    this.#clear(question);
    if (message.type !== "error") {
      this.#close(question);
      question.deferred.resolve(message);
      return true;
    }
    const error = AyesError.from(message);
    if (error.code === "internal") question.defects += 1;
    if (error.retry === "same" && question.defects < MOST_INTERNAL) {
      const wait = error.retryAfterMs ?? this.backoff.after(question.tries);
      this.#set(question, wait);
    } else if (error.retry === "auth") {
      question.waitsForToken = true;
      this.renew();
    } else {
      this.#close(question);
      question.deferred.reject(error);
    }
    return true;
  }

  #send(question) {
    this.#clear(question);
    question.waitsForToken = false;
    this.#due.add(question);
    if (this.#pumping === null) this.#pump();
  }

  #pump() {
    this.#pumping = null;
    for (const question of this.#due) {
      if (!this.connection.open || this.connection.leaving) return;
      const { wait } = this.connection.pace;
      if (wait > 0) {
        this.#pumping = this.clock.setTimeout(() => this.#pump(), wait);
        return;
      }
      const { ref, type, args } = question;
      this.#due.delete(question);
      question.tries += 1;
      this.connection.send([{ ...args, type, ref }]);
      this.#set(question, this.answerTimeout);
    }
  }

  /** There is no socket: the next one is asked everything. */
  #rest() {
    this.#due.clear();
    if (this.#pumping !== null) this.clock.clearTimeout(this.#pumping);
    this.#pumping = null;
  }

  #close(question) {
    this.#open.delete(question.ref);
    this.#due.delete(question);
  }

  #set(question, ms) {
    question.timer = this.clock.setTimeout(() => this.#send(question), ms);
  }

  #clear(question) {
    if (question.timer !== null) this.clock.clearTimeout(question.timer);
    question.timer = null;
  }
}
