// One event's state: a snapshot replaces it, a diff folds into it, and after a gap the room subscribes again.
//
// Members that begin with an underscore are for `rooms.js`.

import { abortable, Deferred, rejected } from "../deferred.js";
import { AyesError } from "../error.js";
import { mergePatch } from "../wire/merge-patch.js";
import { Changes } from "./changes.js";
import { tallyOf } from "./tally.js";

/** Patches on `you` that wait for their diffs. Beyond that the room subscribes again: its diffs do not arrive. */
const MAX_HELD_PATCHES = 64;

export class Room extends EventTarget {
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
  /** The next answer has to be a snapshot, since the last one did not fit the position. */
  #needsSnapshot = false;
  #readers = new Set();
  /** Waits of `reached`: a position each. */
  #waiters = [];
  _entered = new Deferred();

  /** `host` has `command(type, args, options)`, `subscribe(room)`, `leave(room)`, `vote(…)` and `shown(…)`. */
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

  leave() {
    if (this.#closed === undefined) this.#host.leave(this);
    return Promise.resolve();
  }

  command(type, args = {}, options = {}) {
    return this.#host.command(type, { ...args, event: this.#event }, options);
  }

  vote(proposal, { revision, ...options } = {}) {
    const known = Object.hasOwn(this.#state?.proposals ?? {}, proposal);
    const shown = revision ?? (known ? this.#state.proposals[proposal].revision : undefined);
    if (shown === undefined) return rejected(unknownProposal(this.#event, options.id));
    return this.command("vote.cast", { proposal, revision: shown }, options);
  }

  retract(proposal, options) {
    return this.command("vote.retract", { proposal }, options);
  }

  approve(proposal, { allow_stale, ...options } = {}) {
    return this.command("proposal.accept", { proposal, ...(allow_stale !== undefined && { allow_stale }) }, options);
  }

  reject(proposal, { reason, ...options } = {}) {
    return this.command("proposal.reject", { proposal, ...(reason !== undefined && { reason }) }, options);
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
    const isSameHistory = epoch === this.#epoch;
    this.#epoch = epoch;
    this.#seq = seq;
    this.#state = state;
    const youChanged = this.#replaceYou(you, seq);
    this.#heldPatches = [];
    this.#needsSnapshot = false;
    this.#host.shown(this.#event, isSameHistory ? seq : undefined);
    this.#setEntered();
    if (youChanged) this.#emit("you", { seq });
    this.#changed({ from, seq, reason });
  }

  _onResumed({ epoch, from, seq, patch, you }) {
    if (epoch !== this.#epoch || !(from <= this.#seq)) {
      this.#needsSnapshot = true;
      this._resync();
      return;
    }
    const before = this.#seq;
    const youChanged = this.#replaceYou(you, seq);
    this.#heldPatches = [];
    if (seq >= before) {
      this.#seq = seq;
      this.#state = mergePatch(this.#state, patch);
    }
    this.#host.shown(this.#event, this.#seq);
    this.#setEntered();
    if (youChanged) this.#emit("you", { seq });
    if (seq > before) this.#changed({ from: before, seq, patch });
  }

  _onDiff({ epoch, from, seq, patch }) {
    // The answer to a subscribe is on its way, and holds this diff.
    if (!this.#live) return;
    if (epoch !== this.#epoch || (from !== this.#seq && seq > this.#seq)) {
      this._resync();
    } else if (seq > this.#seq) {
      this.#seq = seq;
      this.#state = mergePatch(this.#state, patch);
      const ready = this.#heldPatches.filter((held) => held.seq <= seq);
      this.#heldPatches = this.#heldPatches.filter((held) => held.seq > seq);
      for (const held of ready) this.#patchYou(held);
      this.#host.shown(this.#event, seq);
      for (const held of ready) this.#emit("you", held);
      this.#changed({ from, seq, patch });
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
    this.#emit("you", { seq, patch });
  }

  #patchYou({ seq, patch }) {
    this.#yourSeq = seq;
    this.#you = mergePatch(this.#you, patch);
  }

  _onPresence({ online }) {
    this.#online = online;
    this.#emit("presence", { online });
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
    this.#host.shown(this.#event);
    this.#setLive(false);
    this._entered.reject(error ?? this.#closedError());
    for (const { deferred } of this.#waiters.splice(0)) deferred.reject(error ?? this.#closedError());
    for (const reader of this.#readers) reader.end();
    this.#readers.clear();
    this.#emit("closed", error ? { reason, error } : { reason });
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
    this.#emit("live", { live });
  }

  #changed(change) {
    Object.freeze(change);
    for (const reader of this.#readers) reader.push(change);
    this.#emit("change", change);
    const reached = this.#waiters.filter((waiter) => waiter.seq <= this.#seq);
    this.#waiters = this.#waiters.filter((waiter) => waiter.seq > this.#seq);
    for (const { deferred } of reached) deferred.resolve();
  }

  #closedError() {
    const details = { reason: this.#closed };
    return new AyesError("room_closed", `the room was closed: ${this.#closed}`, { event: this.#event, details });
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** A vote names the revision that its voter has seen, and the room shows none. */
function unknownProposal(event, id) {
  const details = { path: "revision" };
  return new AyesError("bad_request", "the room does not show this proposal", { event, id, retry: "fix", details });
}
