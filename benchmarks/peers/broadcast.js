// The peer of the fan-out: Node's `ws`, sending every step to every member as fast as they take it.
//
//     node broadcast.js <path of the ws package>
//
// Prints {"port": …} once it listens. On a line of JSON {"send": "…"} on standard input it begins to
// send that text to all, over and over; on {"send": null} it stops. Answers each line.
"use strict";

const { WebSocketServer } = require(process.argv[2]);
const readline = require("node:readline");

// A member with this much unsent is waited for, so that memory stays bounded.
const UNSENT_BYTES = 64 * 1024;

const members = new Set();
const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false });
let step = null;
let steps = 0;

server.on("listening", () => answer({ port: server.address().port }));
server.on("connection", (member) => {
  members.add(member);
  member.on("close", () => members.delete(member));
});

function answer(words) {
  process.stdout.write(JSON.stringify(words) + "\n");
}

function send() {
  if (step === null) return;
  let waiting = false;
  for (const member of members) waiting ||= member.bufferedAmount > UNSENT_BYTES;
  if (!waiting) {
    for (const member of members) member.send(step, { binary: false });
    steps += 1;
  }
  setImmediate(send);
}

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const asked = JSON.parse(line);
  if ("send" in asked) {
    step = asked.send === null ? null : Buffer.from(asked.send);
    if (step !== null) setImmediate(send);
  }
  answer({ members: members.size, steps });
});
