// Members, applicants, and the ways to join.

import { byRequest } from "../order.js";
import { leads } from "../permissions.js";
import { reason } from "../refusal.js";
import { h } from "../render.js";
import { isolated, number, t } from "../words.js";
import { field } from "./forms.js";
import { adding, invitations } from "./invitations.js";
import { searched, searchField, windowed } from "./lists.js";
import { button, dialog, empty, face, marked, note, pill, quoted, time, trouble } from "./parts.js";
import { ways } from "./share.js";

export function peopleTab(app, store) {
  const { counts, event } = store.state;
  return h("div", { class: "columns people" },
    h("div", { class: "stack" },
      requests(app, store),
      h("section", { class: "card", "aria-labelledby": "members-title" },
        h("header", { class: "section-head" },
          h("h2", { id: "members-title" }, t("people.title"), " ", h("span", { class: "count" }, `${number(counts.members)} / ${number(event.max_members)}`)),
          store.room.online !== undefined && store.room.live && h("span", { class: "fact online" }, h("span", { class: "dot", "aria-hidden": "true" }), t("room.online", { count: store.room.online }))),
        members(app, store))),
    h("aside", { class: "stack" },
      store.status !== "finished" && h("section", { class: "card", "aria-labelledby": "invite-title" }, h("h2", { id: "invite-title" }, t("share.heading")), ways(app, store)),
      store.may("invitation.create") && invitations(app, store),
      store.may("membership.add") && adding(app, store),
      renaming(app, store),
      h("div", { class: "row" }, button(t("leave"), () => app.dialogs.open("leave", store.event), { kind: "quiet" }), note(app, store, "membership/leave"))),
    leaveDialog(app, store));
}

function requests(app, store) {
  const waiting = Object.entries(store.state.requests ?? {}).sort(([, a], [, b]) => byRequest(a, b));
  if (!store.isAdmin || waiting.length === 0) return decided(app, store);
  const count = store.state.counts.requests ?? waiting.length;
  const behind = count - waiting.length;
  const busy = ["approve_all", "reject_all"].some((verb) => store.act(`membership/${verb}`)?.state === "pending");
  const list = `requests|${store.event}`;
  const { rows, more } = windowed(app, list, searched(app, list, waiting, ([, request]) => request.name), ([user, request]) => requestRow(app, store, user, request));
  return h("section", { class: "card attention-card", "aria-labelledby": "requests-title" },
    h("header", { class: "section-head" },
      h("h2", { id: "requests-title" }, t("requests.title"), " ", h("span", { class: "count" }, number(count))),
      store.may("membership.approve_all") && waiting.length > 1 && h("div", { class: "row" },
        button(t("requests.approve_all"), () => app.dialogs.open("approve_all", store.event, { count, upto: store.room.seq }), { kind: "small", sign: "check", disabled: busy }),
        button(t("requests.reject_all"), () => app.dialogs.open("reject_all", store.event, { count, upto: store.room.seq }), { kind: "small quiet", disabled: busy }))),
    decided(app, store),
    searchField(app, list, t("list.search.name"), waiting.length),
    h("ul", { class: "people-list" }, rows),
    more,
    behind > 0 && h("p", { class: "quiet" }, t("requests.behind", { count: behind })),
    behind > 0 && laterRequests(app, store, behind),
    allDialog(app, store, "approve_all", "primary"), allDialog(app, store, "reject_all", "danger"));
}

const requestRow = (app, store, user, request) =>
  h("li", { key: user },
    face(request.name), h("span", { class: "who" }, h("b", {}, quoted(request.name)), marked(store, user), h("span", { class: "quiet" }, time(request.requested_at))),
    store.may("membership.approve") && h("span", { class: "row" },
      button(t("requests.approve"), () => store.run("membership.approve", { user }), { kind: "small primary", about: store.label(user, request.name) }),
      button(t("requests.reject"), () => store.run("membership.reject", { user }), { kind: "small quiet", about: store.label(user, request.name) }),
      note(app, store, `member/${user}`, store.label(user, request.name))));

/** The result for all applicants, in words: how many came in, and how many did not fit. */
function decided(app, store) {
  return ["approve_all", "reject_all"].map((verb) => {
    const act = store.act(`membership/${verb}`);
    if (act?.state !== "confirmed") return note(app, store, `membership/${verb}`);
    const { result } = act.ack;
    const done = result.approved_count ?? result.rejected_count ?? (result.approved ?? result.rejected ?? []).length;
    const left = result.waiting_count ?? (result.waiting ?? []).length;
    return h("p", { class: "banner good", role: "status", key: verb }, t(`requests.${verb}.done`, { count: done }), " ", left > 0 && t("requests.no_room", { count: left }));
  });
}

/**
 * Ask before an act on many applicants, with their number; it leaves out those who apply after it was
 * opened.
 */
function allDialog(app, store, verb, kind) {
  const open = app.dialogs.shown(verb, store.event);
  if (!open) return null;
  const { count, upto } = open.about;
  const send = () => {
    app.dialogs.close();
    store.run(`membership.${verb}`, { upto });
  };
  return dialog(app, store, verb, t(`requests.${verb}.title`, { count, subject: store.state.event.subject }),
    h("p", {}, t(`requests.${verb}.text`)),
    h("div", { class: "row end" },
      button(t("cancel"), () => app.dialogs.close(), { kind: "quiet" }),
      button(t(`requests.${verb}`), send, { kind })));
}

function members(app, store) {
  const page = store.pages.members;
  const shown = new Map(Object.entries(store.state.members));
  // A page read earlier gets no changes; the room's own list is newer.
  for (const [id, member] of page.items) if (!shown.has(id)) shown.set(id, member);
  const rows = [...shown].sort(([, a], [, b]) => RANKS.indexOf(a.role) - RANKS.indexOf(b.role) || a.name.localeCompare(b.name));
  if (rows.length === 0) return empty(t("people.none"));
  const missing = store.state.counts.members - [...shown.values()].filter((member) => member.role !== "organiser").length;
  const list = `members|${store.event}`;
  const window = windowed(app, list, searched(app, list, rows, ([, member]) => member.name), ([user, member]) => row(app, store, user, member), 100);
  return [
    searchField(app, list, t("list.search.name"), rows.length),
    h("ul", { class: "people-list" }, window.rows),
    window.more,
    page.error && trouble(reason(page.error), () => store.more("members")),
    missing > 0 && !page.done && button(t("people.more", { count: missing }), () => store.more("members"), { kind: "quiet small", disabled: page.loading }),
  ];
}

const RANKS = ["admin", "organiser", "member"];

/** Applicants beyond those that the room shows, in pages. */
function laterRequests(app, store, behind) {
  const page = store.pages.requests;
  const rows = [...page.items].filter(([user]) => !(user in store.state.requests));
  return [
    h("ul", { class: "people-list", key: "later-requests" }, rows.map(([user, request]) => requestRow(app, store, user, request))),
    page.error && trouble(reason(page.error), () => store.more("requests")),
    !page.done && rows.length < behind && button(t("people.more", { count: behind - rows.length }), () => store.more("requests"), { kind: "quiet small", disabled: page.loading }),
  ];
}

/** One's own name in this event. */
function renaming(app, store) {
  if (!store.may("membership.rename")) return null;
  const draft = `${store.event}|rename`;
  const standing = store.state.members[store.me]?.name ?? "";
  const name = (app.drafts.get(draft) ?? standing).trim();
  const send = async (event) => {
    event.preventDefault();
    if (!name || name === standing) return;
    const act = await store.run("membership.rename", { name });
    if (act.state === "confirmed") app.drafts.drop(draft);
  };
  return h("details", { class: "card", key: "rename" }, h("summary", {}, h("h2", {}, t("rename.title"))),
    h("form", { class: "stack", onsubmit: send },
      field(app, { draft, label: t("rename.name"), initial: standing, max: 100, autocomplete: "nickname" }),
      h("div", { class: "row" },
        h("button", { class: "button", disabled: !name || name === standing }, t("save")),
        note(app, store, "membership/rename"))));
}

function row(app, store, user, member) {
  const about = store.label(user, member.name);
  return h("li", { key: user, mount: (el) => store.settled && el.classList.add("arrive") },
    face(member.name),
    h("span", { class: "who" }, h("b", {}, quoted(member.name)), " ", user === store.me && pill(t("you")), leads(member.role) && pill(t(`role.${member.role}`), "agreed"),
      marked(store, user)),
    h("span", { class: "row" },
      store.may("membership.set_role") && RANKS.filter((role) => role !== member.role).map((role) =>
        button(t(`role.make.${role}`), () => store.run("membership.set_role", { user, role }), { kind: "small quiet", key: role, about })),
      store.may("membership.remove") && user !== store.me && button(t("people.remove"), () => app.dialogs.open("remove", store.event, user), { kind: "small quiet", about }),
      note(app, store, `member/${user}`, about)),
    app.dialogs.shown("remove", store.event)?.about === user && removeDialog(app, store, user, member));
}

function removeDialog(app, store, user, member) {
  const theirs = Object.values(store.state.proposals).filter((one) => one.author === user && one.status === "pending").length;
  const tick = `remove.close|${store.event}|${user}`;
  const closing = app.shown(tick);
  const remove = () => {
    app.dialogs.close();
    app.show(tick, false);
    store.run("membership.remove", closing ? { user, close_proposals: true } : { user });
  };
  return dialog(app, store, "remove", t("people.remove.title", { name: store.label(user, member.name), subject: store.state.event.subject }),
    h("p", {}, t("people.remove.text")),
    theirs > 0 && h("div", { class: "tick" },
      h("input", { type: "checkbox", id: "remove-close", checked: closing, onchange: (event) => app.show(tick, event.target.checked) }),
      h("label", { for: "remove-close" }, t("people.remove.close", { count: theirs }))),
    h("div", { class: "row end" },
      button(t("cancel"), () => app.dialogs.close(), { kind: "quiet" }),
      button(t("people.remove"), remove, { kind: "danger" })));
}

function leaveDialog(app, store) {
  const admins = Object.entries(store.state.members).filter(([, member]) => leads(member.role));
  const others = Object.entries(store.state.members).filter(([user]) => user !== store.me);
  const last = store.isAdmin && admins.length === 1;
  const choice = `leave.heir|${store.event}`;
  const heir = app.shown(choice) || others[0]?.[0];
  const leave = () => {
    app.dialogs.close();
    store.run("membership.leave", last && heir ? { transfer_to: heir } : {});
  };
  return dialog(app, store, "leave", t("leave.title", { subject: store.state.event.subject }),
    h("p", {}, t("leave.text")),
    last && others.length === 0 && h("p", {}, t("leave.alone")),
    last && others.length > 0 && h("div", { class: "field" }, h("label", { for: "heir" }, t("leave.heir")),
      h("select", { id: "heir", value: heir, onchange: (event) => app.show(choice, event.target.value) },
        others.map(([user, member]) => h("option", { key: user, value: user }, isolated(store.label(user, member.name)))))),
    h("div", { class: "row end" },
      button(t("cancel"), () => app.dialogs.close(), { kind: "quiet" }),
      button(t("leave"), leave, { kind: "danger", disabled: last && others.length === 0 })));
}
