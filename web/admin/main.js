// The admin's page: what runs here, what is slow, one thing at a time. Reads again every two seconds.

import { render } from "../render.js";
import { preferredLanguage, setLanguage } from "../words.js";
import { ask, LONG_TIMEOUT_MS, token } from "./client.js";
import { say } from "./strings.js";
import { page } from "./views.js";

/** Milliseconds between two reads of what is shown; none while the tab is hidden. */
const REFRESH_INTERVAL_MS = 2_000;

class Admin {
  data = {};
  refusal = null;
  said = null;
  asked = null;
  typed = "";
  /** Why the latest act was refused. */
  failed = null;
  isActing = false;
  offline = false;
  isIn = token.get() !== null;
  #timer = null;
  #reading = 0;

  constructor(root) {
    this.root = root;
    addEventListener("hashchange", () => this.#go());
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.load());
    this.#go();
  }

  get route() {
    const [view = "now", ...rest] = location.hash.replace(/^#\//, "").split("/");
    try {
      return [view || "now", decodeURIComponent(rest.join("/"))];
    } catch {
      return ["look_up", ""];
    }
  }

  draw() {
    render(this.root, page(this));
  }

  #go() {
    [this.data, this.refusal, this.said, this.failed, this.asked] = [{}, null, null, null, null];
    this.draw();
    this.load();
  }

  async signIn(given) {
    token.set(given);
    await this.load(true);
  }

  signOut() {
    token.set(null);
    [this.isIn, this.data, this.refusal, this.said] = [false, {}, null, null];
    clearTimeout(this.#timer);
    this.draw();
  }

  question(key) {
    [this.asked, this.typed] = [key, ""];
    this.draw();
  }

  type(text) {
    this.typed = text;
    this.draw();
  }

  /** Do something, and say what became of it. `then` is the view to show if it was done. */
  async act(path, words, { body, then } = {}) {
    [this.asked, this.said, this.failed, this.isActing] = [null, null, null, true];
    this.draw();
    try {
      this.said = words(await ask(path, { method: "POST", body, timeout: body && LONG_TIMEOUT_MS }));
      if (then) {
        history.replaceState(null, "", then);
        this.data = {};
      }
    } catch (err) {
      this.#refuse(err);
      // Reading again, which goes on, takes a refusal away.
      [this.failed, this.refusal] = [this.refusal, null];
    }
    this.isActing = false;
    this.draw();
    this.load();
  }

  async more() {
    const { events, next } = this.data;
    try {
      const answer = await ask(`events?after=${encodeURIComponent(next)}`);
      this.data = { events: [...events, ...answer.events], next: answer.next };
    } catch (err) {
      this.#refuse(err);
    }
    this.draw();
  }

  /** Read what is shown, and again in a while. */
  async load(isSignIn = false) {
    clearTimeout(this.#timer);
    if (!this.isIn && !isSignIn) return;
    const reading = ++this.#reading;
    try {
      const data = await this.#read();
      if (reading !== this.#reading) return;
      [this.data, this.refusal, this.offline, this.isIn] = [data, null, false, true];
    } catch (err) {
      if (reading !== this.#reading) return;
      this.#refuse(err);
    }
    this.draw();
    // A longer list of events was asked for: it is not taken away again.
    const isStill = this.route[0] === "events" || this.route[0] === "look_up";
    if (this.isIn && !isStill && document.visibilityState === "visible") {
      this.#timer = setTimeout(() => this.load(), REFRESH_INTERVAL_MS);
    }
  }

  async #read() {
    const [view, id] = this.route;
    if (view === "rooms") return { rooms: (await ask("rooms")).rooms };
    if (view === "sockets") return { sockets: await ask("sockets") };
    if (view === "event" && id) return { event: await ask(`events/${encodeURIComponent(id)}`) };
    if (view === "user" && id) return { user: await ask(`users/${encodeURIComponent(id)}`) };
    if (view === "events") {
      const { events, next } = await ask("events");
      return { events, next };
    }
    const [node, { nodes }] = await Promise.all([ask("node"), ask("nodes")]);
    return { node, nodes };
  }

  #refuse(err) {
    this.offline = err.code === "offline";
    if (err.code === "unauthenticated") this.signOut();
    const words = {
      unauthenticated: () => say("wrong_token"),
      rate_limited: () => say("too_many", { count: Math.ceil((err.wait ?? 1000) / 1000) }),
      not_found: () => say("not_found"),
      offline: () => say("offline"),
    }[err.code];
    this.refusal = words ? words() : `${err.code}: ${err.message}`;
  }
}

setLanguage(preferredLanguage());
new Admin(document.getElementById("app"));
