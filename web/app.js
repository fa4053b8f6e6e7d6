// The page as a whole: the user, the place, the open parts, and the moment of the next drawing.

import { Announcer } from "./announcer.js";
import { Archive } from "./archive.js";
import { Dialogs } from "./dialogs.js";
import { Drafts } from "./drafts.js";
import { Finger } from "./finger.js";
import { keepingFocus } from "./focus.js";
import { Later } from "./later.js";
import { reason } from "./refusal.js";
import { Reminders } from "./reminders.js";
import { link, parse } from "./route.js";
import { render } from "./render.js";
import { Seen } from "./seen.js";
import { Session } from "./session.js";
import { browserStore } from "./store.js";
import { setClock, setLanguage, t } from "./words.js";
import { isCounting } from "./views/schedule.js";
import { shell } from "./views/shell.js";

/** Milliseconds between drawings that only move times on. */
const TICK_INTERVAL_MS = 15_000;
/** The same while the seconds to the next try are counted. */
const COUNTDOWN_INTERVAL_MS = 1_000;
/** Closes that say that the token is no good: bad, or revoked. */
const REFUSED = [4500, 4503];
const THEME = "ayes:theme";
/** Phases of a room that does not show what is in it. */
const SHUT = ["refused", "closed"];

export class App {
  constructor(root, signin) {
    this.root = root;
    this.signin = signin;
    this.session = null;
    this.route = parse(location.hash);
    this.drafts = new Drafts(() => this.changed());
    this.dialogs = new Dialogs(() => this.changed());
    this.announcer = new Announcer((kind, count) => t(`news.${kind}`, { count }));
    this.finger = new Finger(root);
    this.archive = new Archive(() => this.changed());
    this.seen = new Seen();
    this.undoable = new Later(() => this.changed());
    this.reminders = new Reminders({
      rooms: () => this.session?.rooms.values() ?? [],
      looks: (event) => !document.hidden && document.hasFocus() && this.route.view === "room" && this.route.event === event,
      say: (text) => this.announce(text),
      lead: (event, tab) => this.lead(link.room(event, tab)),
      changed: () => this.changed(),
    });
    this.theirs = false;
    this.line = "open";
    this.ended = null;
    this.open = new Map();
    this.queued = false;
    this.arrived = true;
    this.returning = null;
  }

  start() {
    addEventListener("hashchange", () => this.go());
    this.signin.addEventListener("change", () => this.follow());
    document.addEventListener("visibilitychange", () => this.changed());
    this.follow();
    this.tick();
  }

  /** Be signed in, or not, as the sign-in says. */
  follow() {
    if (this.signin.user && !this.session && !this.ended) this.begin();
    else if (!this.signin.user && this.session) {
      this.session.stop();
      this.session = null;
      this.dialogs.drop();
      this.undoable.clear();
      this.drafts.close();
      this.reminders.close();
    }
    this.changed();
  }

  begin() {
    this.ended = null;
    this.session = new Session(this.signin, {
      changed: () => this.changed(),
      heard: (event, kind) => this.heard(event, kind),
      settled: (act) => this.settled(act),
      ended: (error) => this.finish(error),
    });
    const { client } = this.session;
    setClock(() => this.session?.now() ?? Date.now());
    const own = () => {
      for (const kept of [this.drafts, this.archive, this.seen, this.reminders]) kept.open(client.user.id);
    };
    client.addEventListener("welcome", own, { once: true });
  }

  /**
   * The server closed for good: show its reason. If the sign-in is at fault, forget it; otherwise the
   * user may come back with it. Commands stay in the outbox, typed words in the drafts.
   */
  finish(error) {
    this.ended = error;
    this.session?.stop();
    this.session = null;
    this.dialogs.drop();
    if (REFUSED.includes(error.details.close)) this.signin.refused();
    this.changed();
  }

  /** Sign out; if commands or words would be lost, ask first. */
  askSignOut() {
    if (this.session && (this.session.unsent().length > 0 || this.drafts.size > 0)) this.dialogs.open("sign-out");
    else this.signOut();
  }

  /** Sign out and forget everything of this user, since the next user of this browser may be another one. */
  async signOut() {
    this.dialogs.close();
    this.ended = null;
    this.undoable.clear();
    this.session?.forgetUser();
    this.drafts.forget();
    for (const kept of [this.archive, this.seen, this.reminders]) kept.forget();
    this.open.clear();
    // Out here at once; at the provider too, if it can be reached and has an endpoint for that.
    this.signin.outAtProvider().catch(() => {});
    this.lead(link.events());
  }

  /**
   * Send an act that cannot be undone after some seconds; `what` names it, and until then it can be
   * undone.
   */
  later(what, send) {
    this.undoable.add(what, send);
    this.announce(t("undo.said", { what }));
    this.wake();
  }

  /** Go to `fragment`, once a dialog that was just closed has left the browser's history. */
  async lead(fragment) {
    await this.dialogs.gone();
    location.hash = fragment;
  }

  go() {
    const before = this.route;
    this.route = parse(location.hash);
    this.dialogs.drop();
    this.arrived = before.view !== this.route.view || before.event !== this.route.event || before.tab !== this.route.tab;
    if (this.arrived) scrollTo(0, 0);
    if (this.route.view === "events") this.session?.loadEvents();
    this.changed();
  }

  /** Announce an answered act, and go to the place it leads to. */
  settled(act) {
    const room = this.session?.rooms.get(act.event);
    if (act.state === "refused") {
      this.announce(t("act.refused", { reason: reason(act.error, (user) => room?.name(user)) }));
      this.giveBack(act);
      return;
    }
    room?.heardAct(act);
    this.announce(t(act.applied ? "act.confirmed" : "act.same"));
    const { event } = act.ack;
    if (act.type === "event.create") this.drafts.drop("create");
    if (act.type === "event.create" && this.route.view === "new") this.lead(link.room(event));
    if (act.type === "membership.join" && this.route.view === "join" && this.route.code === act.args.code) {
      this.session.forget(event);
      this.lead(link.room(event));
    }
    if (act.type === "membership.join" && this.route.view === "invited" && this.route.secret === act.args.invitation) this.lead(link.room(event));
    if (act.type === "membership.leave" || act.type === "membership.cancel") {
      if (this.route.event === act.event) this.lead(link.events());
      this.session.forget(act.event);
    }
    // Who went to the room before this answer has it shut, and it would stay so.
    if (act.type === "membership.join" && SHUT.includes(this.session.rooms.get(event)?.phase)) this.session.forget(event);
    if (/^(event|membership)\./.test(act.type)) this.session.loadEvents();
  }

  /** Put refused words back into the field they were typed in, unless it has other words now. */
  giveBack(act) {
    const form = `${act.event ?? ""}|${act.key}`;
    for (const name of ["content", "reason"]) {
      const text = act.args[name];
      if (typeof text === "string" && text && !this.drafts.get(`${form}.${name}`)) {
        this.drafts.set(`${form}.${name}`, text);
        this.show(form, true);
      }
    }
  }

  /** Announce the result of an act to screen readers. */
  announce(text) {
    this.announcer.say(text);
  }

  /** Handle an act of others in `event`: announce it if the event is shown, and draw it under no finger. */
  heard(event, kind) {
    this.theirs = true;
    if (!kind || this.route.event !== event) return;
    this.announcer.gather(kind);
    // At the end the page leads every user to the result, except one who is writing.
    const isWriting = document.activeElement?.matches("textarea, input");
    if (kind === "status.finished" && !isWriting && !this.dialogs.current && this.route.tab !== "screen") this.lead(link.room(event, "ballot"));
  }

  /** Announce once that the connection was lost or is back, without the seconds. */
  listen() {
    const line = this.session?.client.status === "open" ? "open" : "away";
    const before = this.line;
    this.line = line;
    if (line !== before && this.session?.client.user) this.announce(t(line === "open" ? "line.back" : "line.lost"));
  }

  /** Whether the part of the page called `key` is open. */
  shown(key) {
    return this.open.get(key) ?? false;
  }

  show(key, value) {
    if (value) this.open.set(key, value);
    else this.open.delete(key);
    this.changed();
  }

  /** Close the form at `key`, and give the focus back to what opens it. */
  fold(key) {
    this.returning = key;
    this.show(key, false);
  }

  speak(language) {
    setLanguage(language, true);
    this.changed();
  }

  get theme() {
    return document.documentElement.dataset.theme ?? "system";
  }

  paint(theme) {
    const { dataset } = document.documentElement;
    if (theme === "system") delete dataset.theme;
    else dataset.theme = theme;
    if (theme === "system") browserStore.remove(THEME);
    else browserStore.set(THEME, theme);
    this.changed();
  }

  /** Draw before the next frame; many changes are one drawing. */
  changed() {
    if (this.queued) return;
    this.queued = true;
    requestAnimationFrame(() => {
      this.queued = false;
      this.draw();
    });
  }

  draw() {
    this.listen();
    this.finger.before({ theirs: this.theirs, elsewhere: this.arrived });
    this.theirs = false;
    keepingFocus(this.root, () => render(this.root, shell(this)), this.dialogs.opener);
    this.finger.after();
    const heading = this.root.querySelector("h1");
    document.title = heading && this.session ? `${heading.textContent} · Ayes` : "Ayes";
    if (this.returning) this.root.querySelector(`[data-opens="${CSS.escape(this.returning)}"]`)?.focus();
    this.returning = null;
    if (!this.arrived) return;
    // A new view is read from its heading, as a new page would be.
    this.arrived = false;
    if (document.activeElement === document.body || !document.activeElement?.isConnected) {
      heading?.focus({ preventScroll: true });
    }
  }

  /** Draw again in a while; each second while seconds are shown. */
  tick() {
    const isCounted = (this.session && !this.session.online) || this.undoable.all().length > 0 || this.#isScheduled();
    this.timer = setTimeout(() => {
      this.changed();
      this.tick();
    }, isCounted ? COUNTDOWN_INTERVAL_MS : TICK_INTERVAL_MS);
  }

  /** Whether the room on show counts down to its start or end. */
  #isScheduled() {
    const store = this.route.view === "room" && this.session?.rooms.get(this.route.event);
    return Boolean(store && store.phase === "open" && isCounting(store.state.event));
  }

  /** Seconds are shown from now on. */
  wake() {
    clearTimeout(this.timer);
    this.tick();
  }
}
