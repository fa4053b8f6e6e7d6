// Time, sockets and pages that do what a test says.

import { Client } from "../ayes.js";

export class FakeClock {
  #now = 1_000_000;
  #timers = new Map();
  #next = 1;

  now = () => this.#now;

  setTimeout = (run, ms) => {
    const id = this.#next++;
    this.#timers.set(id, { at: this.#now + ms, run });
    return id;
  };

  clearTimeout = (id) => {
    this.#timers.delete(id);
  };

  get waiting() {
    return this.#timers.size;
  }

  /** The clock is set, or the machine slept: no timer runs meanwhile, and each is as far away as before. */
  jump(ms) {
    this.#now += ms;
    for (const timer of this.#timers.values()) timer.at += ms;
  }

  /** Let `ms` pass; what is due runs in its order, and its promises with it. */
  async pass(ms) {
    const end = this.#now + ms;
    for (;;) {
      await settled();
      const due = [...this.#timers].filter(([, { at }]) => at <= end).sort(([, a], [, b]) => a.at - b.at)[0];
      if (!due) break;
      this.#timers.delete(due[0]);
      this.#now = Math.max(this.#now, due[1].at);
      due[1].run();
    }
    this.#now = end;
    await settled();
  }
}

/** Everything that waits for nothing but its turn has had it. */
export function settled() {
  return new Promise((resolve) => setImmediate(resolve));
}

/** A WebSocket class whose instances a test plays the server of: `sockets`, the newest last. */
export function fakeSockets() {
  const sockets = [];
  class FakeWebSocket extends EventTarget {
    readyState = 0;
    bufferedAmount = 0;
    said = [];
    frames = [];
    /** Whether it answers a ping, as a living server does. */
    pongs = true;

    constructor(url, protocols) {
      super();
      Object.assign(this, { url, protocols });
      sockets.push(this);
    }

    send(text) {
      const got = JSON.parse(text);
      this.frames.push(text);
      this.said.push(...(Array.isArray(got) ? got : [got]));
      if (got.type === "ping" && this.pongs) queueMicrotask(() => this.hear({ type: "pong" }));
    }

    close(code) {
      this.closedWith = code;
      this.readyState = 2;
      queueMicrotask(() => this.end(code));
    }

    // The server's side.

    open() {
      this.readyState = 1;
      this.dispatchEvent(new Event("open"));
    }

    hear(message) {
      const event = new Event("message");
      event.data = typeof message === "string" ? message : JSON.stringify(message);
      this.dispatchEvent(event);
    }

    end(code = 1006) {
      if (this.readyState === 3) return;
      this.readyState = 3;
      const event = new Event("close");
      event.code = code;
      this.dispatchEvent(event);
    }

    of(type) {
      return this.said.filter((message) => message.type === type);
    }
  }
  return { WebSocket: FakeWebSocket, sockets };
}

export const LIMITS = {
  message_bytes: 65536, batch: 256, inflight: 256, subscriptions: 64, commands_per_second: 200, burst: 1000,
};

export function welcome(fields = {}) {
  return {
    type: "welcome", session: "s", user: { id: "ada", name: "Ada" }, time: new Date(1_000_000).toISOString(),
    heartbeat_ms: 20_000, limits: LIMITS, server: { version: "0", protocol: "1.0" }, ...fields,
  };
}

export function snapshot(fields = {}) {
  return {
    type: "snapshot", event: "e1", epoch: "x", seq: 1, reason: "initial",
    state: { proposals: { p1: { revision: 3, agree: 0 } } }, you: { membership: { status: "accepted" }, votes: {} }, ...fields,
  };
}

/** A client that was not started; `last()` is its newest socket. */
export function begin(options = {}) {
  const clock = new FakeClock();
  const { WebSocket, sockets } = fakeSockets();
  const client = new Client("https://decide.example", {
    token: "t", transport: "websocket", WebSocket, clock, random: () => 0.5, ...options,
  });
  return { client, clock, sockets, last: () => sockets.at(-1) };
}

/** A client that was welcomed. */
export async function opened(options = {}, fields = {}) {
  const parts = begin(options);
  parts.client.start();
  await settled();
  parts.last().open();
  parts.last().hear(welcome(fields));
  await settled();
  return parts;
}

/** A window, as far as the client looks at it. */
export class FakePage extends EventTarget {
  document = new EventTarget();

  becomes(visibilityState) {
    this.document.visibilityState = visibilityState;
    this.document.dispatchEvent(new Event("visibilitychange"));
  }

  tells(type, fields = {}) {
    this.dispatchEvent(Object.assign(new Event(type), fields));
  }
}

/** Web Locks of one browser (exclusive ones only), for several pages. */
export class FakeLocks {
  #held = new Map();

  async request(name, work) {
    while (this.#held.has(name)) await this.#held.get(name);
    const done = Promise.resolve().then(() => work({ name }));
    this.#held.set(name, done.catch(() => {}));
    try {
      return await done;
    } finally {
      this.#held.delete(name);
    }
  }

  async query() {
    return { held: Array.from(this.#held.keys(), (name) => ({ name })) };
  }
}

export class FakeStorage {
  #items = new Map();

  get length() {
    return this.#items.size;
  }

  key(index) {
    return [...this.#items.keys()][index] ?? null;
  }

  getItem(key) {
    return this.#items.get(key) ?? null;
  }

  setItem(key, text) {
    this.#items.set(key, text);
  }

  removeItem(key) {
    this.#items.delete(key);
  }
}
