// One room over HTTP: a stream of its events, opened again where it ended. If streams do not get through, or if too
// many are open, the room's snapshot is fetched again and again.

import { readEvents } from "./event-stream.js";

/** Longest wait for the first bytes of a stream. Beyond it a proxy holds the stream back, and snapshots are fetched. */
const STREAM_START_TIMEOUT_MS = 10_000;
/** Interval between two snapshots of a room without a stream. */
const SNAPSHOT_INTERVAL_MS = 3_000;
/** Delay before a stream that ended is opened again, if the server named none; its half is random. */
const REOPEN_DELAY_MS = 1_000;

export class FollowedRoom {
  #aborting = new AbortController();
  #position;
  #ref;
  #timer = null;
  #hasAnswered = false;
  #isEnded = false;

  /**
   * `host` has `request(path, options)` → response, `messageOf(response)`, `notTheServers(response)`, `deliver(message)`, `onLife()`, `check()` to
   * see whether the server is in reach, `noStreams()`, `drop(room)`, `heartbeatMs`, `clock` and `random()`.
   */
  constructor(host, { event, epoch, seq, ref }) {
    Object.assign(this, { host, event });
    this.#position = epoch === undefined ? undefined : `${epoch}:${seq}`;
    this.#ref = ref;
    this.isStreaming = false;
  }

  /** Return whether the answer that is on its way is one to this subscription too. */
  takes({ ref }) {
    if (this.#hasAnswered) return false;
    this.#ref = ref;
    return true;
  }

  start({ stream }) {
    if (stream) this.#stream();
    else this.#fetchSnapshot();
  }

  end() {
    this.#isEnded = true;
    this.isStreaming = false;
    this.#clear();
    this.#aborting.abort();
  }

  get #path() {
    return `/v1/events/${encodeURIComponent(this.event)}`;
  }

  async #stream() {
    this.isStreaming = true;
    const aborting = (this.#aborting = new AbortController());
    let retry;
    let hasBegun = false;
    try {
      const headers = { Accept: "text/event-stream", ...(this.#position && { "Last-Event-ID": this.#position }) };
      this.#set(STREAM_START_TIMEOUT_MS, () => aborting.abort());
      const response = await this.host.request(`${this.#path}/stream`, { headers, signal: aborting.signal });
      const isStream = response.ok && /^text\/event-stream\b/.test(response.headers.get("Content-Type"));
      if (!isStream) {
        this.#refuse(response.ok ? this.host.notTheServers(response) : await this.host.messageOf(response));
        return;
      }
      const onLife = () => {
        hasBegun = true;
        this.host.onLife();
        this.#set(this.host.heartbeatMs * 2.5, () => aborting.abort());
      };
      retry = await readEvents(response, (event) => this.#onEvent(event), onLife);
    } catch {
      if (this.#isEnded) return;
      if (!aborting.signal.aborted) {
        // Cut: the rest of the connection may be as dead, which the next request shows.
        this.host.check();
      } else if (!hasBegun) {
        this.#clear();
        this.isStreaming = false;
        this.#aborting = new AbortController();
        this.host.noStreams();
        this.#fetchSnapshot();
        return;
      }
    }
    if (this.#isEnded) return;
    const delay = retry ?? REOPEN_DELAY_MS * (0.5 + this.host.random() / 2);
    this.#set(delay, () => this.#stream());
  }

  #onEvent({ id, data }) {
    if (this.#isEnded) return;
    if (id) this.#position = id;
    this.#deliver(JSON.parse(data));
  }

  async #fetchSnapshot() {
    try {
      const response = await this.host.request(this.#path, { signal: this.#aborting.signal });
      const message = await this.host.messageOf(response);
      if (this.#isEnded) return;
      if (message.type === "error") {
        this.#refuse(message);
        return;
      }
      this.host.onLife();
      const position = `${message.epoch}:${message.seq}`;
      const isNew = position !== this.#position || this.#ref !== undefined;
      this.#position = position;
      if (isNew) this.#deliver(message);
    } catch {
      if (this.#isEnded) return;
      this.host.check();
    }
    this.#set(SNAPSHOT_INTERVAL_MS, () => this.#fetchSnapshot());
  }

  /** Deliver the error in place of the room, which ends it here. */
  #refuse(error) {
    if (this.#isEnded) return;
    this.#clear();
    this.host.drop(this);
    this.#deliver({ ...error, event: this.event });
  }

  /** The first message answers the `subscribe`. */
  #deliver(message) {
    const ref = this.#ref;
    this.#ref = undefined;
    this.#hasAnswered = true;
    if (message.type === "unsubscribed") this.host.drop(this);
    this.host.deliver(ref === undefined ? message : { ...message, ref });
  }

  #set(ms, run) {
    this.#clear();
    this.#timer = this.host.clock.setTimeout(run, ms);
  }

  #clear() {
    if (this.#timer !== null) this.host.clock.clearTimeout(this.#timer);
    this.#timer = null;
  }
}
