// An event seen from behind a proxy: HTTPS_PROXY, HTTP_PROXY and NO_PROXY of the environment are asked.
// Run with: node behind-a-proxy.js https://ayes.example TOKEN. It needs `npm install undici`.

import { Client } from "ayes-client";
import { EnvHttpProxyAgent, fetch, setGlobalDispatcher, WebSocket } from "undici";

setGlobalDispatcher(new EnvHttpProxyAgent());
const [, , address, token] = process.argv;
const client = new Client(address, { token, WebSocket, fetch });

client.addEventListener("welcome", async ({ detail }) => {
  console.log(`${detail.user.name} is connected by ${client.transport}`);
  const { events } = await client.query("events.list", {});
  console.log(`${events.length} events`);
  await client.stop();
});
client.start();
