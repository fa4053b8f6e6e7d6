// One text to every socket with Bun's `publish`; see `frames.md` for what it is asked.
//
//     bun frames_bun.js
const ROOM = "room";

let text = null;
let steps = 0;
let wanted = 0;
let scheduled = false;
let members = 0;

function answer(words) {
  process.stdout.write(JSON.stringify(words) + "\n");
}

function step() {
  scheduled = false;
  if (text === null || steps >= wanted) return;
  steps += 1;
  server.publish(ROOM, text, false);
  schedule();
}

function schedule() {
  if (scheduled) return;
  scheduled = true;
  setImmediate(step);
}

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch(request, self) {
    return self.upgrade(request) ? undefined : new Response("no upgrade", { status: 400 });
  },
  websocket: {
    perMessageDeflate: false,
    idleTimeout: 0,
    open(member) {
      members += 1;
      member.subscribe(ROOM);
    },
    message(member, message) {
      if (message[0] === "c") {
        wanted = Math.max(wanted, Number(message.slice(1)));
        schedule();
      } else {
        member.send(message);
      }
    },
    close() {
      members -= 1;
    },
  },
});
answer({ port: server.port });

for await (const line of console) {
  const asked = JSON.parse(line);
  if ("send" in asked) {
    text = asked.send;
    steps = 0;
    wanted = asked.ahead ?? 0;
    schedule();
  }
  answer({ members, steps });
}
