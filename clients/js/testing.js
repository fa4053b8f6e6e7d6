// For the tests of applications, in Node: a real server of one's own, tokens and clients of it, and a room set by hand.

import { execFile, spawn } from "node:child_process";
import { createHmac, randomBytes } from "node:crypto";
import { access, chmod, mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, isAbsolute, join } from "node:path";
import { promisify } from "node:util";

import { AyesError, Client, newId } from "./ayes.js";
import { systemClock } from "./src/clock.js";
import { Room } from "./src/rooms/room.js";

/** Longest wait for a server to be ready; a busy machine may need it. */
const START_TIMEOUT_MS = 60_000;
/** Longest wait for a server to stop by itself; then it is killed. */
const STOP_TIMEOUT_MS = 10_000;
/** Life of a token that is made without one. */
const TOKEN_TTL_S = 3_600;
/** Longest wait for the server's clock to be moved. */
const ADVANCE_TIMEOUT_MS = 30_000;
/**
 * Whether the environment imitates a browser, such as jsdom. Its WebSocket takes no part in Node's events: what it receives
 * ends the process.
 */
const IS_IMITATED = globalThis.document !== undefined;
const READY = /^ayes is ready: (\S+)/m;

/**
 * Start a server with a database of its own, which `stop` removes. `command`: the program and its first arguments, by
 * default `AYES_BIN`, else `ayes`. `settings`: more of its environment, such as `AYES_ALLOWED_ORIGINS`.
 */
export async function startAyes({ command = process.env.AYES_BIN ?? "ayes", settings = {} } = {}) {
  const secret = randomBytes(48).toString("base64url");
  const folder = await mkdtemp(join(tmpdir(), "ayes-test-"));
  const data = join(folder, "data");
  // As root the database runs as another user, who has to reach its folder.
  await chmod(folder, 0o755);
  const [program, ...first] = [command].flat();
  const server = spawn(program, [...first, "serve"], {
    env: { ...process.env, AYES_HOST: "127.0.0.1", AYES_PORT: "0", AYES_DATA_DIR: data, AYES_AUTH_SECRET: secret, ...origins(), ...settings },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = new Promise((resolve) => server.once("exit", resolve));
  const end = async () => {
    server.kill("SIGTERM");
    const timer = setTimeout(() => server.kill("SIGKILL"), STOP_TIMEOUT_MS);
    await ended;
    clearTimeout(timer);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const advance = async (seconds) => {
      const python = first.includes("-m") ? program : join(dirname(await realpath(await found(program))), "python");
      await promisify(execFile)(python, ["-m", "server.test_clock", data, String(seconds)], { timeout: ADVANCE_TIMEOUT_MS });
    };
    return new Ayes(await addressOf(server), secret, end, advance);
  } catch (error) {
    if (server.pid !== undefined) await end();
    throw error;
  }
}

/** The setting that lets an imitated page ask the server, since some imitations check it as browsers do. */
function origins() {
  const { origin } = globalThis.location ?? {};
  return IS_IMITATED && origin && origin !== "null" ? { AYES_ALLOWED_ORIGINS: origin } : {};
}

/** The address that a server says it is ready at. */
function addressOf(server) {
  return new Promise((resolve, reject) => {
    let said = "";
    const timer = setTimeout(() => reject(new Error(`no server within ${START_TIMEOUT_MS} ms:\n${said}`)), START_TIMEOUT_MS);
    const settle = (done) => {
      clearTimeout(timer);
      done();
    };
    for (const stream of [server.stdout, server.stderr]) {
      stream.setEncoding("utf8").on("data", (text) => {
        said += text;
        const found = READY.exec(said);
        if (found) settle(() => resolve(found[1]));
      });
    }
    server.once("error", (error) => {
      const hint = "install the server, or name it by AYES_BIN or the option `command`";
      settle(() => reject(new Error(`${error.message}: ${hint}`, { cause: error })));
    });
    server.once("exit", (status) => settle(() => reject(new Error(`the server ended with status ${status}:\n${said}`))));
  });
}

/** The path of a program, as the shell finds it. */
async function found(program) {
  if (isAbsolute(program) || program.includes("/")) return program;
  for (const folder of (process.env.PATH ?? "").split(delimiter)) {
    const path = join(folder, program);
    if (await access(path).then(() => true, () => false)) return path;
  }
  throw new Error(`there is no ${program}`);
}

class Ayes {
  #secret;
  #end;
  #advance;
  /** Seconds that the server's clock is ahead of the machine's. */
  #ahead = 0;
  #clients = [];

  constructor(url, secret, end, advance) {
    this.url = url;
    this.#secret = secret;
    this.#end = end;
    this.#advance = advance;
  }

  /** A token of `user` (HS256). */
  token(user, { name, seconds = TOKEN_TTL_S } = {}) {
    const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const exp = Math.floor(Date.now() / 1_000 + this.#ahead) + seconds;
    const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part({ sub: user, aud: "ayes", exp, ...(name && { name }) })}`;
    return `${signed}.${createHmac("sha256", this.#secret).update(signed).digest("base64url")}`;
  }

  /** A client of `user` that is connected; it is stopped with the server. */
  async client(user, options = {}) {
    const transport = IS_IMITATED ? "http" : "auto";
    const client = new Client(this.url, { token: () => this.token(user), transport, ...options }).start();
    this.#clients.push(client);
    await client.ready;
    return client;
  }

  /**
   * An event in progress: the room of its admin `by`, in which `members` are accepted. `policy`, `options`, `criteria`,
   * `assumptions` and `subject` are those of `event.create`.
   */
  async decision({ by = "admin", members = [], subject = "A decision", policy = {}, ...more } = {}) {
    const admin = await this.client(by);
    const made = await admin.command("event.create", { subject, policy: { membership_auto: true, ...policy }, ...more });
    const { event, entrance_code: code } = made.result;
    for (const user of members) await this.#ask(user, { type: "membership.join", code });
    const room = await admin.subscribe(event);
    const { seq } = await room.command("event.start");
    await room.reached(seq);
    return room;
  }

  /** Let `users` agree with a proposal of the room's event; resolves with the room when it shows the last vote. */
  async vote(room, proposal, ...users) {
    const { revision } = await room.until(({ state }) => state.proposals[proposal]);
    let last = room.seq;
    for (const user of users) last = (await this.#ask(user, { type: "vote.cast", event: room.event, proposal, revision })).seq;
    await room.reached(last);
    return room;
  }

  /** Give a command as `user`, over HTTP. */
  async #ask(user, command) {
    const answer = await fetch(new URL("/v1/commands", this.url), {
      method: "POST",
      headers: { authorization: `Bearer ${this.token(user)}`, "content-type": "application/json" },
      body: JSON.stringify({ ...command, id: newId() }),
    });
    const said = await answer.json();
    if (!answer.ok) throw new Error(`${command.type} of ${user}: ${said.code}: ${said.message}`);
    return said;
  }

  /**
   * Move the clock by which the server decides: schedules, expiries, `notAfter`. It goes on from there. Tokens
   * of `token` follow it; those made before may have expired. The first call ends the server's connections to its
   * database, which it opens again.
   */
  async advance(seconds) {
    await this.#advance(seconds);
    this.#ahead += seconds;
  }

  /** Stop the clients and the server, and remove its database. */
  async stop() {
    await Promise.all(this.#clients.map((client) => client.stop()));
    await this.#end();
  }
}

const MEMBER = Object.freeze({ membership: Object.freeze({ status: "accepted", role: "member" }), votes: {}, stances: {} });

/**
 * A room without a server, for tests of components: `room.set({ state, you, online, live })` shows these, and
 * `room.given` lists the commands that were given. `answer(type, args)` gives the result of each, or throws.
 */
export function fakeRoom({ event = "fake", state = {}, you = MEMBER, answer = () => ({}) } = {}) {
  const given = [];
  let seq = 1;
  const host = {
    clock: systemClock,
    async command(type, args, options = {}) {
      const one = { id: options.id ?? newId(), type, args, event, since: Date.now(), sent: true, tries: 1, kept: false };
      given.push(one);
      const result = await answer(type, args);
      return { type: "ack", id: one.id, event, seq, hash: "", applied: true, replayed: false, result };
    },
    query: async (type) => {
      throw new AyesError("not_found", `a room set by hand does not answer ${type}`);
    },
    subscribe() {},
    leave: (room) => room._close("client"),
    vote: () => undefined,
    pending: () => [],
    shown() {},
  };
  const room = new Room(host, event);
  room._users = 1;
  const whole = (shown) => ({
    event: { id: event, subject: "", status: "in_progress", policy: POLICY, ...shown.event },
    options: {}, assumptions: {}, criteria: {}, proposals: {}, comments: {}, members: {}, counts: {},
    ...Object.fromEntries(Object.entries(shown).filter(([name]) => name !== "event")),
  });
  const show = () => room._onSnapshot({ epoch: "fake", seq, state: whole(state), you, reason: "initial" });
  show();
  return Object.assign(room, {
    given,
    set(next) {
      seq += 1;
      if (next.state) state = { ...state, ...next.state };
      if (next.you) you = { ...you, ...next.you };
      show();
      if (next.online !== undefined) room._onPresence({ online: next.online });
      if (next.live === false) room._down();
      return room;
    },
  });
}

const POLICY = Object.freeze({
  assumption: { auto: true, rule: "count", threshold: 3 },
  criterion: { auto: true, rule: "count", threshold: 3 },
  conclusion: { auto: true, rule: "percent", threshold: 60 },
  membership_auto: false,
});
