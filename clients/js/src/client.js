// A client of one server, as one user. It puts the parts together and tells what they tell.

import { Backoff } from "./backoff.js";
import { realClock } from "./clock.js";
import { Commands } from "./commands.js";
import { Connection, socketUrl } from "./connection.js";
import { Deferred, heeding, within } from "./deferred.js";
import { AyesError } from "./error.js";
import { newId } from "./ids.js";
import { isOnline, watchPage } from "./page-life.js";
import { Pace } from "./pace.js";
import { Questions } from "./questions.js";
import { Renewal } from "./renewal.js";
import { Rooms } from "./rooms.js";
import { Token } from "./token.js";
import { VERSION } from "./version.js";

/** The server decides within 5 s or says that it cannot; beyond that an answer was lost on the way. */
const ANSWER_TIMEOUT_MS = 15_000;
/** Longest that reading the outbox may hold up what was given since. */
const LOAD_MS = 5_000;

export class Client extends EventTarget {
  #options;
  #clock;
  #token;
  #connection;
  #commands;
  #questions;
  #rooms;
  #renewal;
  #welcome;
  #resumed = new Set();
  #ready = new Deferred();
  #loaded = new Deferred();
  #ended = null;
  #unwatch = () => {};
  #refs = 0;

  constructor(url, options = {}) {
    super();
    const { clock = realClock, random = Math.random, backoff, token, outbox = null } = options;
    const { WebSocket = globalThis.WebSocket, answerTimeout = ANSWER_TIMEOUT_MS } = options;
    if (!WebSocket) throw new TypeError("there is no WebSocket here: give one as an option");
    this.#options = { outbox, page: globalThis.document && globalThis, ...options };
    this.#clock = clock;
    this.#token = new Token(token, clock, () => this.#commands.own());
    const shared = {
      clock,
      answerTimeout,
      backoff: new Backoff(random, backoff),
      newRef: () => `r${(this.#refs += 1)}`,
      renew: () => this.#renewal.now(),
    };
    this.#connection = new Connection({
      ...shared,
      url: socketUrl(url),
      WebSocket,
      backoff: new Backoff(random, backoff),
      token: this.#token,
      pace: new Pace(clock),
      isOnline,
      owner: this.#owner(),
    });
    const parts = { ...shared, connection: this.#connection };
    const tell = (type, detail) => this.#tell(type, detail);
    this.#commands = new Commands({ ...parts, outbox, token: this.#token, tell });
    this.#questions = new Questions(parts);
    this.#rooms = new Rooms({ ...parts, command: (...given) => this.command(...given) });
    this.#renewal = new Renewal({
      ...shared,
      token: this.#token,
      send: (message) => this.#connection.send([message]),
      done: () => this.#renewed(),
      fault: (where, error) => this.#tell("fault", { where, error }),
    });
  }

  // What it is.

  get status() {
    return this.#connection.status;
  }

  get user() {
    return this.#welcome?.user;
  }

  get limits() {
    return this.#welcome?.limits;
  }

  get session() {
    return this.#welcome?.session;
  }

  get retryAt() {
    return this.#connection.retryAt;
  }

  get pending() {
    return this.#commands.pending;
  }

  get ready() {
    return this.#ready.promise;
  }

  get loaded() {
    return this.#loaded.promise;
  }

  get rooms() {
    return this.#rooms.open;
  }

  // What its user does.

  start() {
    if (this.status !== "idle" && this.status !== "stopped") return this;
    if (this.#ended) {
      this.#token.forget();
      this.#ended = null;
      this.#ready = new Deferred();
      this.#loaded = new Deferred();
    }
    this.#unwatch();
    this.#unwatch = watchPage(this.#options.page, this.#page());
    this.#load();
    this.#connection.start();
    return this;
  }

  retry() {
    this.#connection.retry({ insisted: true });
  }

  async stop() {
    const closed = this.#connection.stop();
    this.#end("stopped", ({ id, event } = {}) => AyesError.stopped({ id, event }));
    await closed;
  }

  // What is asked with a signal that was aborted already is not begun.

  subscribe(event, { signal } = {}) {
    if (signal?.aborted) return heeding(signal);
    return this.#refused() ?? heeding(signal, this.#rooms.enter(event));
  }

  command(type, args = {}, { id = newId(), signal } = {}) {
    if (signal?.aborted) return heeding(signal);
    const { event } = args;
    return this.#refused({ id, event }) ?? heeding(signal, this.#commands.give(id, type, { ...args }));
  }

  query(type, args = {}, { signal } = {}) {
    if (signal?.aborted) return heeding(signal);
    return this.#refused() ?? this.#questions.ask(type, { ...args }, signal);
  }

  adopt(id) {
    return this.#commands.promise(id);
  }

  cancel(id) {
    return this.#commands.cancel(id);
  }

  // What the connection tells.

  #owner() {
    return {
      status: (status, before) => this.#tell("status", { status, before, retryAt: this.retryAt }),
      hello: (token) => this.#hello(token),
      welcome: (message) => this.#welcomed(message),
      message: (message) => this.#take(message),
      down: () => this.#down(),
      final: (error) => {
        this.#end(error.code, (more) => closedFor(error, more));
        this.#tell("ended", { error });
      },
      bye: ({ code, message }, retryAfterMs) => this.#tell("bye", { code, message, retryAfterMs }),
      fault: (where, error) => this.#tell("fault", { where, error }),
    };
  }

  #hello(token) {
    const resume = this.#rooms.positions;
    this.#resumed = new Set(resume.map(({ event }) => event));
    const { name = "ayes-client", version = VERSION } = this.#options.client ?? {};
    return { type: "hello", token, client: { name, version }, ...(resume.length > 0 && { resume }) };
  }

  #welcomed(message) {
    this.#welcome = message;
    this.#renewal.open(message.time);
    this.#rooms.welcomed(this.#resumed);
    this.#commands.open(message.user, message.limits);
    this.#questions.open();
    this.#ready.resolve(message);
    this.#tell("welcome", message);
  }

  #take(message) {
    if (this.#renewal.takes(message) || this.#questions.takes(message)) return;
    if (message.type === "ack" || (message.type === "error" && message.id !== undefined)) {
      this.#commands.take(message);
    } else if (!this.#rooms.takes(message) && message.type === "error") {
      this.#tell("fault", { where: "server", error: AyesError.from(message) });
    }
  }

  #renewed() {
    this.#commands.renewed();
    this.#questions.renewed();
    this.#rooms.renewed();
  }

  #down() {
    this.#renewal.down();
    this.#rooms.down();
    this.#questions.down();
    this.#commands.down();
  }

  /** Nothing more will come: every promise is settled. */
  #end(reason, errorFor) {
    if (this.#ended) return;
    this.#ended = errorFor;
    this.#unwatch();
    this.#options.outbox?.release?.();
    this.#rooms.end(reason, errorFor());
    this.#questions.end(errorFor());
    this.#commands.end(errorFor);
    if (!this.#ready.settled) this.#ready.reject(errorFor());
    if (!this.#loaded.settled) this.#loaded.resolve();
  }

  /** The rejection of what is asked of a client that has ended, if it has. */
  #refused(more) {
    if (!this.#ended) return undefined;
    const refused = new Deferred();
    refused.reject(this.#ended(more));
    return refused.promise;
  }

  // The page, and what it left behind.

  #page() {
    return {
      online: () => {
        this.#connection.networkChanged();
        this.#connection.retry();
        this.#connection.probe();
      },
      offline: () => {
        this.#connection.networkChanged();
        this.#connection.probe({ away: true });
      },
      shown: () => {
        this.#connection.retry();
        this.#connection.probe();
        this.#load();
      },
      hidden: () => {
        this.#connection.suspend();
        this.#options.outbox?.release?.();
      },
      restored: () => {
        this.#load();
        this.#connection.retry();
      },
    };
  }

  /** Read the outbox: what an earlier page left in it waits here from now on. */
  async #load() {
    const loaded = this.#loaded;
    let entries = [];
    if (this.#options.outbox) {
      try {
        entries = await within(this.#options.outbox.load(), LOAD_MS, this.#clock, "the outbox");
      } catch (error) {
        this.#tell("fault", { where: "outbox", error });
      }
    }
    // Stopped, and perhaps started again, in the meantime.
    if (loaded !== this.#loaded || this.#ended) return;
    this.#commands.adopt(entries);
    loaded.resolve();
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** A final close, for one of those who waited. */
function closedFor({ code, message, retry, details }, { id, event } = {}) {
  return new AyesError(code, message, { effect: "unknown", retry, details, id, event });
}
