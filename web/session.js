// A signed-in user: their socket, rooms, events and commands.

import { Client, indexedDbOutbox } from "../sdk/ayes.js";
import { Acts } from "./acts.js";
import { RoomStore } from "./room.js";

/** Rooms kept open behind the one that is looked at, so that going back is immediate. */
const MAX_ROOMS = 8;
/** The page's own address, under the path of a proxy too. */
const BASE = new URL("../", import.meta.url);

export class Session {
  /**
   * `signin`: gives tokens. `changed` is called after every change. `heard(event, kind)` is called after
   * an act of others in a room; `kind` is left out if it is no news. `settled(act)` is called when an act
   * was answered, and `ended(error)` when the server closed for good.
   */
  constructor(signin, { changed, heard, settled, ended }) {
    this.signin = signin;
    this.changed = changed;
    this.heard = heard;
    this.rooms = new Map();
    this.events = { list: null, next: undefined, error: null, loading: false };
    this.overviews = new Map();
    this.end = null;
    const address = new URL("v1/socket", BASE);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    this.client = new Client(address, {
      token: ({ expired }) => {
        if (expired) signin.ended();
        return signin.token();
      },
      client: { name: "ayes-page", version: signin.config?.version },
      outbox: indexedDbOutbox("ayes"),
      // The page shows itself why there is no connection.
      warn: null,
    });
    this.acts = new Acts(this.client, changed, settled, () => this.now());
    this.client.addEventListener("fault", ({ detail }) => {
      if (detail.where === "outbox") changed();
    });
    for (const type of ["status", "welcome", "pending", "bye", "transport"]) {
      this.client.addEventListener(type, () => changed());
    }
    this.client.addEventListener("ended", ({ detail }) => ended(detail.error));
    this.client.addEventListener("welcome", () => this.loadEvents());
    this.client.start();
    this.acts.adopt();
  }

  get user() {
    return this.client.user;
  }

  /** Milliseconds by the server's clock; by this machine's until the server has said. */
  now() {
    return this.client.now();
  }

  get online() {
    return this.client.status === "open";
  }

  /** The room of `event`, entered if necessary; one that was refused or closed stays so until `forget`. */
  room(event) {
    const store = this.rooms.get(event) ?? this.#open(event);
    // The one looked at last stands last, and is the last to go.
    this.rooms.delete(event);
    this.rooms.set(event, store);
    while (this.rooms.size > MAX_ROOMS) this.forget(this.rooms.keys().next().value);
    return store;
  }

  #open(event) {
    const { client, acts, changed, signin } = this;
    const heard = (kind) => this.heard(event, kind);
    return new RoomStore(event, client, acts, changed, () => signin.token(), heard);
  }

  /** Ask again for a room that was closed or refused. */
  forget(event) {
    this.rooms.get(event)?.close();
    this.rooms.delete(event);
    this.changed();
  }

  /** My events again, or with `more` the next page of them. */
  async loadEvents(more = false) {
    const { events } = this;
    if (events.loading) return;
    events.loading = true;
    events.error = null;
    try {
      const reply = await this.client.query("events.list", more ? { after: events.next } : {});
      events.list = more ? [...events.list, ...reply.events] : reply.events;
      events.next = reply.next;
    } catch (error) {
      if (error.code !== "stopped") events.error = error;
    }
    events.loading = false;
    this.changed();
  }

  /** The overview of the event behind `code`, before joining: {loading, reply, error}. */
  overview(code) {
    let found = this.overviews.get(code);
    if (!found) {
      found = { loading: true, reply: null, error: null };
      this.overviews.set(code, found);
      this.client
        .query("event.overview", { code })
        .then((reply) => (found.reply = reply), (error) => (found.error = error))
        .finally(() => {
          found.loading = false;
          this.changed();
        });
    }
    return found;
  }

  /** Ask again the next time. */
  forgetOverview(code) {
    this.overviews.delete(code);
    this.changed();
  }

  /** Commands without an answer, the oldest first: `{id, type, args, since, sent, kept}`. */
  waiting() {
    return this.client.waiting();
  }

  /** Commands that would be lost with this page, since the browser's store did not take them. */
  unkept() {
    return this.online ? [] : this.waiting().filter((entry) => !entry.kept);
  }

  /** Commands that surely never left this browser. */
  unsent() {
    return this.waiting().filter((entry) => !entry.sent);
  }

  /** Stop, and forget this user's commands, so that no other user sends them. */
  async forgetUser() {
    try {
      await this.client.forgetUser();
    } catch {
      // The store is out of reach: its commands are bound to this user, and no other user sends them.
    }
  }

  stop() {
    return this.client.stop();
  }
}
