// Renders with React and with Vue on a server, and prints both as JSON.

import { createElement as h, Suspense } from "react";
import { renderToString } from "react-dom/server";
import * as react from "ayes-client/react";
import * as vue from "ayes-client/vue";
import { createSSRApp, h as vueH } from "vue";
import { renderToString as renderVue } from "vue/server-renderer";

const url = "https://ayes.example";
const Line = () => h("p", null, react.useConnection().status);
const Subject = () => h("i", null, react.useRoom("e").state.event.subject);
const Early = () => h("u", null, react.useRoom("e", { suspense: false })?.event ?? "no room");
const app = h(react.AyesProvider, { url }, h(Line), h(Early), h(Suspense, { fallback: h("b", null, "waiting") }, h(Subject)));

const App = {
  setup() {
    const { status } = vue.useConnection();
    const { room } = vue.useRoom("e");
    const { tally } = vue.useProposal(room, "p");
    return () => [vueH("p", status.value), vueH("i", tally.value ? "a room" : "no room")];
  },
};
const rendered = await renderVue(createSSRApp(App).use(vue.createAyes({ url })));
console.log(JSON.stringify([renderToString(app), rendered.replaceAll(/<!--.*?-->/g, "")]));
