// What both elements do: find their client and room, draw what these show, and let go of them.

import { held } from "../bindings/held.js";
import { explain } from "../words/explain.js";
import { useClient } from "./clients.js";
import { say } from "./words.js";

const STYLE = `
:host { display: block; font: inherit; color: inherit; }
:host([hidden]) { display: none; }
p { margin: 0.25em 0; }
button { font: inherit; padding: 0.4em 0.9em; margin-inline-end: 0.5em; border: 1px solid currentColor; border-radius: 0.4em; background: transparent; color: inherit; cursor: pointer; }
button[aria-pressed="true"] { background: var(--ayes-accent, #1b6e4f); border-color: var(--ayes-accent, #1b6e4f); color: #fff; }
button[aria-busy="true"] { border-style: dashed; }
.error { color: var(--ayes-danger, #a3261c); }
.words { font-weight: 600; white-space: pre-wrap; overflow-wrap: anywhere; }
`;
let sheet = null;

/** The element's style; a constructed one, which a policy without inline styles lets through. */
function style() {
  if (sheet === null) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
  }
  return sheet;
}

/** Make an element with text and properties; nothing is markup. */
export function made(name, text, properties = {}) {
  return Object.assign(document.createElement(name), text === undefined ? {} : { textContent: text }, properties);
}

const Base = globalThis.HTMLElement ?? class {};

export class AyesElement extends Base {
  static observedAttributes = ["server", "event", "token-from", "proposal", "lang"];
  #client = null;
  #ends = [];
  #room;
  #error = null;
  /** The client in use. */
  #used = null;
  /** Identifies the present connection to client and room. */
  #turn = null;

  constructor() {
    super();
    this.attachShadow({ mode: "open" }).adoptedStyleSheets = [style()];
  }

  /** The client that the page gave, or that of the attributes; the nearest <ayes-room>'s if there are none. */
  get client() {
    return this.#client;
  }

  set client(client) {
    this.#client = client;
    if (this.isConnected) this.connectedCallback();
  }

  /** The room, once it is entered. */
  get room() {
    return this.#room;
  }

  /** The language of the nearest `lang` attribute. */
  get language() {
    return this.closest("[lang]")?.lang || this.getRootNode().host?.closest("[lang]")?.lang || document.documentElement.lang || "en";
  }

  connectedCallback() {
    this.disconnectedCallback();
    const turn = (this.#turn = {});
    // An element that is parsed before its parent is upgraded looks again when that is done.
    queueMicrotask(() => this.#turn === turn && this.#enter(turn));
  }

  disconnectedCallback() {
    this.#turn = null;
    for (const end of this.#ends.splice(0)) end();
    this.#room = undefined;
    this.#error = null;
  }

  attributeChangedCallback(_, before, after) {
    if (before !== after && this.isConnected) this.connectedCallback();
  }

  #enter(turn) {
    const event = this.#attribute("event");
    const client = (this.#used = this.#findClient());
    if (!client || !event) {
      this.draw();
      return;
    }
    this.#ends.push(client.watch(() => this.draw()));
    const entry = held(client, event);
    this.#ends.push(entry.use());
    this.draw();
    entry.settled.then(() => {
      if (this.#turn !== turn) return;
      [this.#room, this.#error] = [entry.room, entry.error ?? null];
      if (entry.room) {
        this.#ends.push(entry.room.watch(() => this.draw()));
        this.#ends.push(entry.room.on("decided", (detail) => this.tell("ayes-decided", detail)));
      } else {
        this.tell("ayes-error", { error: entry.error });
      }
      this.draw();
    });
  }

  #findClient() {
    const source = this.#source("client") ?? this;
    if (source.#client) return source.#client;
    const server = this.#attribute("server");
    const tokenFrom = this.#attribute("token-from");
    if (!server || !tokenFrom) return null;
    const { client, done } = useClient(new URL(server, document.baseURI).href, new URL(tokenFrom, document.baseURI).href);
    this.#ends.push(done);
    return client;
  }

  /** The nearest element that the page gave a client. */
  #source() {
    for (let place = this; place; place = place.parentElement?.closest("ayes-room") ?? place.getRootNode().host?.closest("ayes-room")) {
      if (place.#client) return place;
    }
    return null;
  }

  /** An attribute of this element, or of the nearest <ayes-room>. */
  #attribute(name) {
    for (let place = this; place; place = place.parentElement?.closest("ayes-room") ?? place.getRootNode().host?.closest("ayes-room")) {
      if (place.hasAttribute(name)) return place.getAttribute(name);
    }
    return null;
  }

  /** Dispatch an event that leaves the shadow tree. */
  tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true }));
  }

  say(key, values) {
    return say(key, this.language, values);
  }

  /** The words for an error, names of members included. */
  explain(error) {
    const name = (user) => this.#room?.state?.members?.[user]?.name;
    return explain(error, this.language, { name });
  }

  /** Show what there is: each element has `show(room)`. */
  draw() {
    const room = this.#room;
    if (this.#error) this.#only(this.explain(this.#error), "error");
    else if (room?.closed) this.#only(this.explain({ code: "room_closed", details: { reason: room.closed } }), "error");
    else if (room?.state === undefined) this.#only(this.#waiting());
    else this.show(room);
  }

  /** Why there is no room yet. */
  #waiting() {
    const trouble = this.#used?.trouble;
    if (trouble) return this.explain(trouble.error);
    return this.say(this.#attribute("event") ? "entering" : "nothing");
  }

  #only(text, kind) {
    this.reset();
    this.shadowRoot.replaceChildren(made("p", text, { role: "status", className: kind ?? "" }));
  }

  /** Forget the nodes that were shown. */
  reset() {}
}
