// Renews the token of an open connection: before it expires, or when the server says that it has.

import { Timers } from "../timers.js";

/** Share of a token's remaining life after which a new one is fetched; the rest is time for further tries. */
const RENEWAL_SHARE = 0.75;
/** Shortest delay between two renewals: a token that expires at once must not cause a flood. */
const MIN_RENEWAL_DELAY_MS = 1_000;
/** Longest delay that a timer takes (31 bits of milliseconds); a longer one is set in parts. */
const MAX_TIMER_DELAY_MS = 2 ** 31 - 1;

export class Renewal {
  #timers;
  #ref = null;
  #fetching = null;
  #tries = 0;

  /** `send(message)` uses the open connection; `onRenewed()` is called when the server accepted a new token. */
  constructor({ token, clock, serverClock, backoff, answerTimeout, newRef, send, onRenewed, fault }) {
    Object.assign(this, { token, serverClock, backoff, answerTimeout, newRef, send, onRenewed, fault });
    this.#timers = new Timers(clock);
  }

  /** A connection is open with the current token. */
  open() {
    this.#tries = 0;
    this.#schedule(this.token.expires);
  }

  down() {
    this.#timers.clearAll();
    this.#ref = this.#fetching = null;
  }

  /** Renew now: the server called the token expired. */
  renew() {
    if (this.#ref !== null || this.#fetching !== null) return;
    this.token.ended = true;
    this.#renew();
  }

  /** Return true if `message` answers an `auth`, which it then handles. */
  handle(message) {
    if (this.#ref === null || message.ref !== this.#ref) return false;
    this.#ref = null;
    if (message.type === "authenticated") {
      this.#tries = 0;
      this.#schedule(Date.parse(message.expires));
      this.onRenewed();
    } else {
      this.token.ended = message.code === "auth_expired";
      this.#retry();
    }
    return true;
  }

  async #renew() {
    this.#timers.clearAll();
    const fetching = (this.#fetching = {});
    let token;
    try {
      token = await this.token.get();
    } catch (error) {
      if (this.#fetching !== fetching) return;
      this.#fetching = null;
      this.fault("token", error);
      this.#retry();
      return;
    }
    if (this.#fetching !== fetching) return;
    this.#fetching = null;
    this.#ref = this.newRef();
    if (!this.send({ type: "auth", ref: this.#ref, token })) this.#ref = null;
    else this.#timers.set("renew", this.answerTimeout, () => this.#onUnanswered());
  }

  /** The answer was lost: try again, with the token of then. */
  #onUnanswered() {
    this.#ref = null;
    this.#retry();
  }

  #schedule(expires) {
    this.#timers.clearAll();
    if (!this.token.renewable || !Number.isFinite(expires) || expires === null) return;
    const left = expires - this.serverClock.now();
    const delay = Math.max(MIN_RENEWAL_DELAY_MS, left * RENEWAL_SHARE);
    const run = () => (delay > MAX_TIMER_DELAY_MS ? this.#schedule(expires) : this.#renew());
    this.#timers.set("renew", Math.min(delay, MAX_TIMER_DELAY_MS), run);
  }

  #retry() {
    const delay = Math.max(this.backoff.after(this.#tries), this.backoff.base);
    this.#timers.set("renew", delay, () => this.#renew());
    this.#tries += 1;
  }
}
