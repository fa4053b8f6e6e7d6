// A room of voters on Node's `ws`, with Redis as its memory and its disk.
//
//     node room.js DIRECTORY_OF_PACKAGES PORT_OF_REDIS
//
// It speaks as much of the protocol as voters need, and promises less than the server: no rights, no
// hash chain, no resume, no diffs of a client's own. A vote is acknowledged after Redis has synced its
// append-only file. Members who watch get the newest tally every few milliseconds, or a frame a vote.
//
// Lines of JSON on standard input, each answered by one: {"tell": 4} sends the newest tally every
// 4 ms, {"tell": 0} a frame for each vote.
"use strict";

const path = require("node:path");
const { createRequire } = require("node:module");
const readline = require("node:readline");
const fs = require("node:fs");

const [packages, redisPort] = process.argv.slice(2);
const load = createRequire(path.join(packages, "package.json"));
const { WebSocketServer } = load("ws");
const { Redis } = load("ioredis");

// All commands of one turn of the loop go to Redis in one write.
const redis = new Redis({ host: "127.0.0.1", port: Number(redisPort), enableAutoPipelining: true });
redis.defineCommand("vote", {
  numberOfKeys: 0,
  lua: fs.readFileSync(path.join(__dirname, "vote.lua"), "utf8"),
});

const EVENT = "0190f0a0-0000-7000-8000-000000000000";
const PROPOSAL = "0190f0a0-0000-7000-8000-000000000001";
const EPOCH = "peer000000000000";
const watching = new Set();
let seq = 0;
let agree = 0;
let shown = 0;
let interval = 4;
let timer = null;

function answer(words) {
  process.stdout.write(JSON.stringify(words) + "\n");
}

function show() {
  timer = null;
  if (shown === seq) return;
  const patch = `{"proposals":{"${PROPOSAL}":{"agree":${agree}}}}`;
  // Encoded once: every send below shares the buffer.
  const diff = Buffer.from(
    `{"type":"diff","event":"${EVENT}","epoch":"${EPOCH}","from":${shown},"seq":${seq},"patch":${patch}}`,
  );
  shown = seq;
  for (const member of watching) member.send(diff, { binary: false });
}

async function vote(member, message) {
  const [text, repeated] = await redis.vote(
    member.user,
    message.id,
    message.type === "vote.cast" ? "1" : "0",
  );
  const [at, tally] = text.split(" ");
  member.send(
    `{"type":"ack","id":"${message.id}","event":"${EVENT}","seq":${at},"applied":true,` +
      `"replayed":${repeated === 1},"result":{"agree":${tally}}}`,
  );
  if (Number(at) <= seq) return;
  seq = Number(at);
  agree = Number(tally);
  if (interval === 0) show();
  else timer ??= setTimeout(show, interval);
}

function receive(member, message) {
  switch (message.type) {
    case "hello":
      member.user = JSON.parse(Buffer.from(message.token.split(".")[1], "base64url")).sub;
      member.send('{"type":"welcome"}');
      break;
    case "subscribe":
      watching.add(member);
      member.send(`{"type":"snapshot","ref":"${message.ref}","seq":${shown}}`);
      break;
    case "unsubscribe":
      watching.delete(member);
      member.send(`{"type":"unsubscribed","ref":"${message.ref}"}`);
      break;
    default:
      vote(member, message);
  }
}

const server = new WebSocketServer({
  host: "127.0.0.1",
  port: 0,
  perMessageDeflate: false,
  handleProtocols: () => "ayes.v1",
});
server.on("connection", (member) => {
  member.on("message", (data) => receive(member, JSON.parse(data)));
  member.on("close", () => watching.delete(member));
});
server.on("listening", () =>
  answer({ port: server.address().port, event: EVENT, proposal: PROPOSAL }),
);

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  interval = JSON.parse(line).tell;
  answer({ tell: interval });
});
