// The token of an open socket, renewed before its end or when the server says that it has come.

/** Share of a token's remaining life after which a new one is asked for. */
const SHARE = 0.75;
/** Not more often than this, whatever the token says. */
const LEAST_MS = 1_000;
/** A timer holds no more than 31 bits of milliseconds; a longer wait is looked at again. */
const MOST_MS = 2 ** 31 - 1;

export class Renewal {
  #timer = null;
  #ref = null;
  #asking = null;
  #tries = 0;
  #skew = 0;

  /** `send(message)` says it on the open socket; `done()` is called when the server agreed. */
  constructor({ token, clock, backoff, answerTimeout, newRef, send, done, fault }) {
    Object.assign(this, { token, clock, backoff, answerTimeout, newRef, send, done, fault });
  }

  /** A socket is open, with the token asked for last; `time` is the server's clock. */
  open(time) {
    const theirs = Date.parse(time);
    this.#skew = Number.isFinite(theirs) ? theirs - this.clock.now() : 0;
    this.#tries = 0;
    this.#plan(this.token.expires);
  }

  down() {
    this.#clear();
    this.#ref = this.#asking = null;
  }

  /** The server says that the token has ended. */
  now() {
    if (this.#ref !== null || this.#asking !== null) return;
    this.token.ended = true;
    this.#renew();
  }

  /** The answer to an `auth`, if `message` is one. */
  takes(message) {
    if (this.#ref === null || message.ref !== this.#ref) return false;
    this.#ref = null;
    if (message.type === "authenticated") {
      this.#tries = 0;
      this.#plan(Date.parse(message.expires));
      this.done();
    } else {
      this.token.ended = message.code === "auth_expired";
      this.#again();
    }
    return true;
  }

  async #renew() {
    this.#clear();
    const asking = (this.#asking = {});
    let token;
    try {
      token = await this.token.ask();
    } catch (error) {
      if (this.#asking !== asking) return;
      this.#asking = null;
      this.fault("token", error);
      this.#again();
      return;
    }
    if (this.#asking !== asking) return;
    this.#asking = null;
    this.#ref = this.newRef();
    if (!this.send({ type: "auth", ref: this.#ref, token })) this.#ref = null;
    else this.#set(this.answerTimeout, () => this.#unanswered());
  }

  /** The answer was lost; asked anew, with whatever token there is now. */
  #unanswered() {
    this.#ref = null;
    this.#again();
  }

  #plan(expires) {
    this.#clear();
    if (!this.token.renewable || !Number.isFinite(expires) || expires === null) return;
    const left = expires - this.#skew - this.clock.now();
    const wait = Math.max(LEAST_MS, left * SHARE);
    this.#set(Math.min(wait, MOST_MS), () => (wait > MOST_MS ? this.#plan(expires) : this.#renew()));
  }

  #again() {
    this.#set(Math.max(this.backoff.after(this.#tries), this.backoff.base), () => this.#renew());
    this.#tries += 1;
  }

  #set(ms, run) {
    this.#clear();
    this.#timer = this.clock.setTimeout(() => {
      this.#timer = null;
      run();
    }, ms);
  }

  #clear() {
    if (this.#timer !== null) this.clock.clearTimeout(this.#timer);
    this.#timer = null;
  }
}
