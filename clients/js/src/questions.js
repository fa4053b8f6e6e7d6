// Questions: asked on the open socket, asked again on the next one, answered by `ref`.

import { Deferred } from "./deferred.js";
import { AyesError } from "./error.js";

export class Questions {
  #open = new Map();

  constructor({ connection, clock, backoff, answerTimeout, newRef, renew }) {
    Object.assign(this, { connection, clock, backoff, answerTimeout, newRef, renew });
  }

  /** The promise of the reply. */
  ask(type, args) {
    const question = { ref: this.newRef(), type, args, deferred: new Deferred(), timer: null, tries: 0 };
    this.#open.set(question.ref, question);
    this.#send(question);
    return question.deferred.promise;
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
    for (const question of this.#open.values()) this.#clear(question);
  }

  end(error) {
    const left = [...this.#open.values()];
    this.#open.clear();
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
    if (error.retry === "same") {
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
    const { ref, type, args } = question;
    this.#clear(question);
    question.waitsForToken = false;
    if (!this.connection.open || this.connection.leaving) return;
    question.tries += 1;
    this.connection.send([{ ...args, type, ref }]);
    this.#set(question, this.answerTimeout);
  }

  #close(question) {
    this.#open.delete(question.ref);
  }

  #set(question, ms) {
    question.timer = this.clock.setTimeout(() => this.#send(question), ms);
  }

  #clear(question) {
    if (question.timer !== null) this.clock.clearTimeout(question.timer);
    question.timer = null;
  }
}
