// The connection to the server, for as long as the client runs: one socket at a time, opened, watched, replaced.
// It handles `hello`, `welcome` and `bye` itself and passes every other message on. A socket is a WebSocket, or an
// `HttpSocket` while no WebSocket gets through.

import { AyesError } from "../error.js";
import { Timers } from "../timers.js";
import { isFinal, isServers, NORMAL, TOKEN_EXPIRED } from "../wire/close-codes.js";
import { mayFollow } from "../wire/connection-states.js";
import { finalError, unreachable } from "./line-errors.js";
import { SocketTrial } from "./socket-trial.js";

/** Longest time from opening a socket to its welcome. Beyond it the socket is replaced. */
const WELCOME_TIMEOUT_MS = 15_000;
/** Longest time until a WebSocket is open if HTTP may be tried instead: some proxies swallow what they do not let through. */
const FALLBACK_TIMEOUT_MS = 8_000;
/** Heartbeats without any message after which a socket counts as dead. One may be late, and half of the next. */
const MAX_SILENT_HEARTBEATS = 2.5;
/**
 * Longest wait for the answer to a ping. A living server answers at once. The wait doubles after each socket that was
 * given up in vain, so that a slow network is not mistaken for a dead one again and again.
 */
const PING_TIMEOUT_MS = 2_500;
/** Doublings of that wait at most: 40 s, as long as the server waits for a client. */
const MAX_PING_DOUBLINGS = 4;
/**
 * The same after the browser reported that the network is gone. It may be wrong, as it is for a server on the same
 * machine, so the server is asked; it is mostly right, so the wait is short.
 */
const OFFLINE_PING_TIMEOUT_MS = 1_500;
/** Silence after a message that asks for an answer, beyond which the server is pinged. It mostly answers in 10 ms. */
const ANSWER_CHECK_DELAY_MS = 2_000;
/** Interval between two checks of the clock and of the server's silence. */
const CLOCK_CHECK_INTERVAL_MS = 1_000;
/**
 * Difference between the clock and its timer beyond which the machine slept or the clock was set. Below it, a busy
 * page was late. A page in the background is late by a minute, and pings once a minute.
 */
const MAX_CLOCK_JUMP_MS = 2_000;
/** Life of a socket after which it counts as a good one: the next delay is short again. */
const STABLE_AFTER_MS = 5_000;
/** Longest wait after a `bye` for the server's close. Beyond it the client closes. */
const BYE_TIMEOUT_MS = 10_000;
/** Longest wait of `stop` for the other side's close frame. */
const CLOSE_TIMEOUT_MS = 1_000;

export class Connection {
  status = "idle";
  retryAt = null;
  /** The transport of the present or next socket: `websocket` or `http`. */
  transport = "websocket";
  /** The server said `bye` on this socket: nothing new is sent on it. */
  draining = false;
  #socket = null;
  #heardAt = 0;
  /** When the clock was last read. */
  #checkedAt = 0;
  /** Sockets in a row that were given up because a ping had no answer. */
  #deadPings = 0;
  #openedAt = 0;
  #heartbeatMs = Infinity;
  /** The error before a close: the reason of the close. */
  #refusal = null;
  #cause = null;
  /** Earliest time of the next attempt by the server's `bye`, or `null`. */
  #retryNotBefore = null;
  /** Whether the present delay is the server's, which an event of the page does not cut short. */
  #retryAfterFromServer = false;
  /** Identifies the present attempt; events of an earlier one are ignored. */
  #attempt = null;
  #timers;
  /** The WebSocket that is tried while HTTP works. */
  #trial = null;

  /**
   * `address`: the server's, for people. `sockets` has a function for each transport that makes its socket. `delegate`
   * has: status, transport, trouble(where, error), hello() → message, welcome, message, down, final, bye, fault.
   * `tokenBackoff`: the delays after a token function that failed, which say nothing of the server.
   */
  constructor({ address, sockets, choice, clock, backoff, tokenBackoff, token, bucket, isOnline, delegate }) {
    Object.assign(this, { address, sockets, choice, clock, backoff, tokenBackoff, token, bucket, isOnline, delegate });
    this.#timers = new Timers(clock);
  }

  get open() {
    return this.status === "open";
  }

  /** Bytes that were handed to the socket and have not left yet. */
  get buffered() {
    return this.#socket?.bufferedAmount ?? 0;
  }

  start() {
    if (this.status === "idle" || this.status === "stopped") this.#connect();
  }

  /** End a delay and connect now. A delay that the server asked for ends only with `force`. */
  retry({ force = false } = {}) {
    const isWaiting = this.status === "waiting" || this.status === "offline";
    if (isWaiting && (force || !this.#retryAfterFromServer || this.retryAt === null)) this.#connect();
  }

  /** The network came or went: set the status of the present delay. */
  networkChanged() {
    if (this.status === "waiting" || this.status === "offline") this.#setStatus(this.#waitingStatus());
  }

  /** Ping the server, and replace the socket if no message comes in time; `away` shortens that time. */
  probe({ away = false } = {}) {
    if (!this.open || (this.#timers.has("probe") && !away)) return;
    this.send([{ type: "ping" }]);
    const timeout = PING_TIMEOUT_MS * 2 ** Math.min(this.#deadPings, MAX_PING_DOUBLINGS);
    this.#timers.set("probe", away ? OFFLINE_PING_TIMEOUT_MS : timeout, () => {
      this.#deadPings += 1;
      this.#reconnect();
    });
  }

  /** Close the socket until `retry`, as for a page in the back/forward cache. */
  suspend() {
    if (this.status === "idle" || this.status === "stopped") return;
    this.#discardSocket();
    if (this.status !== this.#waitingStatus()) this.#setStatus(this.#waitingStatus());
  }

  /** Close; resolve when the server has closed too, or a second later. */
  async stop() {
    const socket = this.#socket;
    this.#discardSocket();
    if (this.status !== "stopped") this.#setStatus("stopped");
    if (socket && socket.readyState !== 3) {
      await new Promise((resolve) => {
        const timer = this.clock.setTimeout(resolve, CLOSE_TIMEOUT_MS);
        socket.addEventListener("close", () => {
          this.clock.clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  /** Send these messages in one frame; return false if the socket is not open. */
  send(messages) {
    if (!this.#socket || this.#socket.readyState !== 1) return false;
    this.#socket.send(JSON.stringify(messages.length === 1 ? messages[0] : messages));
    this.bucket.spend(messages.length);
    if (!this.#timers.has("answer")) this.#timers.set("answer", ANSWER_CHECK_DELAY_MS, () => this.probe());
    return true;
  }

  async #connect() {
    this.#timers.clear("retry");
    this.retryAt = null;
    const attempt = {};
    this.#attempt = attempt;
    this.#setStatus("connecting");
    let token;
    try {
      token = await this.token.get();
    } catch (error) {
      if (this.#attempt !== attempt) return;
      this.delegate.trouble("token", error);
      this.delegate.fault("token", error);
      if (this.#attempt === attempt) this.#scheduleRetry(this.tokenBackoff);
      return;
    }
    this.tokenBackoff.reset();
    if (this.#attempt === attempt) this.#openSocket(attempt, token);
  }

  #openSocket(attempt, token) {
    this.#refusal = this.#retryNotBefore = this.#cause = null;
    this.draining = false;
    this.#setTransport(this.choice.next());
    let socket;
    try {
      socket = this.sockets[this.transport]();
    } catch (error) {
      // The page's content security policy may refuse at once. That is retried like a server out of reach.
      this.delegate.fault("server", error);
      this.#reconnect({ error });
      return;
    }
    this.#use(socket, attempt);
    socket.addEventListener("open", () => {
      if (this.#attempt !== attempt) return;
      // The network let it through: from here on it is the server that may be slow.
      this.#timers.set("welcome", WELCOME_TIMEOUT_MS, () => this.#reconnect());
      this.send([this.delegate.hello(token)]);
    });
    const timeout = this.choice.mayFallBack && this.transport === "websocket" ? FALLBACK_TIMEOUT_MS : WELCOME_TIMEOUT_MS;
    this.#timers.set("welcome", timeout, () => this.#reconnect({ isHung: true }));
  }

  #use(socket, attempt) {
    this.#socket = socket;
    const ifCurrent = (listener) => (event) => {
      if (this.#attempt === attempt) listener(event);
    };
    // The listeners stay: some WebSockets for Node end the process over an error without a listener.
    socket.addEventListener("message", ifCurrent((event) => this.#onFrame(event.data, attempt)));
    socket.addEventListener("close", ifCurrent((event) => this.#onClose(event.code)));
    socket.addEventListener("error", ifCurrent((event) => (this.#cause = event.message || event.error?.message)));
  }

  /** While HTTP works, try now and then whether a WebSocket gets through, and go over to it. */
  #scheduleTrial() {
    const delay = this.choice.retryDelayMs;
    if (this.transport === "websocket" || delay === null) return;
    this.#timers.set("trial", delay, () => {
      this.#trial = new SocketTrial({
        open: this.sockets.websocket,
        hello: () => this.delegate.hello(this.token.current),
        clock: this.clock,
        onWelcome: (socket, data) => this.#goOver(socket, data),
        onFailure: () => {
          this.#trial = null;
          this.choice.retryFailed();
          this.#scheduleTrial();
        },
      });
    });
  }

  #goOver(socket, data) {
    this.#trial = null;
    this.#discardSocket();
    const attempt = (this.#attempt = {});
    this.draining = false;
    this.#setTransport("websocket");
    this.#use(socket, attempt);
    this.#heardAt = this.clock.now();
    const [welcome, ...rest] = [parse(data)].flat();
    this.#onWelcome(welcome);
    for (const message of rest) if (this.#attempt === attempt) this.#onMessageSafely(message);
  }

  #setTransport(transport) {
    if (transport === this.transport) return;
    this.transport = transport;
    this.delegate.transport(transport);
  }

  #onFrame(data, attempt) {
    this.#heardAt = this.clock.now();
    this.#timers.clear("answer");
    if (this.#timers.has("probe")) this.#deadPings = 0;
    this.#timers.clear("probe");
    const frame = parse(data);
    for (const message of Array.isArray(frame) ? frame : [frame]) {
      // A listener may have stopped the client between two messages of a batch.
      if (this.#attempt !== attempt) return;
      if (typeof message?.type === "string") this.#onMessageSafely(message);
    }
  }

  /** A message that lacks a field changes nothing: thrown further, its error would end a Node process. */
  #onMessageSafely(message) {
    try {
      this.#onMessage(message);
    } catch (error) {
      this.delegate.fault("server", error);
    }
  }

  #onMessage(message) {
    if (message.type === "bye") {
      this.#onBye(message);
    } else if (this.open) {
      this.delegate.message(message);
    } else if (message.type === "welcome") {
      if (typeof message.user?.id === "string") this.#onWelcome(message);
      else this.#reconnect({ fromServer: true, error: new AyesError("unreachable", "a welcome that this client cannot read") });
    } else if (message.type === "error") {
      this.#refusal = AyesError.from(message);
    }
  }

  #onWelcome(message) {
    this.#timers.clear("welcome");
    this.#openedAt = this.clock.now();
    this.#heartbeatMs = message.heartbeat_ms > 0 ? message.heartbeat_ms : Infinity;
    this.bucket.open(message.limits ?? {});
    this.#checkedAt = this.#openedAt;
    this.#scheduleCheck();
    this.#setStatus("open");
    this.#scheduleTrial();
    this.delegate.welcome(message);
  }

  #onBye(message) {
    const delay = Math.max(0, Number(message.retry_after_ms) || 0);
    this.draining = true;
    this.#retryNotBefore = this.clock.now() + delay;
    this.#timers.set("bye", BYE_TIMEOUT_MS, () => this.#reconnect());
    this.delegate.bye(message, delay);
  }

  #scheduleCheck() {
    const left = this.#heardAt + this.#maxSilenceMs - this.clock.now();
    this.#timers.set("check", Math.min(left, CLOCK_CHECK_INTERVAL_MS), () => this.#check());
  }

  /** Replace the socket after some heartbeats without a message; ping the server after a jump of the clock. */
  #check() {
    const now = this.clock.now();
    const jump = Math.abs(now - this.#checkedAt - CLOCK_CHECK_INTERVAL_MS);
    this.#checkedAt = now;
    // After a clock that was set back, the silence counts from now.
    this.#heardAt = Math.min(this.#heardAt, now);
    if (now - this.#heardAt >= this.#maxSilenceMs) {
      this.#reconnect();
      return;
    }
    this.#scheduleCheck();
    if (jump > MAX_CLOCK_JUMP_MS) this.probe();
  }

  get #maxSilenceMs() {
    return this.#heartbeatMs * MAX_SILENT_HEARTBEATS;
  }

  #onClose(code) {
    if (code === TOKEN_EXPIRED) this.token.ended = true;
    const isOutOfTokens = code === TOKEN_EXPIRED && !this.token.renewable;
    if (!isFinal(code) && !isOutOfTokens) {
      this.#reconnect({ fromServer: isServers(code), code });
      return;
    }
    const refusal = this.#refusal;
    this.#discardSocket();
    this.#setStatus("stopped");
    this.delegate.final(finalError(code, refusal));
  }

  /**
   * Give the socket up, and open another one after a delay. `isHung`: no welcome came. `fromServer`: the server closed
   * it, which says nothing about the network. `code`: of the close; `error`: why there is no socket.
   */
  #reconnect({ isHung = false, fromServer = false, code, error } = {}) {
    this.delegate.trouble("server", error ?? this.#refusal ?? unreachable(code, this.open, this.#cause, this.address));
    const openMs = this.open ? this.clock.now() - this.#openedAt : null;
    if (openMs >= STABLE_AFTER_MS) this.backoff.reset();
    if (!fromServer && !this.draining && this.isOnline()) this.choice.ended(this.transport, { openMs, isHung });
    this.#discardSocket();
    this.#scheduleRetry();
  }

  /** Forget the socket, and close it if it still can be. */
  #discardSocket() {
    const [socket, wasOpen] = [this.#socket, this.open];
    this.#socket = this.#attempt = null;
    this.retryAt = null;
    this.#timers.clearAll();
    this.#trial?.cancel();
    this.#trial = null;
    if (socket && socket.readyState < 2) {
      try {
        socket.close(NORMAL);
      } catch {
        // Some WebSockets cannot be closed before they are open.
      }
    }
    if (wasOpen) this.delegate.down();
  }

  #scheduleRetry(backoff = this.backoff) {
    const now = this.clock.now();
    const jitter = backoff.next();
    const delay = this.#retryNotBefore === null ? jitter : Math.max(0, this.#retryNotBefore - now);
    this.#retryAfterFromServer = this.#retryNotBefore !== null;
    this.#retryNotBefore = null;
    this.retryAt = now + delay;
    this.#timers.set("retry", delay, () => this.#connect());
    this.#setStatus(this.#waitingStatus());
  }

  #waitingStatus() {
    return this.isOnline() ? "waiting" : "offline";
  }

  #setStatus(status) {
    const before = this.status;
    if (status === before) return;
    if (!mayFollow(before, status)) throw new Error(`${before} is not followed by ${status}`);
    this.status = status;
    this.delegate.status(status, before);
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
