// A page without a browser, for views under test. The client's own parts (WebSocket, fetch, timers) stay Node's.

import { Window } from "happy-dom";

const window = new Window({ url: "http://localhost/" });
const { document } = window;
Object.assign(globalThis, { document });
// A function, as Node's own globals are; `window` says that this is no server that renders.
globalThis.window = globalThis;
for (const name of ["HTMLElement", "Element", "Node", "SVGElement", "MathMLElement", "ShadowRoot", "CSSStyleSheet", "customElements", "HTMLIFrameElement"]) {
  globalThis[name] ??= window[name];
}
// An element takes events of its own page only, and the client those of Node.
const { dispatchEvent } = window.EventTarget.prototype;
window.HTMLElement.prototype.dispatchEvent = function dispatch(event) {
  const { type, detail, bubbles, composed } = event;
  return dispatchEvent.call(this, event instanceof window.Event ? event : new window.CustomEvent(type, { detail, bubbles, composed }));
};

/** An element of the page. */
export function place() {
  const made = document.createElement("main");
  document.body.append(made);
  return made;
}
