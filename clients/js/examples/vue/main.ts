import { createAyes } from "ayes-client/vue";
import { createApp } from "vue";
import { App } from "./App.js";

const asked = new URLSearchParams(location.search);
const token = () => fetch("/api/ayes").then((answer) => (answer.ok ? answer.text() : Promise.reject(new Error(`no token: ${answer.status}`))));
createApp(App, { event: asked.get("event")! }).use(createAyes({ url: asked.get("server")!, token })).mount("main");
