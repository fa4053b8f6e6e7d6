// A client of one server, as one user: puts the parts together and emits their events.
//
//   wire/        the protocol's small rules: addresses, close codes, merge patch, delays. No I/O
//   outbox/      where commands are kept across a reload
//   pending/     commands and queries, from the call that gives them to their answer
//   rooms/       the state of the rooms that were entered, and its readers
//   connection/  one socket after another, the token, the events of the page
//
// `wire/` imports nothing but the files beside this one; the other four import `wire/` and never each other.

import { systemClock } from "./clock.js";
import { Connection } from "./connection/connection.js";
import { HttpSocket } from "./connection/http-socket.js";
import { isOnline, watchPage } from "./connection/page-events.js";
import { Renewal } from "./connection/renewal.js";
import { ServerClock } from "./connection/server-clock.js";
import { Token, tokenDelays } from "./connection/token.js";
import { TransportChoice } from "./connection/transport-choice.js";
import { abortable, Deferred, rejected } from "./deferred.js";
import { AyesError } from "./error.js";
import { newId } from "./ids.js";
import { Commands } from "./pending/commands.js";
import { OutboxWriter } from "./pending/outbox-writer.js";
import { Queries } from "./pending/queries.js";
import { Entering } from "./rooms/entering.js";
import { Rooms } from "./rooms/rooms.js";
import { VERSION } from "./version.js";
import { httpUrl, socketUrl } from "./wire/address.js";
import { Backoff } from "./wire/backoff.js";
import { checkArgs, checkOptions } from "./wire/known.js";
import { TokenBucket } from "./wire/token-bucket.js";

/**
 * Longest wait for an answer on an open socket before the same id is sent again. The server decides within 5 s or says
 * that it cannot, so a later answer was lost.
 */
const ANSWER_TIMEOUT_MS = 15_000;
const SUBPROTOCOL = "ayes.v1";

/** Events after a change of the client's own properties. */
const MOVES = ["status", "transport", "welcome", "pending", "bye", "ended"];

export class Client extends Entering {
  #options;
  #serverClock;
  #token;
  #connection;
  #outbox;
  #commands;
  #queries;
  #rooms;
  #renewal;
  #welcome;
  /** Events whose rooms the present `hello` resumes. */
  #resumed = new Set();
  #ready = new Deferred();
  #loaded = new Deferred();
  /** Once the client has ended: makes the error for each further call. */
  #ended = null;
  #unwatch = () => {};
  /** Why there is no connection, or `null`. */
  #trouble = null;
  /** Whether no warning is needed: there was a welcome, or a warning. */
  #isSilent = false;
  #refs = 0;

  constructor(url, options = {}) {
    super();
    const { clock = systemClock, random = Math.random, backoff, token, outbox = null } = options;
    const { WebSocket = globalThis.WebSocket, answerTimeout = ANSWER_TIMEOUT_MS } = options;
    const { fetch = globalThis.fetch && ((...given) => globalThis.fetch(...given)), transport = "auto" } = options;
    const only = !fetch ? "websocket" : !WebSocket && "http";
    const wanted = (transport === "auto" && only) || transport;
    if (!WebSocket && wanted !== "http") throw new TypeError("there is no WebSocket here: give one as an option");
    const address = socketUrl(url);
    const warn = (text) => globalThis.console?.warn(text);
    this.#options = { page: globalThis.document && globalThis, warn, ...options, clock };
    this.#serverClock = new ServerClock(clock);
    this.#token = new Token(token, clock, () => this.#commands.assignUser());
    const emit = (type, detail) => {
      this.#emit(type, detail);
      if (type === "pending") for (const room of this.rooms.values()) room._emit(type, {});
    };
    const fault = (where, error, id) => this.#emit("fault", { where, error, ...(id !== undefined && { id }) });
    this.#outbox = new OutboxWriter({ outbox, clock, fault: (error, id) => fault("outbox", error, id) });
    const shared = {
      clock,
      serverClock: this.#serverClock,
      answerTimeout,
      backoff: new Backoff(random, backoff),
      newRef: () => `r${(this.#refs += 1)}`,
      renew: () => this.#renewal.renew(),
    };
    this.#connection = new Connection({
      ...shared,
      address: httpUrl(address),
      sockets: {
        websocket: () => new WebSocket(address, [SUBPROTOCOL]),
        http: () => new HttpSocket(httpUrl(address), { fetch, clock, random }),
      },
      choice: new TransportChoice(wanted, random),
      backoff: new Backoff(random, backoff),
      tokenBackoff: new Backoff(random, tokenDelays(backoff)),
      token: this.#token,
      bucket: new TokenBucket(clock),
      isOnline,
      delegate: this.#delegate(),
    });
    const parts = { ...shared, connection: this.#connection };
    const query = (...given) => this.query(...given);
    const isBehind = (event, seq) => this.#rooms.isBehind(event, seq);
    this.#commands = new Commands({ ...parts, outbox: this.#outbox, token: this.#token, query, emit, isBehind });
    this.#queries = new Queries(parts);
    this.#rooms = new Rooms({
      ...parts,
      command: (...given) => this.command(...given),
      query,
      vote: (event, proposal) => this.#commands.vote(event, proposal),
      pending: (event) => this.#commands.pending.filter((command) => command.event === event),
      shown: (event, seq) => this.#commands.shown(event, seq),
    });
    this.#renewal = new Renewal({
      ...shared,
      token: this.#token,
      send: (message) => this.#connection.send([message]),
      onRenewed: () => this.#onRenewed(),
      fault,
    });
  }

  // Its state.

  get status() {
    return this.#connection.status;
  }

  get transport() {
    return this.#connection.transport;
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

  now() {
    return this.#serverClock.now();
  }

  waiting() {
    return this.#commands.waiting;
  }

  get ready() {
    return this.#ready.promise;
  }

  get loaded() {
    return this.#loaded.promise;
  }

  get trouble() {
    return this.#trouble;
  }

  get rooms() {
    return this.#rooms.open;
  }

  // The application's calls.

  start() {
    if (this.status !== "idle" && this.status !== "stopped") return this;
    if (this.#ended) {
      this.#token.forget();
      this.#ended = this.#trouble = null;
      this.#ready = new Deferred();
      this.#loaded = new Deferred();
    }
    this.#unwatch();
    this.#unwatch = watchPage(this.#options.page, this.#pageHandlers());
    this.#load();
    this.#connection.start();
    return this;
  }

  retry() {
    this.#connection.retry({ force: true });
  }

  async stop() {
    const closed = this.#connection.stop();
    this.#end("stopped", ({ id, event } = {}) => AyesError.stopped({ id, event }));
    await closed;
  }

  async forgetUser() {
    const users = new Set([this.user?.id, this.#token.subject].filter((user) => user !== undefined));
    await this.stop();
    await this.#outbox.forget([...users]);
    this.#welcome = undefined;
  }

  // A call whose signal is aborted already begins nothing.

  subscribe(event, { signal } = {}) {
    if (signal?.aborted) return abortable(signal);
    return this.#refused() ?? this.#rooms.enter(event, signal);
  }

  command(type, args = {}, { id = newId(), signal, notAfter, once, unchecked, ...rest } = {}) {
    if (signal?.aborted) return abortable(signal);
    try {
      checkOptions(rest);
      if (!unchecked) checkArgs(type, args);
    } catch (error) {
      // A mistake in the program: it stays unhandled if nobody waits.
      return Promise.reject(error);
    }
    const { event } = args;
    const submit = () => this.#commands.submit(id, type, { ...args }, { notAfter, once });
    return this.#refused({ id, event }) ?? abortable(signal, submit());
  }

  query(type, args = {}, { signal } = {}) {
    if (signal?.aborted) return abortable(signal);
    return this.#refused() ?? this.#queries.ask(type, { ...args }, signal);
  }

  adopt(id) {
    return this.#commands.promise(id) ?? rejected(new AyesError("not_found", "no command of this id waits here", { effect: "unknown", id }));
  }

  watch(listener) {
    return this._watch(MOVES, listener);
  }

  cancel(id) {
    return this.#commands.cancel(id);
  }

  takeBack(id) {
    return this.#commands.takeBack(id);
  }

  // The connection's calls.

  #delegate() {
    return {
      status: (status, before) => this.#emit("status", { status, before, retryAt: this.retryAt, trouble: this.trouble }),
      trouble: (where, error) => this.#onTrouble(where, error),
      transport: (transport) => this.#emit("transport", { transport }),
      hello: (token) => this.#hello(token),
      welcome: (message) => this.#onWelcome(message),
      message: (message) => this.#onMessage(message),
      down: () => this.#onDown(),
      final: (error) => {
        this.#onTrouble("server", error);
        this.#end(error.code, (more) => closedFor(error, more));
        this.#emit("ended", { error });
      },
      bye: ({ code, message }, retryAfterMs) => this.#emit("bye", { code, message, retryAfterMs }),
      fault: (where, error) => this.#emit("fault", { where, error }),
    };
  }

  #hello(token) {
    const resume = this.#rooms.positions;
    this.#resumed = new Set(resume.map(({ event }) => event));
    const { name = "ayes-client", version = VERSION } = this.#options.client ?? {};
    return { type: "hello", token, client: { name, version }, ...(resume.length > 0 && { resume }) };
  }

  #onWelcome(message) {
    this.#welcome = message;
    this.#trouble = null;
    this.#isSilent = true;
    this.#serverClock.learn(message.time);
    this.#renewal.open();
    this.#rooms.welcomed(this.#resumed);
    this.#commands.open(message.user, message.limits);
    this.#queries.open();
    this.#ready.resolve(message);
    this.#emit("welcome", message);
  }

  #onMessage(message) {
    if (message.type === "heartbeat" || message.type === "pong") this.#serverClock.learn(message.time);
    if (this.#renewal.handle(message) || this.#queries.handle(message)) return;
    if (message.type === "ack" || (message.type === "error" && message.id !== undefined)) {
      this.#commands.onAnswer(message);
    } else if (!this.#rooms.handle(message) && message.type === "error") {
      this.#emit("fault", { where: "server", error: AyesError.from(message) });
    }
  }

  #onRenewed() {
    this.#commands.renewed();
    this.#queries.renewed();
    this.#rooms.renewed();
  }

  #onDown() {
    this.#renewal.down();
    this.#rooms.down();
    this.#queries.down();
    this.#commands.down();
  }

  /** There is no connection. Before the first welcome perhaps nothing else shows that, so one warning does. */
  #onTrouble(where, error) {
    this.#trouble = Object.freeze({ where, error, since: this.#trouble?.since ?? this.#options.clock.now() });
    if (this.#isSilent) return;
    this.#isSilent = true;
    this.#options.warn?.(`ayes-client: no connection yet: ${where === "token" ? "the token function failed: " : ""}${error?.message ?? error}`);
  }

  /** Settle every promise: the client has ended. */
  #end(reason, errorFor) {
    if (this.#ended) return;
    this.#ended = errorFor;
    this.#unwatch();
    this.#outbox.release();
    this.#rooms.end(reason, errorFor());
    this.#queries.end(errorFor());
    this.#commands.end(errorFor);
    if (!this.#ready.settled) this.#ready.reject(errorFor());
    if (!this.#loaded.settled) this.#loaded.resolve();
  }

  /** Return the rejection of a call after the end; `undefined` while the client runs. */
  #refused(more) {
    return this.#ended ? rejected(this.#ended(more)) : undefined;
  }

  // The page and the outbox.

  #pageHandlers() {
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
        this.#outbox.release();
      },
      restored: () => {
        this.#load();
        this.#connection.retry();
      },
    };
  }

  /** Read the outbox: the commands that an earlier page left in it wait here from now on. */
  async #load() {
    const loaded = this.#loaded;
    const entries = await this.#outbox.load();
    // The client may have been stopped since, and started again.
    if (loaded !== this.#loaded || this.#ended) return;
    this.#commands.restore(entries);
    loaded.resolve();
  }

  #emit(type, detail) {
    this._emit(type, detail);
  }
}

/** Make the error of a final close for one call or command. */
function closedFor({ code, message, retry, details }, { id, event } = {}) {
  return new AyesError(code, message, { effect: "unknown", retry, details, id, event });
}
