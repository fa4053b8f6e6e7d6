// One event in the page: the SDK's room, and the state that only this page has.

import { Journal } from "./journal.js";
import { News } from "./news.js";
import { leads, may } from "./permissions.js";
import { now } from "./words.js";

/** Milliseconds after which an element that appears counts as new. */
const SETTLED = 1_500;
const PAGE = 50;
/** Rows of a list of votes that are asked for at a time. */
const LIST_PAGE = 200;

/** Characters of an id that distinguish namesakes. */
const MARK_LENGTH = 4;
/** A name as the eye compares it: case, width and blanks make no other one. */
const lookOf = (name) => name.normalize("NFKC").toLowerCase().replace(/\s+/g, " ");

export class RoomStore {
  constructor(event, client, acts, changed, token, heard = () => {}) {
    this.event = event;
    this.client = client;
    this.acts = acts;
    this.changed = changed;
    this.heard = heard;
    this.news = new News(heard);
    this.room = null;
    this.error = null;
    this.since = Date.now();
    /** Proposals that were open while this page watched; they stay in their place when decided. */
    this.watched = new Set();
    /** Proposals of others that came during this visit and were not in view yet. */
    this.fresh = new Set();
    /** Those of them whose cards came into view. */
    this.inView = new Set();
    /** Its first state was seen: what comes from now on is new. */
    this.isKnown = false;
    /** When the room was live last, while it is not. */
    this.lostAt = null;
    /** User id → name, of everybody seen here. */
    this.names = new Map();
    /** Users whose names look like another one's. */
    this.alike = new Set();
    /** Lists asked for: key → {items, next, loading, error}. */
    this.lists = new Map();
    /** Invitations made in this visit, with their secrets: the server shows a secret once. */
    this.secrets = [];
    /** Pages beyond the room's windows: what → {items, next, loading, error}. */
    this.pages = { proposals: emptyPage(), comments: emptyPage(), members: emptyPage(), requests: emptyPage(), invitations: emptyPage() };
    /** The acts of admins, for admins. */
    this.journal = new Journal(event, token, changed);
    this.enter();
  }

  async enter() {
    this.error = null;
    try {
      this.room = await this.client.subscribe(this.event);
    } catch (error) {
      this.error = error;
      this.changed();
      return;
    }
    this.room.addEventListener("change", (event) => this.journal.heard(event.detail));
    for (const type of ["change", "you", "presence", "live", "closed"]) {
      this.room.addEventListener(type, () => this.moved());
    }
    this.moved();
  }

  moved() {
    const { state } = this.room;
    this.news.look(state, this.me);
    this.heard();
    this.lostAt = this.room.live ? null : (this.lostAt ?? now());
    this.#learn(Object.entries(state.members ?? {}));
    this.#learn(Object.entries(state.requests ?? {}));
    for (const [id, proposal] of Object.entries(state.proposals ?? {})) {
      if (proposal.status !== "pending") this.fresh.delete(id);
      else if (!this.watched.has(id)) {
        this.watched.add(id);
        if (this.isKnown && proposal.author !== this.me) this.fresh.add(id);
      }
    }
    this.isKnown = true;
    this.changed();
  }

  /** "loading", "refused" (see `error`), "closed" (see `room.closed`), "waiting" to be let in, or "open". */
  get phase() {
    if (this.error) return "refused";
    if (!this.room) return "loading";
    if (this.room.closed) return "closed";
    return this.room.you.membership?.status === "accepted" ? "open" : "waiting";
  }

  get state() {
    return this.room.state;
  }

  get you() {
    return this.room.you;
  }

  get role() {
    return this.room.you.membership?.role;
  }

  /** Whether the user may all that an admin may. */
  get isAdmin() {
    return leads(this.role);
  }

  get status() {
    return this.room.state.event.status;
  }

  /** Whether an element that appears now is news. */
  get settled() {
    return Date.now() - this.since > SETTLED;
  }

  run(type, args = {}) {
    return this.acts.run(type, { event: this.event, ...args });
  }

  act(key) {
    return this.acts.of(this.event, key);
  }

  /** Keep the secrets of invitations that were just made. */
  heardAct(act) {
    if (act.type === "invitation.create" && act.state === "confirmed") this.secrets.push(...(act.ack.result?.invitations ?? []));
  }

  forgetSecrets() {
    this.secrets = [];
    this.changed();
  }

  name(user) {
    return this.names.get(user);
  }

  /** Whether `command` is to be offered here. */
  may(command) {
    return may(command, this.role, this.status);
  }

  /** What my vote on the proposal `id` says, one on its way included; null without one. */
  stance(id) {
    return this.room.tally(id)?.mine ?? null;
  }

  /** The end of the id of `user`, if somebody else here has the same name; else undefined. */
  mark(user) {
    return this.alike.has(user) ? user.slice(-MARK_LENGTH) : undefined;
  }

  /** The name of `user` for a sentence, with the mark of a namesake. */
  label(user, name = this.name(user)) {
    const mark = this.mark(user);
    return mark ? `${name} (${mark})` : name;
  }

  /** Keep these names, and compare them if one is new. */
  #learn(users) {
    const fresh = users.filter(([id, { name }]) => this.names.get(id) !== name);
    if (fresh.length === 0) return;
    for (const [id, { name }] of fresh) this.names.set(id, name);
    const byLook = new Map();
    for (const [id, name] of this.names) byLook.set(lookOf(name), [...(byLook.get(lookOf(name)) ?? []), id]);
    this.alike = new Set([...byLook.values()].filter((ids) => ids.length > 1).flat());
  }

  get me() {
    return this.client.user?.id;
  }

  /** The proposal's card came into view. */
  met(id) {
    this.inView.add(id);
    this.changed();
  }

  /** The proposal was in view for a while. */
  saw(id) {
    if (this.fresh.delete(id)) this.changed();
  }

  /** No longer keep decided proposals among the open ones. */
  tidy() {
    for (const id of this.watched) {
      if (this.state.proposals[id]?.status !== "pending") this.watched.delete(id);
    }
    this.changed();
  }

  /** Read the list `key` with the query `type`: from its beginning, or with `more` its next page. */
  async list(key, type, about, more = false) {
    const found = this.lists.get(key) ?? { items: [], next: undefined };
    if (found.loading) return;
    Object.assign(found, { loading: true, error: null });
    this.lists.set(key, found);
    this.changed();
    try {
      const reply = await this.client.query(type, { event: this.event, ...about, limit: LIST_PAGE, ...(more && { before: found.next }) });
      const items = reply[type.split(".")[0]];
      found.items = more ? [...found.items, ...items] : items;
      found.next = reply.next;
    } catch (error) {
      found.error = error;
    }
    found.loading = false;
    this.changed();
  }

  /** One more page of `what` ("proposals", "comments", "members") from beyond the window. */
  async more(what) {
    const page = this.pages[what];
    if (page.loading || page.done) return;
    page.loading = true;
    page.error = null;
    this.changed();
    try {
      const asked = { event: this.event, limit: PAGE, ...(page.next && { before: page.next }) };
      const reply = await this.client.query(`${what}.list`, asked);
      for (const item of reply[what]) page.items.set(item.id, item);
      page.next = reply.next;
      page.done = reply.next === undefined;
      if (what === "members") this.#learn(reply.members.map((member) => [member.id, member]));
    } catch (error) {
      page.error = error;
    }
    page.loading = false;
    this.changed();
  }

  close() {
    // It may not have been entered yet; then no view would hold it open.
    (this.room ?? this.client.rooms.get(this.event))?.leave();
  }
}

const emptyPage = () => ({ items: new Map(), next: undefined, done: false, loading: false, error: null });
