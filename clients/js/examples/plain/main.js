// No framework, no build: the elements come from the Ayes server itself. In HTML alone, with a fixed server:
//
//   <script type="module" src="https://ayes.example/sdk/elements.js"></script>
//   <ayes-room server="https://ayes.example" event="0190…" token-from="/api/ayes"></ayes-room>

const asked = new URLSearchParams(location.search);
const room = document.createElement("ayes-room");
room.setAttribute("server", asked.get("server"));
room.setAttribute("event", asked.get("event"));
room.setAttribute("token-from", "/api/ayes");
document.querySelector("main").append(room);
await import(new URL("/sdk/elements.js", asked.get("server")));
