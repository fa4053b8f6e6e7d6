// One text to every socket on Node's `ws`; see `frames.md` for what it is asked.
//
//     node frames_ws.js DIRECTORY_OF_PACKAGES
"use strict";

const path = require("node:path");
const { createRequire } = require("node:module");
const readline = require("node:readline");

const { WebSocketServer } = createRequire(path.join(process.argv[2], "package.json"))("ws");

const members = new Set();
let text = null;
let steps = 0;
let wanted = 0;
let scheduled = false;

function answer(words) {
  process.stdout.write(JSON.stringify(words) + "\n");
}

function step() {
  scheduled = false;
  if (text === null || steps >= wanted) return;
  steps += 1;
  for (const member of members) member.send(text, { binary: false });
  schedule();
}

function schedule() {
  if (scheduled) return;
  scheduled = true;
  setImmediate(step);
}

const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false });
server.on("listening", () => answer({ port: server.address().port }));
server.on("connection", (member) => {
  members.add(member);
  member.on("close", () => members.delete(member));
  member.on("message", (data, isBinary) => {
    if (data[0] === 0x63) {
      wanted = Math.max(wanted, Number(data.subarray(1)));
      schedule();
    } else {
      member.send(data, { binary: isBinary });
    }
  });
});

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const asked = JSON.parse(line);
  if ("send" in asked) {
    text = asked.send === null ? null : Buffer.from(asked.send);
    steps = 0;
    wanted = asked.ahead ?? 0;
    schedule();
  }
  answer({ members: members.size, steps });
});
