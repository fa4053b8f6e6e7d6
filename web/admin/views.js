// What the admin sees: functions of the state of `main.js`, as everywhere on the page.

import { h } from "../render.js";
import { button, empty, loading, pill, quoted, time, trouble } from "../views/parts.js";
import { number, span, t } from "../words.js";
import { say } from "./strings.js";

const TABS = ["now", "rooms", "sockets", "events", "look_up"];
const eventLink = (id, text = id) => h("a", { href: `#/event/${encodeURIComponent(id)}` }, quoted(text || id));
const userLink = (id, text = id) => h("a", { href: `#/user/${encodeURIComponent(id)}` }, quoted(text || id));

export function page(admin) {
  return [
    h("header", { class: "top" },
      h("a", { class: "brand", href: "#/now" }, logo(), h("span", {}, "Ayes")),
      pill(say("title")),
      admin.isIn && h("span", { class: admin.offline ? "line away" : "line" },
        h("span", { class: "dot", "aria-hidden": "true" }), say(admin.offline ? "offline" : "live")),
      admin.isIn && button(say("sign_out"), () => admin.signOut(), { kind: "quiet small" })),
    h("main", { id: "main", tabindex: -1 }, admin.isIn ? inside(admin) : signIn(admin)),
  ];
}

const logo = () =>
  h("svg", { class: "logo", viewBox: "0 0 32 32", "aria-hidden": "true" },
    h("rect", { width: 32, height: 32, rx: 9 }), h("path", { d: "M8 17.5l5.2 5L24 10" }));

function signIn(admin) {
  const submit = (event) => {
    event.preventDefault();
    admin.signIn(new FormData(event.target).get("token").trim());
  };
  return h("form", { class: "narrow card", onsubmit: submit },
    h("h1", {}, say("title")),
    h("div", { class: "field" },
      h("label", { for: "token" }, say("token")),
      h("input", { id: "token", name: "token", type: "password", required: true, autocomplete: "off", "aria-describedby": "token-hint" }),
      h("p", { class: "hint", id: "token-hint" }, say("token_hint"))),
    admin.refusal && trouble(admin.refusal),
    h("button", { class: "button primary", type: "submit" }, h("span", {}, say("sign_in"))));
}

function inside(admin) {
  const [view, id] = admin.route;
  const tab = TABS.includes(view) ? view : "look_up";
  return h("div", { class: "admin" },
    h("h1", { class: "unseen" }, say("title")),
    h("nav", { class: "tabs", "aria-label": say("title") }, TABS.map((one) =>
      h("a", { key: one, href: `#/${one}`, "aria-current": one === tab ? "page" : undefined }, say(one)))),
    admin.said && h("p", { class: "note confirmed", role: "status" }, admin.said),
    admin.failed && trouble(admin.failed),
    admin.isActing && h("p", { class: "note", role: "status" }, say("acting")),
    admin.refusal && trouble(admin.refusal, () => admin.load()),
    VIEWS[view]?.(admin, id) ?? find());
}

const VIEWS = { now, rooms, sockets, events, look_up: () => find(), event, user };

function now(admin) {
  const { node, nodes } = admin.data;
  if (!node) return loading();
  const figure = (key, value, isBad = false) =>
    h("div", { class: isBad ? "figure bad" : "figure", key }, h("dt", {}, say(key)), h("dd", {}, number(value)));
  return [
    node.draining && trouble(say("draining")),
    !node.bus.up && trouble(node.bus.why ? `${say("bus_off")} ${node.bus.why}` : say("bus_off")),
    h("dl", { class: "figures" },
      figure("sockets", node.sockets), figure("streams", node.streams), figure("rooms", node.rooms),
      figure("waiting", node.waiting), figure("acked", node.acked), figure("refused", node.refused),
      figure("undecided", node.undecided, node.undecided > 0), figure("retried", Object.values(node.retried).reduce((sum, count) => sum + count, 0))),
    h("p", { class: "quiet" }, `${node.version} · ${say("up", { time: span(Math.max(60, Math.floor(node.up_seconds / 60) * 60)) })}`),
    section("failing", node.failing, "all_well", (one) => row(one.work, h("b", {}, one.work), `${one.reason}: ${one.why}`)),
    section("slow", node.slow, "none_slow", (one, at) => row(at,
      one.events.map((id) => h("span", { key: id }, eventLink(id), " ")), time(one.at), say("commands", { count: one.commands }), say("ms", { count: one.ms }))),
    section("busy", node.busy, "none_busy", (one) => row(one.event, eventLink(one.event), say("commands", { count: one.waiting }))),
    section("nodes", nodes ?? [], "none", (one) => row(one.pid,
      h("b", {}, one.address ?? say("local")), h("span", {}, time(one.since)))),
    ask(admin, "prune", say("prune"), say("prune_sure"), () => admin.act("prune", (done) => say("pruned", { count: done.count }))),
  ];
}

function rooms(admin) {
  const list = admin.data.rooms;
  if (!list) return loading();
  if (list.length === 0) return empty(say("no_rooms"));
  return h("ul", { class: "rows" }, list.map((room) => row(room.event,
    h("span", { class: "what" }, eventLink(room.event, room.subject), h("small", {}, room.event)),
    say("watching", { count: room.subscriptions }), say("at", { seq: room.seq }),
    room.behind > 0 && pill(say("behind", { count: room.behind }), "attention"))));
}

function sockets(admin) {
  const { sockets: found } = admin.data;
  if (!found) return loading();
  if (found.sockets.length === 0) return empty(say("no_sockets"));
  return [h("p", { class: "quiet" }, say("all", { count: found.count })), h("ul", { class: "rows" }, found.sockets.map((one) => socket(admin, one)))];
}

function socket(admin, one) {
  return row(one.connection,
    h("span", { class: "what" },
      one.user === null ? say("no_hello") : userLink(one.user, one.name),
      h("small", {}, [one.user, one.address, one.connection].filter(Boolean).join(" · "))),
    one.unsent_bytes > 0 && pill(say("unsent", { count: one.unsent_bytes }), "attention"),
    one.behind > 0 && pill(say("behind", { count: one.behind }), "attention"),
    one.inflight > 0 && say("inflight", { count: one.inflight }),
    say("silent", { count: Math.round(one.silent_seconds) }),
    ask(admin, `close-${one.connection}`, say("close"), say("close_sure"),
      () => admin.act(`sockets/${one.connection}/close`, () => say("closed"))));
}

function events(admin) {
  const { events: list, next } = admin.data;
  if (!list) return loading();
  return [
    list.length === 0 ? empty(say("none")) : h("ul", { class: "rows" }, list.map((one) => row(one.id,
      h("span", { class: "what" }, eventLink(one.id, one.subject), h("small", {}, one.id)),
      pill(t(`status.${one.status}`)), say("at", { seq: one.seq }), time(one.created_at)))),
    next && button(say("more"), () => admin.more()),
  ];
}

function find() {
  const form = (name, place, label) => h("form", { class: "find", key: name, onsubmit: (event) => {
    event.preventDefault();
    location.hash = `#/${name}/${encodeURIComponent(new FormData(event.target).get("id").trim())}`;
  } },
    h("input", { name: "id", required: true, "aria-label": place, placeholder: place, autocapitalize: "off", spellcheck: "false" }),
    h("button", { class: "button", type: "submit" }, h("span", {}, label)));
  return h("section", { key: "find" }, form("event", say("event_or_code"), say("find_event")), form("user", say("user_id"), say("find_user")));
}

function event(admin) {
  const found = admin.data.event;
  if (!found) return admin.refusal ? find() : loading();
  return [
    h("section", { class: "card" },
      h("h2", { dir: "auto" }, found.subject), h("small", { class: "code" }, found.id),
      terms({ status: t(`status.${found.status}`), seq: number(found.seq), members: found.members, proposals: found.proposals, pending: found.pending,
        comments: found.comments, ballots: found.ballots, waiting: found.waiting,
        room: found.room ? say("watching", { count: found.room.subscriptions }) : say("not_here") }),
      askTyped(admin, "delete", say("delete"), say("delete_sure"), found.subject.trim(), () => {
        const path = `events/${encodeURIComponent(found.id)}/delete`;
        admin.act(path, (done) => say("deleted", { path: done.export }), { body: { confirm: found.id }, then: "#/events" });
      })),
    section("admins", found.admins, "none", (one) => row(one.user, userLink(one.user, one.name), one.user)),
    section("steps", found.steps, "none", (one) => row(one.seq, h("b", {}, `#${one.seq} ${one.command}`), time(one.at))),
  ];
}

function user(admin) {
  const found = admin.data.user;
  if (!found) return admin.refusal ? find() : loading();
  return [
    h("section", { class: "card" },
      h("h2", { dir: "auto" }, found.name ?? found.user), h("small", { class: "code" }, found.user),
      h("p", {}, found.revoked_before ? say("revoked", { time: new Date(found.revoked_before).toLocaleString() }) : say("never_revoked")),
      ask(admin, "revoke", say("revoke"), say("revoke_sure", { user: found.name ?? found.user }),
        () => admin.act(`users/${encodeURIComponent(found.user)}/revoke`, (done) => say("revoked", { time: new Date(done.before).toLocaleString() }))),
      erasing(admin, found, "erase", say("erase"), say("erase_sure"))),
    section("memberships", found.memberships, "none", (one) => row(one.event, eventLink(one.event, one.subject), pill(one.status), one.role,
      erasing(admin, found, `erase-${one.event}`, say("erase_here"), say("erase_here_sure"), one.event))),
    section("sockets", found.sockets, "none", (one) => socket(admin, one)),
  ];
}

/** Take a person's words out of one event, or of all. */
const erasing = (admin, { user }, key, label, question, event) =>
  askTyped(admin, key, label, question, user, () =>
    admin.act(`users/${encodeURIComponent(user)}/erase`, (done) => say("erased", { lines: done.done.join("; ") }), { body: { confirm: user, event } }));

// Parts.

const section = (key, list, none, line) =>
  h("section", { key, "aria-labelledby": `head-${key}` },
    h("h2", { id: `head-${key}` }, say(key)),
    list.length === 0 ? h("p", { class: "quiet" }, say(none)) : h("ul", { class: "rows" }, list.map(line)));

const row = (key, what, ...more) =>
  h("li", { key }, typeof what === "object" && !Array.isArray(what) && what.props?.class === "what" ? what : h("span", { class: "what" }, what),
    more.filter(Boolean).map((one, at) => typeof one === "object" ? one : h("span", { class: "num", key: at }, one)));

const terms = (values) =>
  h("dl", { class: "terms" }, Object.entries(values).map(([name, value]) =>
    h("div", { key: name }, h("dt", {}, say(name)), h("dd", {}, String(value)))));

/** A button that asks before it acts. */
function ask(admin, key, label, question, act) {
  if (admin.asked !== key) return button(label, () => admin.question(key), { kind: "small", key, "data-ask": key });
  return h("span", { class: "row", role: "group", "aria-label": question, key: `${key}?` },
    h("span", {}, question),
    button(say("yes"), act, { kind: "small danger" }),
    button(say("no"), () => admin.question(null), { kind: "small quiet", mount: (el) => el.focus() }));
}

/** A button that asks for `word` before it acts: what it does cannot be undone. */
function askTyped(admin, key, label, question, word, act) {
  if (admin.asked !== key) return button(label, () => admin.question(key), { kind: "small", key, "data-ask": key, disabled: admin.isActing });
  const hint = `${question} ${say("type", { word })}`;
  const submit = (event) => {
    event.preventDefault();
    if (admin.typed.trim() === word) act();
  };
  return h("form", { class: "row", "aria-label": hint, key: `${key}?`, onsubmit: submit },
    h("label", { for: `type-${key}` }, hint),
    h("input", { id: `type-${key}`, value: admin.typed, dir: "auto", autocomplete: "off", autocapitalize: "off", spellcheck: "false",
      oninput: (event) => admin.type(event.target.value), mount: (el) => el.focus() }),
    h("button", { class: "button small danger", type: "submit", disabled: admin.typed.trim() !== word }, h("span", {}, label)),
    button(say("no"), () => admin.question(null), { kind: "small quiet" }));
}
