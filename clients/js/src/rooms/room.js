// One event's state: a snapshot replaces it, a diff folds into it, and after a gap the room subscribes again.
//
// Members that begin with an underscore are for `rooms.js`.

import { abortable, Deferred } from "../deferred.js";
import { AyesError } from "../error.js";
import { mergePatch } from "../wire/merge-patch.js";
import { Acts } from "./acts.js";
import { Changes } from "./changes.js";
import { every } from "./every.js";
import { happenings } from "./happenings.js";
import { pages } from "./paging.js";
import { tallyOf } from "./tally.js";
import { until } from "./until.js";

/** Patches on `you` that wait for their diffs. Beyond that the room subscribes again: its diffs do not arrive. */
const MAX_HELD_PATCHES = 64;

/** Events after a change of anything that the room shows. */
const MOVES = ["change", "you", "presence", "live", "pending", "closed"];

export class Room extends Acts {
  #host;
  #event;
  #state;
  #you;
  #seq;
  #epoch;
  #yourSeq = -1;
  /** Patches on `you` of steps that the room has not reached: each is applied together with its diff. */
  #heldPatches = [];
  #online;
  #live = false;
  #closed;
  /** The error that closed it, if one did. */
  #closedFor;
  /** The next answer has to be a snapshot, since the last one did not fit the position. */
  #needsSnapshot = false;
  #readers = new Set();
  /** Waits of `reached`: a position each. */
  #waiters = [];
  _entered = new Deferred();
  /** Calls of `subscribe` that have not been answered by a `leave`. */
  _users = 0;

  /** `host` has `command(type, args, options)`, `query` likewise, `subscribe(room)`, `leave(room)`, `clock`, and of `rooms.js` `vote`, `pending`, `shown`. */
  constructor(host, event) {
    super();
    this.#host = host;
    this.#event = event;
  }

  get event() {
    return this.#event;
  }

  get state() {
    return this.#state;
  }

  get you() {
    return this.#you;
  }

  get seq() {
    return this.#seq;
  }

  get epoch() {
    return this.#epoch;
  }

  get pending() {
    return this.#host.pending(this.#event);
  }

  get online() {
    return this.#online;
  }

  get live() {
    return this.#live;
  }

  get closed() {
    return this.#closed;
  }

  /** The position to resume from, for `subscribe` and for `resume` in `hello`. */
  get _position() {
    const { event, epoch, seq } = this;
    return seq === undefined || this.#needsSnapshot ? { event } : { event, epoch, seq };
  }

  // The application's side.

  tally(proposal) {
    const { state, you } = this;
    return tallyOf(proposal, { state, you, vote: this.#host.vote(this.#event, proposal) });
  }

  reached(seq, { signal } = {}) {
    const waiter = { seq, deferred: new Deferred() };
    if (this.#closed !== undefined) waiter.deferred.reject(this.#closedError());
    else if (this.#seq >= seq) waiter.deferred.resolve();
    else this.#waiters.push(waiter);
    return abortable(signal, waiter.deferred.promise, () => {
      this.#waiters = this.#waiters.filter((one) => one !== waiter);
    });
  }

  until(look, { timeout, signal } = {}) {
    return this.#until(look, { timeout, signal });
  }

  #until(look, { watch = (again) => this.watch(again), ...options }) {
    const whileOpen = () => {
      const found = look(this);
      if (!found && this.#closed !== undefined) throw this.#closedFor ?? this.#closedError();
      return found;
    };
    return until(whileOpen, { watch, clock: this.#host.clock, ...options });
  }

  decided(proposal, { timeout, signal } = {}) {
    let missing;
    const look = () => {
      if (missing) throw missing;
      return this.tally(proposal)?.outcome;
    };
    const watch = (again) => {
      const fail = (error) => {
        missing = error;
        again();
      };
      if (!this.tally(proposal)) this.#missing(proposal, { signal }).then((error) => error && fail(error));
      return this.watch(again);
    };
    return this.#until(look, { watch, timeout, signal, what: `proposal ${proposal} was not decided` });
  }

  /** Ask the server about a proposal that the room does not show; resolve with the error if there is none. */
  async #missing(proposal, options) {
    try {
      await this._caughtUp(options);
      if (!this.tally(proposal)) await this.query("votes.list", { proposal, limit: 1 }, options);
    } catch ({ code }) {
      // Another refusal says that there is one, or nothing.
      if (code !== "not_found" && code !== "bad_request") return undefined;
      const more = { event: this.#event, details: { path: "proposal" } };
      return new AyesError("not_found", `this event has no proposal ${proposal}`, more);
    }
    return undefined;
  }

  every(interval, { until: look = () => false, signal } = {}) {
    return every(this, interval, { look, clock: this.#host.clock, signal });
  }

  watch(listener) {
    return this._watch(MOVES, listener);
  }

  leave() {
    this._users -= 1;
    if (this._users <= 0 && this.#closed === undefined) this.#host.leave(this);
    return Promise.resolve();
  }

  command(type, args = {}, options = {}) {
    return this.#host.command(type, { ...args, event: this.#event }, options);
  }

  query(type, args = {}, options = {}) {
    return this.#host.query(type, { ...args, event: this.#event }, options);
  }

  paged(type, args, options) {
    return pages((wanted) => this.query(type, wanted, options), type, args);
  }

  [Symbol.asyncIterator]() {
    const changes = new Changes((reader) => this.#readers.delete(reader));
    if (this.#closed === undefined) this.#readers.add(changes);
    else changes.end();
    return changes;
  }

  // The server's side.

  _onSnapshot({ epoch, seq, state, you, reason }) {
    const from = this.#seq ?? seq;
    const before = this.#state;
    const isSameHistory = epoch === this.#epoch;
    this.#epoch = epoch;
    this.#seq = seq;
    this.#state = state;
    const youChanged = this.#replaceYou(you, seq);
    this.#heldPatches = [];
    this.#needsSnapshot = false;
    this.#host.shown(this.#event, isSameHistory ? seq : undefined);
    this.#setEntered();
    if (youChanged) this._emit("you", { seq });
    this.#changed({ from, seq, reason }, before);
  }

  _onResumed({ epoch, from, seq, patch, you }) {
    if (epoch !== this.#epoch || !(from <= this.#seq)) {
      this.#needsSnapshot = true;
      this._resync();
      return;
    }
    const [before, stateBefore] = [this.#seq, this.#state];
    const youChanged = this.#replaceYou(you, seq);
    this.#heldPatches = [];
    if (seq >= before) {
      this.#seq = seq;
      this.#state = mergePatch(this.#state, patch);
    }
    this.#host.shown(this.#event, this.#seq);
    this.#setEntered();
    if (youChanged) this._emit("you", { seq });
    if (seq > before) this.#changed({ from: before, seq, patch }, stateBefore);
  }

  _onDiff({ epoch, from, seq, patch }) {
    // The answer to a subscribe is on its way, and holds this diff.
    if (!this.#live) return;
    if (epoch !== this.#epoch || (from !== this.#seq && seq > this.#seq)) {
      this._resync();
    } else if (seq > this.#seq) {
      const before = this.#state;
      this.#seq = seq;
      this.#state = mergePatch(before, patch);
      const ready = this.#heldPatches.filter((held) => held.seq <= seq);
      this.#heldPatches = this.#heldPatches.filter((held) => held.seq > seq);
      for (const held of ready) this.#patchYou(held);
      this.#host.shown(this.#event, seq);
      for (const held of ready) this._emit("you", held);
      this.#changed({ from, seq, patch }, before);
    }
  }

  /** A patch of a step ahead waits for its diff, so that `state` and `you` change in one moment. */
  _onYou({ seq, patch }) {
    if (this.#you === undefined || seq < this.#yourSeq) return;
    if (seq > this.#seq) {
      this.#heldPatches.push({ seq, patch });
      if (this.#heldPatches.length > MAX_HELD_PATCHES) this._resync();
      return;
    }
    this.#patchYou({ seq, patch });
    this._emit("you", { seq, patch });
  }

  #patchYou({ seq, patch }) {
    this.#yourSeq = seq;
    this.#you = mergePatch(this.#you, patch);
  }

  _onPresence({ online }) {
    this.#online = online;
    this._emit("presence", { online });
  }

  /** Return whether a heartbeat's position shows that a diff did not arrive. */
  _isBehind([epoch, seq]) {
    return this.#live && (epoch !== this.#epoch || seq > this.#seq);
  }

  /** Subscribe again from the position; diffs are ignored until the answer. */
  _resync() {
    this.#heldPatches = [];
    this.#setLive(false);
    this.#host.subscribe(this);
  }

  _down() {
    this.#heldPatches = [];
    this.#setLive(false);
  }

  _close(reason, error) {
    if (this.#closed !== undefined) return;
    this.#closed = reason;
    this.#closedFor = error;
    this.#host.shown(this.#event);
    this.#setLive(false);
    this._entered.reject(error ?? this.#closedError());
    for (const { deferred } of this.#waiters.splice(0)) deferred.reject(error ?? this.#closedError());
    for (const reader of this.#readers) reader.end();
    this.#readers.clear();
    this._emit("closed", error ? { reason, error } : { reason });
  }

  /** Replace `you`, and return whether it is different. */
  #replaceYou(you, seq) {
    const isDifferent = JSON.stringify(you) !== JSON.stringify(this.#you);
    this.#you = you;
    this.#yourSeq = seq;
    return isDifferent;
  }

  #setEntered() {
    this._entered.resolve(this);
    this.#setLive(true);
  }

  #setLive(live) {
    if (this.#live === live) return;
    this.#live = live;
    this._emit("live", { live });
  }

  #changed(change, before) {
    Object.freeze(change);
    for (const reader of this.#readers) reader.push(change);
    this._emit("change", change);
    const reached = this.#waiters.filter((waiter) => waiter.seq <= this.#seq);
    this.#waiters = this.#waiters.filter((waiter) => waiter.seq > this.#seq);
    for (const { deferred } of reached) deferred.resolve();
    for (const [type, detail] of happenings(before, this.#state)) this._emit(type, detail);
  }

  #closedError() {
    const details = { reason: this.#closed };
    return new AyesError("room_closed", `the room was closed: ${this.#closed}`, { event: this.#event, details });
  }
}
