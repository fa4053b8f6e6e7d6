// One event as it stands: snapshots replace it, diffs fold into it, a gap is asked about.
//
// What begins with an underscore is for `rooms.js`.

import { Changes } from "./changes.js";
import { Deferred, heeding } from "./deferred.js";
import { AyesError } from "./error.js";
import { mergePatch } from "./merge-patch.js";

export class Room extends EventTarget {
  #host;
  #event;
  #state;
  #you;
  #seq;
  #epoch;
  #yourSeq = -1;
  #online;
  #live = false;
  #closed;
  /** The next answer has to be a snapshot: the last one did not fit. */
  #whole = false;
  #readers = new Set();
  #marks = [];
  _entered = new Deferred();

  /** `host` sends for it: `command(type, args, options)`, `subscribe(room)`, `leave(room)`. */
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

  /** Where to go on from: for `subscribe`, and for `resume` in `hello`. */
  get _position() {
    const { event, epoch, seq } = this;
    return seq === undefined || this.#whole ? { event } : { event, epoch, seq };
  }

  // What its user does.

  reached(seq, { signal } = {}) {
    const mark = { seq, deferred: new Deferred() };
    if (this.#closed !== undefined) mark.deferred.reject(this.#closedError());
    else if (this.#seq >= seq) mark.deferred.resolve();
    else this.#marks.push(mark);
    return heeding(signal, mark.deferred.promise, () => (this.#marks = this.#marks.filter((one) => one !== mark)));
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
    const words = revision ?? (known ? this.#state.proposals[proposal].revision : undefined);
    if (words === undefined) return unknownWords(this.#event, options.id);
    return this.command("vote.cast", { proposal, revision: words }, options);
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

  // What the server says.

  _snapshot({ epoch, seq, state, you, reason }) {
    const from = this.#seq ?? seq;
    this.#epoch = epoch;
    this.#seq = seq;
    this.#state = state;
    const yours = this.#replaceYou(you, seq);
    this.#whole = false;
    this.#follow();
    if (yours) this.#tell("you", { seq });
    this.#changed({ from, seq, reason });
  }

  _resumed({ epoch, from, seq, patch, you }) {
    if (epoch !== this.#epoch || !(from <= this.#seq)) {
      this.#whole = true;
      this.#lost();
      return;
    }
    const before = this.#seq;
    const yours = this.#replaceYou(you, seq);
    if (seq >= before) {
      this.#seq = seq;
      this.#state = mergePatch(this.#state, patch);
    }
    this.#follow();
    if (yours) this.#tell("you", { seq });
    if (seq > before) this.#changed({ from: before, seq, patch });
  }

  _diff({ epoch, from, seq, patch }) {
    // Nothing is known yet, or it was asked about already: the answer will tell.
    if (!this.#live) return;
    if (epoch !== this.#epoch || (from !== this.#seq && seq > this.#seq)) {
      this.#lost();
    } else if (seq > this.#seq) {
      this.#seq = seq;
      this.#state = mergePatch(this.#state, patch);
      this.#changed({ from, seq, patch });
    }
  }

  _you({ seq, patch }) {
    if (this.#you === undefined || seq < this.#yourSeq) return;
    this.#yourSeq = seq;
    this.#you = mergePatch(this.#you, patch);
    this.#tell("you", { seq, patch });
  }

  _presence({ online }) {
    this.#online = online;
    this.#tell("presence", { online });
  }

  /** Whether a heartbeat's position shows that something did not arrive. */
  _isBehind([epoch, seq]) {
    return this.#live && (epoch !== this.#epoch || seq > this.#seq);
  }

  /** Ask where the room stands; nothing is taken before the answer. */
  _resync() {
    this.#lost();
  }

  _down() {
    this.#setLive(false);
  }

  _close(reason, error) {
    if (this.#closed !== undefined) return;
    this.#closed = reason;
    this.#setLive(false);
    this._entered.reject(error ?? this.#closedError());
    for (const { deferred } of this.#marks.splice(0)) deferred.reject(error ?? this.#closedError());
    for (const reader of this.#readers) reader.end();
    this.#readers.clear();
    this.#tell("closed", error ? { reason, error } : { reason });
  }

  /** What is yours came whole; whether it is another. */
  #replaceYou(you, seq) {
    const another = JSON.stringify(you) !== JSON.stringify(this.#you);
    this.#you = you;
    this.#yourSeq = seq;
    return another;
  }

  #lost() {
    this.#setLive(false);
    this.#host.subscribe(this);
  }

  #follow() {
    this._entered.resolve(this);
    this.#setLive(true);
  }

  #setLive(live) {
    if (this.#live === live) return;
    this.#live = live;
    this.#tell("live", { live });
  }

  #changed(change) {
    Object.freeze(change);
    for (const reader of this.#readers) reader.push(change);
    this.#tell("change", change);
    const reached = this.#marks.filter((mark) => mark.seq <= this.#seq);
    this.#marks = this.#marks.filter((mark) => mark.seq > this.#seq);
    for (const { deferred } of reached) deferred.resolve();
  }

  #closedError() {
    const details = { reason: this.#closed };
    return new AyesError("room_closed", `the room was closed: ${this.#closed}`, { event: this.#event, details });
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** A vote is for words that the voter has seen; there are none here. */
function unknownWords(event, id) {
  const refused = new Deferred();
  const details = { path: "revision" };
  refused.reject(new AyesError("bad_request", "the room does not show this proposal", { event, id, retry: "fix", details }));
  return refused.promise;
}
