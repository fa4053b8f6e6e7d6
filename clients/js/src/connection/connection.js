// One socket at a time, for as long as the client runs: opened, greeted, watched, given up, opened
// anew. What is said on it is the client's business, but for `hello`, `welcome` and `bye`.

import { isFinal, NORMAL, TOKEN_EXPIRED } from "./closes.js";
import { AyesError } from "./error.js";
import { mayFollow } from "./states.js";

/** Longest from the start of an attempt to its welcome, without the time a token takes. */
const WELCOME_MS = 15_000;
/** Beats without a word until a socket counts as dead. */
const SILENT_BEATS = 2.5;
/** How soon a living server answers a ping that asks whether it is there. */
const PROBE_MS = 5_000;
/** The same where the browser has just said that the network is gone. It may be wrong, as it is for a
 * server on one's own machine, so it is asked; it is mostly right, so it is not asked for long. */
const AWAY_MS = 1_500;
/** A socket that held so long was a good one: the next wait is short again. */
const STEADY_MS = 5_000;
/** After a `bye` the server closes; where it does not, the client does, this late. */
const BYE_MS = 10_000;
/** Longest wait for the other side's close frame in `stop`. */
const CLOSE_MS = 1_000;
const PROTOCOL = "ayes.v1";

/** The socket's address for a server's: `https://host` is `wss://host/v1/socket`. */
export function socketUrl(given, base = globalThis.location?.href) {
  const url = new URL(given, base);
  if (url.protocol === "http:" || url.protocol === "https:") {
    url.protocol = url.protocol === "http:" ? "ws:" : "wss:";
    if (url.pathname === "/") url.pathname = "/v1/socket";
  }
  url.hash = "";
  return url.href;
}

export class Connection {
  status = "idle";
  retryAt = null;
  /** The server said `bye` on this socket: nothing new is said on it. */
  leaving = false;
  #socket = null;
  #heardAt = 0;
  #openedAt = 0;
  #beat = Infinity;
  #refusal = null;
  #byeUntil = null;
  /** The present wait is as long as a `bye` asked for. */
  #bidden = false;
  #attempt = null;
  #timers = { retry: null, welcome: null, watch: null, probe: null, bye: null };

  /** `owner` hears: status, hello() → message, welcome, message, down, final, bye, fault. */
  constructor({ url, WebSocket, clock, backoff, token, pace, isOnline, owner }) {
    Object.assign(this, { url, WebSocket, clock, backoff, token, pace, isOnline, owner });
  }

  get open() {
    return this.status === "open";
  }

  /** Bytes that were sent and have not left yet. */
  get buffered() {
    return this.#socket?.bufferedAmount ?? 0;
  }

  start() {
    if (this.status === "idle" || this.status === "stopped") this.#connect();
  }

  /** Connect now, if it waits; where the server said how long, only if that is `insisted` on. */
  retry({ insisted = false } = {}) {
    const waits = this.status === "waiting" || this.status === "offline";
    if (waits && (insisted || !this.#bidden || this.retryAt === null)) this.#connect();
  }

  /** The network has come or gone: a wait is named after it. */
  networkChanged() {
    if (this.status === "waiting" || this.status === "offline") this.#become(this.#waitingStatus());
  }

  /** Ask the server whether it is there; without an answer, the socket is given up, `away` soon. */
  probe({ away = false } = {}) {
    if (!this.open || (this.#timers.probe !== null && !away)) return;
    this.send([{ type: "ping" }]);
    this.#set("probe", away ? AWAY_MS : PROBE_MS, () => this.#lose());
  }

  /** Be away until `retry`, as a page that is put aside. */
  suspend() {
    if (this.status === "idle" || this.status === "stopped") return;
    this.#drop();
    if (this.status !== this.#waitingStatus()) this.#become(this.#waitingStatus());
  }

  /** Close; resolves when the other side knows, or a second later. */
  async stop() {
    const socket = this.#socket;
    this.#drop();
    if (this.status !== "stopped") this.#become("stopped");
    if (socket && socket.readyState !== 3) {
      await new Promise((resolve) => {
        const timer = this.clock.setTimeout(resolve, CLOSE_MS);
        socket.addEventListener("close", () => {
          this.clock.clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  /** Say these messages, in one frame; false where that was not possible. */
  send(messages) {
    if (!this.#socket || this.#socket.readyState !== 1) return false;
    this.#socket.send(JSON.stringify(messages.length === 1 ? messages[0] : messages));
    this.pace.took(messages.length);
    return true;
  }

  async #connect() {
    this.#clear("retry");
    this.retryAt = null;
    const attempt = {};
    this.#attempt = attempt;
    this.#become("connecting");
    let token;
    try {
      token = await this.token.ask();
    } catch (error) {
      if (this.#attempt !== attempt) return;
      this.owner.fault("token", error);
      if (this.#attempt === attempt) this.#wait();
      return;
    }
    if (this.#attempt === attempt) this.#dial(attempt, token);
  }

  #dial(attempt, token) {
    this.#refusal = this.#byeUntil = null;
    this.leaving = false;
    let socket;
    try {
      socket = new this.WebSocket(this.url, [PROTOCOL]);
    } catch (error) {
      // A page's policy may refuse at once; it is no more final than a server that is not there.
      this.owner.fault("server", error);
      this.#wait();
      return;
    }
    this.#socket = socket;
    const mine = (listener) => (event) => {
      if (this.#attempt === attempt) listener(event);
    };
    // Listeners stay: some WebSockets of Node end the process over an error that nobody hears.
    socket.addEventListener("open", mine(() => this.send([this.owner.hello(token)])));
    socket.addEventListener("message", mine((event) => this.#hear(event.data, attempt)));
    socket.addEventListener("close", mine((event) => this.#closed(event.code)));
    socket.addEventListener("error", () => {});
    this.#set("welcome", WELCOME_MS, () => this.#lose());
  }

  #hear(data, attempt) {
    this.#heardAt = this.clock.now();
    this.#clear("probe");
    const said = parse(data);
    for (const message of Array.isArray(said) ? said : [said]) {
      // A listener may have stopped the client between two messages of a batch.
      if (this.#attempt !== attempt) return;
      if (typeof message?.type === "string") this.#take(message);
    }
  }

  #take(message) {
    if (message.type === "bye") {
      this.#bye(message);
    } else if (this.open) {
      this.owner.message(message);
    } else if (message.type === "welcome") {
      this.#welcome(message);
    } else if (message.type === "error") {
      this.#refusal = AyesError.from(message);
    }
  }

  #welcome(message) {
    this.#clear("welcome");
    this.#openedAt = this.clock.now();
    this.#beat = message.heartbeat_ms > 0 ? message.heartbeat_ms : Infinity;
    this.pace.open(message.limits ?? {});
    this.#watch();
    this.#become("open");
    this.owner.welcome(message);
  }

  #bye(message) {
    const wait = Math.max(0, Number(message.retry_after_ms) || 0);
    this.leaving = true;
    this.#byeUntil = this.clock.now() + wait;
    this.#set("bye", BYE_MS, () => this.#lose());
    this.owner.bye(message, wait);
  }

  /** Give the socket up where nothing was heard for some beats. */
  #watch() {
    const patience = this.#beat * SILENT_BEATS;
    if (patience === Infinity) return;
    const left = this.#heardAt + patience - this.clock.now();
    if (left <= 0) this.#lose();
    else this.#set("watch", left, () => this.#watch());
  }

  #closed(code) {
    if (code === TOKEN_EXPIRED) this.token.ended = true;
    const expired = code === TOKEN_EXPIRED && !this.token.renewable;
    if (!isFinal(code) && !expired) {
      this.#lose();
      return;
    }
    const refusal = this.#refusal;
    this.#drop();
    this.#become("stopped");
    this.owner.final(verdict(code, refusal));
  }

  /** The socket is gone, or as good as gone. */
  #lose() {
    if (this.open && this.clock.now() - this.#openedAt >= STEADY_MS) this.backoff.reset();
    this.#drop();
    this.#wait();
  }

  /** Forget the socket; close it, where that is still possible. */
  #drop() {
    const [socket, wasOpen] = [this.#socket, this.open];
    this.#socket = this.#attempt = null;
    this.retryAt = null;
    for (const name of Object.keys(this.#timers)) this.#clear(name);
    if (socket && socket.readyState < 2) {
      try {
        socket.close(NORMAL);
      } catch {
        // It was not open yet, and some do not close then.
      }
    }
    if (wasOpen) this.owner.down();
  }

  #wait() {
    const now = this.clock.now();
    const jitter = this.backoff.next();
    const wait = this.#byeUntil === null ? jitter : Math.max(0, this.#byeUntil - now);
    this.#bidden = this.#byeUntil !== null;
    this.#byeUntil = null;
    this.retryAt = now + wait;
    this.#set("retry", wait, () => this.#connect());
    this.#become(this.#waitingStatus());
  }

  #waitingStatus() {
    return this.isOnline() ? "waiting" : "offline";
  }

  #become(status) {
    const before = this.status;
    if (status === before) return;
    if (!mayFollow(before, status)) throw new Error(`${before} is not followed by ${status}`);
    this.status = status;
    this.owner.status(status, before);
  }

  #set(name, ms, run) {
    this.#clear(name);
    this.#timers[name] = this.clock.setTimeout(() => {
      this.#timers[name] = null;
      run();
    }, ms);
  }

  #clear(name) {
    if (this.#timers[name] === null) return;
    this.clock.clearTimeout(this.#timers[name]);
    this.#timers[name] = null;
  }
}

function parse(data) {
  if (typeof data !== "string") return undefined;
  try {
    return JSON.parse(data);
  } catch {
    return undefined;
  }
}

/** What a final close says: the error that was told before it, or the code alone. */
function verdict(code, refusal) {
  const { code: name, message, retry } = refusal ?? { code: "closed", message: `the server closed with ${code}`, retry: "no" };
  return new AyesError(name, message, { effect: "unknown", retry, details: { ...refusal?.details, close: code } });
}
