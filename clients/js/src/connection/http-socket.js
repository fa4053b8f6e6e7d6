// The protocol of the socket over HTTP, for networks that let no WebSocket through: an object that a connection uses
// like a WebSocket. Commands and queries go out as POST requests, rooms come in as streams of Server-Sent Events.

import { ABNORMAL, BAD_TOKEN, NORMAL, TOKEN_EXPIRED, TOKEN_TOO_EARLY, TRY_AGAIN_LATER } from "../wire/close-codes.js";
import { expiryOf } from "../wire/jwt.js";
import { FollowedRoom } from "./followed-room.js";

/** Commands and queries under way at once; the others wait. With streams and a ping they fill what a browser allows. */
const MAX_REQUESTS = 2;
/** Streams at once; further rooms fetch snapshots. A browser opens six connections to a host over HTTP/1.1. */
const MAX_STREAMS = 3;
/** Longest wait for a response. The server decides within 15 s or says that it cannot. */
const REQUEST_TIMEOUT_MS = 30_000;
/** Heartbeat while the welcome is on its way. */
const DEFAULT_HEARTBEAT_MS = 20_000;
/** Codes of an error that refuses a `hello` → the close of a socket. */
const CLOSES = Object.freeze({ auth_expired: TOKEN_EXPIRED, auth_early: TOKEN_TOO_EARLY, unauthenticated: BAD_TOKEN });
/** Longest delay that is taken from a `Retry-After` of another program. */
const MAX_FOREIGN_DELAY_MS = 300_000;
/** The `expires` of a token that does not say when it ends. */
const EXPIRES_NEVER = "9999-12-31T23:59:59.000Z";

export class HttpSocket extends EventTarget {
  readyState = 0;
  /** Bytes of messages that wait for a request of their own. */
  bufferedAmount = 0;
  heartbeatMs = DEFAULT_HEARTBEAT_MS;
  #token;
  #rooms = new Map();
  /** Messages that wait, oldest first. */
  #waiting = [];
  /** Events with a command under way: the next one of the event waits, so that they are decided in order. */
  #busyEvents = new Set();
  #requests = 0;
  /** Aborts the requests under way. */
  #aborting = new Set();
  #heardAt = 0;
  #timer = null;
  #canStream = true;
  #isPinging = false;

  /** `url` is the server's, over HTTP. */
  constructor(url, { fetch, clock, random }) {
    super();
    Object.assign(this, { url, fetch, clock, random });
    queueMicrotask(() => {
      if (this.readyState !== 0) return;
      this.readyState = 1;
      this.dispatchEvent(new Event("open"));
    });
  }

  send(text) {
    const given = JSON.parse(text);
    for (const message of Array.isArray(given) ? given : [given]) this.#take(message);
  }

  close(code = NORMAL) {
    if (this.readyState >= 2) return;
    this.readyState = 2;
    this.#end(code);
  }

  // The rooms' host.

  get #host() {
    return {
      clock: this.clock,
      random: this.random,
      heartbeatMs: this.heartbeatMs,
      request: (path, options) => this.#fetch(path, options),
      notTheServers,
      messageOf,
      deliver: (message) => this.#deliver(message),
      onLife: () => this.#onLife(),
      check: () => this.#ping(),
      noStreams: () => (this.#canStream = false),
      drop: (room) => this.#rooms.get(room.event) === room && this.#leave(room.event),
    };
  }

  // What the connection sends.

  #take(message) {
    const { type, event, ref } = message;
    if (type === "hello") {
      this.#hello(message);
    } else if (type === "auth") {
      this.#renew(message);
    } else if (type === "subscribe") {
      this.#follow(message);
    } else if (type === "unsubscribe") {
      this.#leave(event);
      this.#deliver({ type: "unsubscribed", event, reason: "client", ref });
    } else if (type === "ping" && ref === undefined) {
      this.#ping();
    } else {
      this.#enqueue(message);
    }
  }

  async #hello({ token, resume = [], ...hello }) {
    this.#token = token;
    const answer = await this.#exchange("/v1/queries", hello);
    if (answer === undefined) return;
    if (answer.type !== "welcome") {
      const isElsewhere = answer.code === "not_found";
      const message = `no server answers there: ${answer.message}; ${CHECK_PATH}`;
      this.#refuse(isElsewhere ? { ...answer, message } : answer);
      return;
    }
    this.heartbeatMs = answer.heartbeat_ms || DEFAULT_HEARTBEAT_MS;
    this.#deliver(answer);
    this.#onLife();
    this.#keepAlive();
    for (const position of resume) this.#follow(position);
  }

  /** End as the socket does after the same error. */
  #refuse(error) {
    const code = CLOSES[error.code];
    this.#deliver(error);
    if (code === undefined && error.retry_after_ms !== undefined) {
      this.#deliver({ type: "bye", code: TRY_AGAIN_LATER, retry_after_ms: error.retry_after_ms, message: error.message });
    }
    this.#end(code ?? ABNORMAL);
  }

  async #renew({ token, ref }) {
    const before = this.#token;
    this.#token = token;
    const answer = await this.#exchange("/v1/queries", { type: "ping" });
    if (answer === undefined) return;
    if (answer.type === "error") {
      this.#token = before;
      this.#deliver({ ...answer, ref });
      return;
    }
    const expires = expiryOf(token);
    this.#deliver({
      type: "authenticated",
      expires: expires === null ? EXPIRES_NEVER : new Date(expires).toISOString(),
      ref,
    });
  }

  #follow(position) {
    // A subscription that is asked for again before its answer goes on, or a held-back stream would never be given up.
    if (this.#rooms.get(position.event)?.takes(position)) return;
    this.#leave(position.event);
    const room = new FollowedRoom(this.#host, position);
    const streams = [...this.#rooms.values()].filter(({ isStreaming }) => isStreaming).length;
    this.#rooms.set(position.event, room);
    room.start({ stream: this.#canStream && streams < MAX_STREAMS });
  }

  #leave(event) {
    this.#rooms.get(event)?.end();
    this.#rooms.delete(event);
  }

  // Requests.

  #enqueue(message) {
    const size = JSON.stringify(message).length;
    this.bufferedAmount += size;
    this.#waiting.push({ message, size });
    this.#pump();
  }

  #pump() {
    for (let index = 0; index < this.#waiting.length && this.#requests < MAX_REQUESTS; ) {
      const { message, size } = this.#waiting[index];
      const lane = message.id === undefined ? undefined : message.event ?? "";
      if (lane !== undefined && this.#busyEvents.has(lane)) {
        index += 1;
        continue;
      }
      this.#waiting.splice(index, 1);
      this.bufferedAmount -= size;
      this.#post(message, lane);
    }
  }

  async #post(message, lane) {
    this.#requests += 1;
    if (lane !== undefined) this.#busyEvents.add(lane);
    const answer = await this.#exchange(lane === undefined ? "/v1/queries" : "/v1/commands", message);
    this.#requests -= 1;
    this.#busyEvents.delete(lane);
    if (answer === undefined) return;
    this.#deliver(named(answer, message));
    this.#pump();
  }

  /** Ask whether the server is in reach; slow commands do not hold that up. */
  async #ping() {
    if (this.#isPinging) return;
    this.#isPinging = true;
    const answer = await this.#exchange("/v1/queries", { type: "ping" });
    this.#isPinging = false;
    if (answer?.code === FOREIGN) this.#end(ABNORMAL);
    else if (answer !== undefined) this.#deliver(answer.type === "pong" ? answer : { type: "heartbeat" });
  }

  /** Return the answer to one message; `undefined` if the connection ended over it. */
  async #exchange(path, message) {
    const aborting = new AbortController();
    this.#aborting.add(aborting);
    const timer = this.clock.setTimeout(() => aborting.abort(), REQUEST_TIMEOUT_MS);
    try {
      const body = JSON.stringify(message);
      const headers = { "Content-Type": "application/json" };
      const response = await this.#fetch(path, { method: "POST", headers, body, signal: aborting.signal });
      const answer = await messageOf(response);
      if (this.readyState !== 1) return undefined;
      if (answer.code !== FOREIGN) this.#onLife();
      return answer;
    } catch (error) {
      // No answer: the commands are sent again on the next connection.
      this.#fail(error);
      this.#end(ABNORMAL);
      return undefined;
    } finally {
      this.clock.clearTimeout(timer);
      this.#aborting.delete(aborting);
    }
  }

  #fetch(path, { headers, ...options }) {
    return this.fetch(this.url + path, {
      cache: "no-store",
      credentials: "omit",
      ...options,
      headers: { ...headers, Authorization: `Bearer ${this.#token}` },
    });
  }

  // Life and end.

  #onLife() {
    const now = this.clock.now();
    // A stream's comments are not messages, but show that the connection is alive.
    if (now - this.#heardAt >= this.heartbeatMs / 2) this.#deliver({ type: "heartbeat" });
    this.#heardAt = now;
  }

  /** Without a stream nothing comes in by itself: ask as often as a server's heartbeat comes. */
  #keepAlive() {
    this.#timer = this.clock.setTimeout(() => {
      if (this.clock.now() - this.#heardAt >= this.heartbeatMs) this.#ping();
      this.#keepAlive();
    }, this.heartbeatMs);
  }

  #deliver(message) {
    if (this.readyState !== 1) return;
    const event = new Event("message");
    event.data = JSON.stringify(message);
    this.dispatchEvent(event);
  }

  /** Emit why there is no answer, as Node's WebSocket does; the cause is in the error of `fetch`. */
  #fail(error) {
    if (this.readyState !== 1) return;
    this.dispatchEvent(Object.assign(new Event("error"), { message: error.cause?.message || error.message }));
  }

  #end(code) {
    if (this.readyState === 3) return;
    for (const aborting of this.#aborting) aborting.abort();
    for (const room of this.#rooms.values()) room.end();
    this.#rooms.clear();
    this.#waiting = [];
    this.bufferedAmount = 0;
    if (this.#timer !== null) this.clock.clearTimeout(this.#timer);
    this.#timer = null;
    this.readyState = 3;
    queueMicrotask(() => {
      const event = new Event("close");
      event.code = code;
      this.dispatchEvent(event);
    });
  }
}

const CHECK_PATH = "check the address's path";

/** The code of an answer that is not the server's. It decides nothing, so that the same id is sent again. */
const FOREIGN = "timeout";

/** Return the server's message in a response, or an error in place of what another program has sent. */
async function messageOf(response) {
  const text = await response.text();
  try {
    const message = JSON.parse(text);
    const { type, code } = message;
    if (typeof type === "string" && (type === "error" ? typeof code === "string" : response.ok)) return message;
  } catch {
    // Not this server's.
  }
  return notTheServers(response);
}

function notTheServers({ status, headers }) {
  const advice = [403, 404, 405].includes(status) ? `; ${CHECK_PATH}` : "";
  return foreign(`the answer was ${status}, and not the server's${advice}`, headers.get("Retry-After"));
}

function foreign(message, retryAfter) {
  const delay = /^\d+$/.test(retryAfter) && { retry_after_ms: Math.min(retryAfter * 1_000, MAX_FOREIGN_DELAY_MS) };
  return { type: "error", code: FOREIGN, message, effect: "unknown", retry: "same", details: {}, ...delay };
}

/** Return `answer` if it is one to `message`; an answer to another message decides nothing. */
function named(answer, { id, ref }) {
  const isError = answer.type === "error";
  const fits = id === undefined ? (answer.ref ?? ref) === ref : isError || (answer.type === "ack" && answer.id === id);
  const given = fits ? answer : foreign("the answer was one to something else");
  return { ...given, ...(given.type === "error" && id !== undefined && { id }), ...(ref !== undefined && { ref }) };
}
