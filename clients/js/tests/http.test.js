import assert from "node:assert/strict";
import { test } from "node:test";

import { readEvents } from "../src/connection/event-stream.js";
import { TransportChoice } from "../src/connection/transport-choice.js";
import { begin, LIMITS, settled, snapshot, welcome } from "./fakes.js";

const VOTE = { event: "e1", proposal: "p1", revision: 1 };

/** A server over HTTP whose answers a test gives: `requests`, the newest last. */
class FakeHttp {
  requests = [];
  isAway = false;
  /** Whether it answers a ping, as a living server does. */
  pongs = true;

  fetch = (url, { method = "GET", headers, body, signal }) => {
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.isAway) return Promise.reject(new TypeError("fetch failed"));
    const request = { url, method, headers, body: body && JSON.parse(body), signal };
    this.requests.push(request);
    return new Promise((resolve, reject) => {
      signal?.addEventListener("abort", () => reject(signal.reason));
      request.answers = (message, status = message.type === "error" ? 400 : 200) =>
        resolve(new Response(typeof message === "string" ? message : JSON.stringify(message), { status }));
      request.streams = () => {
        const bytes = new TransformStream();
        const writer = bytes.writable.getWriter();
        signal.addEventListener("abort", () => writer.abort(signal.reason).catch(() => {}));
        request.says = (text) => writer.write(new TextEncoder().encode(text));
        request.ends = () => writer.close();
        resolve(new Response(bytes.readable, { headers: { "Content-Type": "text/event-stream" } }));
      };
      if (request.body?.type === "ping" && this.pongs) request.answers({ type: "pong" });
    });
  };

  of(path) {
    return this.requests.filter(({ url }) => new URL(url).pathname === path);
  }
}

async function overHttp(options = {}) {
  const http = new FakeHttp();
  const parts = begin({ transport: "http", fetch: http.fetch, ...options });
  parts.client.start();
  await settled();
  http.requests[0].answers(welcome(options.welcome));
  await settled();
  return { ...parts, http };
}

const commands = (http) => http.of("/v1/commands");
const sse = (id, message) => `event: ${message.type}\nid: ${id}\ndata: ${JSON.stringify(message)}\n\n`;

test("hello, commands, queries and rooms go over HTTP with the token, and mean the same", async () => {
  const { client, http } = await overHttp();
  assert.deepEqual([client.status, client.transport, client.user.id], ["open", "http", "ada"]);
  const [hello] = http.requests;
  assert.equal(hello.url, "https://decide.example/v1/queries");
  assert.equal(hello.headers.Authorization, "Bearer t");
  assert.deepEqual([hello.body.type, hello.body.token], ["hello", undefined]);
  const vote = client.command("vote.cast", VOTE, { id: "vote-0001" });
  await settled();
  const [posted] = commands(http);
  assert.deepEqual(posted.body, { ...VOTE, type: "vote.cast", id: "vote-0001" });
  posted.answers({ type: "ack", id: "vote-0001", event: "e1", seq: 2 });
  assert.equal((await vote).seq, 2);
  const listed = client.query("events.list");
  await settled();
  http.requests.at(-1).answers({ type: "events", ref: http.requests.at(-1).body.ref, events: [] });
  assert.deepEqual((await listed).events, []);
  const entering = client.subscribe("e1");
  await settled();
  const stream = http.requests.at(-1);
  assert.equal(stream.url, "https://decide.example/v1/events/e1/stream");
  stream.streams();
  stream.says(sse("x:1", snapshot()));
  const room = await entering;
  const diff = { type: "diff", event: "e1", epoch: "x", from: 1, seq: 2, patch: { proposals: { p1: { agree: 1 } } } };
  const [head, tail] = [sse("x:2", diff).slice(0, 40), sse("x:2", diff).slice(40)];
  stream.says(head);
  stream.says(tail);
  await room.reached(2);
  assert.equal(room.state.proposals.p1.agree, 1);
  await room.leave();
  assert.ok(stream.signal.aborted);
  await client.stop();
});

test("commands of one event go one after another, those of others beside them", async () => {
  const { client, http } = await overHttp();
  for (const [event, id] of [["e1", "first-001"], ["e1", "second-01"], ["e2", "third-001"]]) {
    client.command("comment.add", { event, content: "c" }, { id }).catch(() => {});
  }
  await settled();
  assert.deepEqual(commands(http).map(({ body }) => body.id), ["first-001", "third-001"]);
  commands(http)[0].answers({ type: "ack", id: "first-001", event: "e1", seq: 2 });
  await settled();
  assert.deepEqual(commands(http).map(({ body }) => body.id), ["first-001", "third-001", "second-01"]);
  await client.stop();
});

test("an answer that is a proxy's decides nothing: the same id is sent again", async () => {
  const { client, http, clock } = await overHttp();
  const vote = client.command("vote.cast", VOTE, { id: "proxied-1" });
  await settled();
  commands(http)[0].answers("<html>Bad gateway</html>", 502);
  await clock.pass(10_000);
  assert.deepEqual(commands(http).map(({ body }) => body.id), ["proxied-1", "proxied-1"]);
  commands(http)[1].answers({ type: "error", id: "proxied-1", code: "forbidden", effect: "none", retry: "no" }, 403);
  await assert.rejects(vote, { code: "forbidden" });
  await client.stop();
});

test("a request that is cut ends the connection, and the next one sends what has no answer", async () => {
  const { client, http, clock } = await overHttp();
  client.command("vote.cast", VOTE, { id: "cut-00001" }).catch(() => {});
  await settled();
  http.isAway = true;
  client.command("vote.cast", { ...VOTE, event: "e2" }, { id: "cut-00002" }).catch(() => {});
  await settled();
  assert.notEqual(client.status, "open");
  http.isAway = false;
  await clock.pass(2_000);
  http.requests.at(-1).answers(welcome());
  await settled();
  assert.deepEqual(commands(http).map(({ body }) => body.id), ["cut-00001", "cut-00001", "cut-00002"]);
  await client.stop();
  assert.equal(clock.waiting, 0);
});

test("a bad token is the end, an expired one is renewed, and a busy server is not asked too early", async () => {
  const error = (code, more) => ({ type: "error", code, effect: "none", retry: "auth", message: "m", ...more });
  const bad = new FakeHttp();
  const first = begin({ transport: "http", fetch: bad.fetch });
  first.client.start();
  await settled();
  bad.requests[0].answers(error("unauthenticated"), 401);
  await assert.rejects(first.client.ready, { code: "unauthenticated" });
  assert.equal(first.client.status, "stopped");

  const asked = [];
  const { client, http, clock } = await overHttp({ token: ({ expired }) => `t${asked.push(expired)}` });
  client.command("vote.cast", VOTE, { id: "expired-1" }).catch(() => {});
  await settled();
  commands(http)[0].answers(error("auth_expired", { id: "expired-1" }), 401);
  await settled();
  const renewal = http.requests.findLast(({ body }) => body.type === "ping");
  assert.deepEqual([renewal.body, renewal.headers.Authorization, asked], [{ type: "ping" }, "Bearer t2", [false, true]]);
  await settled();
  assert.equal(commands(http)[1].headers.Authorization, "Bearer t2");
  await client.stop();

  const busy = new FakeHttp();
  const third = begin({ transport: "http", fetch: busy.fetch });
  third.client.start();
  await settled();
  busy.requests[0].answers(error("draining", { retry: "same", retry_after_ms: 4_000 }), 503);
  await third.clock.pass(3_900);
  assert.equal(busy.requests.length, 1);
  await third.clock.pass(200);
  assert.equal(busy.requests.length, 2);
  await third.client.stop();
  assert.ok(clock);
});

test("a stream that ends is opened again from its position, when the server says", async () => {
  const { client, http, clock } = await overHttp();
  const entering = client.subscribe("e1");
  await settled();
  const first = http.requests.at(-1);
  first.streams();
  first.says(sse("x:1", snapshot()));
  const room = await entering;
  first.says("retry: 7000\n\n");
  first.ends();
  await clock.pass(6_900);
  assert.equal(http.of("/v1/events/e1/stream").length, 1);
  await clock.pass(200);
  const second = http.requests.at(-1);
  assert.equal(second.headers["Last-Event-ID"], "x:1");
  second.streams();
  const you = { membership: { status: "accepted" }, votes: {} };
  second.says(sse("x:4", { type: "resumed", event: "e1", epoch: "x", from: 1, seq: 4, patch: {}, you }));
  await room.reached(4);
  await client.stop();
  assert.equal(clock.waiting, 0);
});

test("a room that is refused later is asked for again with a new token", async () => {
  const { client, http, clock } = await overHttp({ token: () => "t" });
  const entering = client.subscribe("e1");
  await settled();
  http.requests.at(-1).streams();
  http.requests.at(-1).says(sse("x:1", snapshot()));
  const room = await entering;
  http.requests.at(-1).ends();
  await clock.pass(1_100);
  http.requests.at(-1).answers({ type: "error", code: "auth_expired", retry: "auth", effect: "none", message: "m" }, 401);
  await settled();
  assert.deepEqual(http.requests.at(-2).body, { type: "ping" });
  assert.equal(http.of("/v1/events/e1/stream").length, 3);
  await client.stop();
});

test("a proxy that holds streams back is passed by: snapshots are fetched", async () => {
  const { client, http, clock } = await overHttp();
  const entering = client.subscribe("e1");
  await settled();
  await clock.pass(10_100);
  const fetched = http.of("/v1/events/e1");
  assert.equal(fetched.length, 1);
  fetched[0].answers(snapshot());
  const room = await entering;
  const changes = [];
  room.addEventListener("change", ({ detail }) => changes.push(detail.seq));
  for (const seq of [1, 2]) {
    await clock.pass(3_100);
    http.of("/v1/events/e1").at(-1).answers(snapshot({ seq }));
    await settled();
  }
  assert.deepEqual(changes, [2]);
  await client.stop();
  assert.equal(clock.waiting, 0);
});

test("without a stream the server is asked for a sign of life, and a silent one is given up", async () => {
  const { client, http, clock } = await overHttp();
  await clock.pass(45_000);
  assert.equal(client.status, "open");
  http.pongs = false;
  const asked = http.requests.filter(({ body }) => body?.type === "ping");
  assert.ok(asked.length > 0);
  await clock.pass(60_000);
  assert.equal(http.requests.filter(({ body }) => body?.type === "hello").length > 1, true);
  await client.stop();
});

test("a proxy that answers a ping in the server's place is no sign of life", async () => {
  const { client, http, clock } = await overHttp();
  http.pongs = false;
  await clock.pass(21_000);
  const asked = http.requests.findLast(({ body }) => body?.type === "ping");
  asked.answers("<html>Bad gateway</html>", 502);
  await settled();
  assert.notEqual(client.status, "open");
  await client.stop();
  assert.equal(clock.waiting, 0);
});

test("after a long sleep of the machine the streams are opened again, from their position", async () => {
  const { client, http, clock } = await overHttp();
  const entering = client.subscribe("e1");
  await settled();
  http.requests.at(-1).streams();
  http.requests.at(-1).says(sse("x:1", snapshot()));
  const room = await entering;
  clock.jump(3_600_000);
  await clock.pass(1_100);
  assert.ok(!room.live);
  await clock.pass(1_000);
  http.requests.findLast(({ body }) => body?.type === "hello").answers(welcome());
  await settled();
  const streams = http.of("/v1/events/e1/stream");
  assert.deepEqual([streams.length, streams.at(-1).headers["Last-Event-ID"]], [2, "x:1"]);
  await client.stop();
  assert.equal(clock.waiting, 0);
});

test("three sockets that fail in a row are enough, a WebSocket is tried again later and takes over", async () => {
  const http = new FakeHttp();
  const { client, clock, sockets, last } = begin({ transport: "auto", fetch: http.fetch });
  const ways = [];
  client.addEventListener("transport", ({ detail }) => ways.push(detail.transport));
  client.start();
  for (let n = 0; n < 3; n += 1) {
    await settled();
    last().end(1006);
    await clock.pass(1_500);
  }
  http.requests[0].answers(welcome());
  await settled();
  assert.deepEqual([client.transport, ways, sockets.length], ["http", ["http"], 3]);
  // The first trial fails too: the next one comes later.
  await clock.pass(5_000);
  assert.equal(sockets.length, 4);
  last().end(1006);
  await clock.pass(40_000);
  assert.equal(sockets.length, 4);
  await clock.pass(6_000);
  assert.equal(sockets.length, 5);
  client.command("vote.cast", VOTE, { id: "over-both" }).catch(() => {});
  await settled();
  assert.equal(commands(http).length, 1);
  assert.equal(client.transport, "http");
  last().open();
  assert.equal(last().said[0].type, "hello");
  last().hear(welcome());
  await settled();
  assert.deepEqual([client.status, client.transport, ways], ["open", "websocket", ["http", "websocket"]]);
  // Its answer was on the way over HTTP: the same id goes out again.
  assert.deepEqual(last().of("vote.cast").map(({ id }) => id), ["over-both"]);
  await client.stop();
  assert.equal(clock.waiting, 0);
});

test("the choice: a server's own close, and a socket that held, say that sockets get through", () => {
  const choice = new TransportChoice();
  const fails = { openMs: null };
  for (let n = 0; n < 2; n += 1) choice.ended("websocket", fails);
  choice.ended("websocket", { openMs: 6_000 });
  for (let n = 0; n < 2; n += 1) choice.ended("websocket", fails);
  assert.equal(choice.next(), "websocket");
  choice.ended("websocket", { openMs: 10 });
  assert.equal(choice.next(), "http");
  // A server that is away is no reason for HTTP.
  choice.ended("http", { openMs: null });
  for (let n = 0; n < 3; n += 1) {
    assert.equal(choice.next(), "websocket");
    choice.ended("websocket", fails);
  }
  assert.equal(choice.next(), "http");
  choice.ended("http", { openMs: 60_000 });
  assert.equal(choice.next(), "http");
  const hung = new TransportChoice();
  hung.ended("websocket", { openMs: null, isHung: true });
  assert.equal(hung.next(), "http");
  const fixed = new TransportChoice("websocket");
  for (let n = 0; n < 9; n += 1) fixed.ended("websocket", fails);
  assert.deepEqual([fixed.next(), fixed.retryDelayMs], ["websocket", null]);
  assert.throws(() => new TransportChoice("pigeon"), TypeError);
});

test("closes of the server never lead to HTTP", async () => {
  const http = new FakeHttp();
  const { client, clock, last } = begin({ transport: "auto", fetch: http.fetch });
  client.start();
  for (let n = 0; n < 6; n += 1) {
    await settled();
    last().open();
    last().end(n % 2 ? 4004 : 1012);
    await clock.pass(client.retryAt - clock.now());
  }
  assert.deepEqual([client.transport, http.requests.length], ["websocket", 0]);
  await client.stop();
});

test("events of a stream are read however they are cut", async () => {
  const text = ": still here\n\nevent: a\nid: 1\ndata: {\"t\":\"é\"}\n\ndata:two\ndata: lines\n\nretry: 12\n\nretry: x\n\n";
  const bytes = new TextEncoder().encode(text);
  for (let size = 1; size < bytes.length; size += 1) {
    const body = new ReadableStream({
      start(controller) {
        for (let at = 0; at < bytes.length; at += size) controller.enqueue(bytes.slice(at, at + size));
        controller.close();
      },
    });
    const events = [];
    const retry = await readEvents({ body }, (event) => events.push(event), () => {});
    assert.deepEqual([events, retry], [[{ id: "1", data: '{"t":"é"}' }, { data: "two\nlines" }], 12], `${size}`);
  }
});

test("limits of the welcome hold over HTTP too", async () => {
  const limits = { ...LIMITS, inflight: 1 };
  const { client, http } = await overHttp({ welcome: { limits } });
  for (const event of ["e1", "e2"]) client.command("comment.add", { event, content: "c" }).catch(() => {});
  await settled();
  assert.equal(commands(http).length, 1);
  await client.stop();
});

test("a socket that never opens leads to HTTP at once, one that only waits for its welcome does not", async () => {
  for (const [opens, way] of [[false, "http"], [true, "websocket"]]) {
    const http = new FakeHttp();
    const { client, clock, last } = begin({ transport: "auto", fetch: http.fetch });
    client.start();
    await settled();
    if (opens) last().open();
    await clock.pass(15_500);
    assert.equal(client.transport, way);
    await client.stop();
    assert.equal(clock.waiting, 0);
  }
});
