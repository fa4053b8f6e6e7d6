// The orders of the shared suite for this client: tests/clients/README.md says what they do. With a view, such as one
// of React's hooks, rooms are entered and shown by its components, and what they show is what is told.

import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

import { Client, storageOutbox } from "../ayes.js";

const rooms = new Map();
/** Where components show the client and its rooms; `null`: the rooms themselves are told. */
let view = null;
/** Commands that were ordered since the last start; the others came from the outbox. */
const given = new Set();
let client = null;

export function tell(told, fields) {
  process.stdout.write(`${JSON.stringify({ told, ...fields })}\n`);
}

export function errorOf({ code, effect, retry, details, replayed }) {
  return { code, effect, retry, details, replayed };
}

/** A `Storage` whose items are files of a folder. */
class FolderStorage {
  constructor(path) {
    this.path = path;
    mkdirSync(path, { recursive: true });
  }

  get #names() {
    return readdirSync(this.path).filter((name) => !name.endsWith(".new"));
  }

  get length() {
    return this.#names.length;
  }

  key(index) {
    const name = this.#names[index];
    return name === undefined ? null : decodeURIComponent(name);
  }

  getItem(key) {
    return readFileSync(this.#file(key), "utf8");
  }

  setItem(key, text) {
    const file = this.#file(key);
    writeFileSync(`${file}.new`, text);
    renameSync(`${file}.new`, file);
  }

  removeItem(key) {
    rmSync(this.#file(key), { force: true });
  }

  #file(key) {
    return join(this.path, encodeURIComponent(key));
  }
}

function tokens(given) {
  let next = 0;
  return () => {
    const token = given[Math.min(next, given.length - 1)];
    next += 1;
    if (token === null) throw new Error("no token today");
    return token;
  };
}

function settle(id, promise) {
  promise.then(
    (ack) => tell("ack", { id, ack }),
    (error) => tell("error", { id, error: errorOf(error) }),
  );
}

function enter(id, promise) {
  promise.then(
    (room) => {
      watch(room);
      tell("entered", { id, event: room.event, seq: room.seq });
    },
    (error) => tell("error", { id, error: errorOf(error) }),
  );
}

export function tellStatus(status) {
  tell("status", { status: status === "offline" ? "waiting" : status });
}

function watch(room) {
  if (rooms.get(room.event) === room) return;
  const { event } = room;
  rooms.set(event, room);
  room.addEventListener("change", ({ detail }) =>
    tell("change", { event, from: detail.from, seq: detail.seq, reason: detail.reason ?? null }),
  );
  room.addEventListener("you", ({ detail }) => tell("you", { event, seq: detail.seq }));
  room.addEventListener("presence", ({ detail }) => tell("presence", { event, online: detail.online }));
  room.addEventListener("closed", ({ detail }) => {
    rooms.delete(event);
    if (detail.reason !== "client" && !view) tell("closed", { event, reason: detail.reason });
  });
}

const DO = {
  start({ url, tokens: used, outbox, answer_timeout_ms: answerTimeout, backoff_ms: backoff, client: named, transport }) {
    given.clear();
    client = new Client(url, {
      token: tokens(used),
      client: named,
      warn: null,
      page: null,
      transport,
      outbox: outbox ? storageOutbox(new FolderStorage(outbox)) : null,
      answerTimeout,
      backoff,
    });
    client.addEventListener("status", ({ detail }) => {
      if (!view?.tellsStatus) tellStatus(detail.status);
    });
    client.addEventListener("transport", ({ detail }) => tell("transport", detail));
    client.addEventListener("bye", ({ detail }) => {
      tell("bye", { code: detail.code, retry_after_ms: detail.retryAfterMs });
    });
    client.ready.then(
      (welcome) => tell("ready", { user: welcome.user.id }),
      (error) => tell("ready_error", { error: errorOf(error) }),
    );
    const started = client;
    if (outbox) {
      client.loaded.then(() => {
        const ids = started.pending.filter(({ id }) => !given.has(id)).map(({ id }) => id);
        tell("loaded", { ids });
        for (const id of ids) settle(id, started.adopt(id));
      });
    }
    view?.mount(client);
    client.start();
  },
  subscribe({ event }) {
    if (view) {
      view.enter(event, watch);
      return;
    }
    client.subscribe(event).then(
      (room) => {
        watch(room);
        tell("subscribed", { event, seq: room.seq });
      },
      (error) => tell("subscribe_error", { event, error: errorOf(error) }),
    );
  },
  leave({ event }) {
    if (view) {
      view.leave(event);
      return;
    }
    rooms.get(event).leave().then(() => tell("left", { event }));
  },
  create_event({ id, subject, args }) {
    enter(id, client.createEvent(subject, { ...args, id }));
  },
  join({ id, by }) {
    enter(id, client.join(by, { id }));
  },
  act({ id, event, act }) {
    settle(id, rooms.get(event)[act]({ id }));
  },
  async every({ event, interval_ms: interval, until_seq: last }) {
    const until = ({ seq }) => seq >= last;
    for await (const room of rooms.get(event).every(interval, { until })) tell("tick", { event, seq: room.seq });
    tell("every_ended", { event });
  },
  async paged({ key, event, type, args }) {
    try {
      const entries = [];
      const list = event === undefined ? client.paged(type, args) : rooms.get(event).paged(type, args);
      for await (const entry of list) entries.push(entry);
      tell("reply", { key, reply: { entries } });
    } catch (error) {
      tell("reply_error", { key, error: errorOf(error) });
    }
  },
  command({ id, type, args }) {
    given.add(id);
    settle(id, client.command(type, args, { id }));
  },
  commands({ commands }) {
    for (const command of commands) DO.command(command);
  },
  query({ key, type, args }) {
    client.query(type, args).then(
      (reply) => tell("reply", { key, reply }),
      (error) => tell("reply_error", { key, error: errorOf(error) }),
    );
  },
  state({ event }) {
    if (view) {
      tell("state", { event, ...(view.shown(event) ?? { state: null }) });
      return;
    }
    const room = client.rooms.get(event);
    if (room?.state === undefined) tell("state", { event, state: null });
    else {
      const { state, you, seq, epoch, live } = room;
      tell("state", { event, state, you, seq, epoch, live });
    }
  },
  pending() {
    tell("pending", { pending: client.pending.map(({ id, type, sent }) => ({ id, type, sent })) });
  },
  stop() {
    client.stop().then(() => tell("stopped", {}));
  },
};

/** Take orders from stdin until it ends. */
export async function drive(given = null) {
  view = given;
  for await (const line of createInterface({ input: process.stdin })) {
    const order = JSON.parse(line);
    DO[order.do](order);
  }
  await client?.stop();
  process.exit(0);
}
