// Who takes part, who waits to, and how others get in.

import { reason } from "../refusal.js";
import { h } from "../render.js";
import { number, t } from "../words.js";
import { button, dialog, empty, note, pill, time, trouble } from "./parts.js";
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
      h("div", { class: "row" }, button(t("leave"), () => app.dialogs.open("leave", store.event), { kind: "quiet" }), note(app, store, "membership/leave"))),
    leaveDialog(app, store));
}

function requests(app, store) {
  const waiting = Object.entries(store.state.requests ?? {}).sort(([, a], [, b]) => (a.requested_at < b.requested_at ? -1 : 1));
  if (store.role !== "admin" || waiting.length === 0) return null;
  const count = store.state.counts.requests ?? waiting.length;
  const behind = count - waiting.length;
  const busy = ["approve_all", "reject_all"].some((verb) => store.act(`membership/${verb}`)?.state === "pending");
  return h("section", { class: "card attention-card", "aria-labelledby": "requests-title" },
    h("header", { class: "section-head" },
      h("h2", { id: "requests-title" }, t("requests.title"), " ", h("span", { class: "count" }, number(count))),
      store.may("membership.approve_all") && waiting.length > 1 && h("div", { class: "row" },
        button(t("requests.approve_all"), () => store.run("membership.approve_all"), { kind: "small", sign: "check", disabled: busy }),
        button(t("requests.reject_all"), () => store.run("membership.reject_all"), { kind: "small quiet", disabled: busy }),
        note(app, store, "membership/approve_all"), note(app, store, "membership/reject_all"))),
    h("ul", { class: "people-list" }, waiting.map(([user, request]) =>
      h("li", { key: user },
        face(request.name), h("span", { class: "who" }, h("b", {}, request.name), h("span", { class: "quiet" }, time(request.requested_at))),
        store.may("membership.approve") && h("span", { class: "row" },
          button(t("requests.approve"), () => store.run("membership.approve", { user }), { kind: "small primary" }),
          button(t("requests.reject"), () => store.run("membership.reject", { user }), { kind: "small quiet" }),
          note(app, store, `member/${user}`))))),
    behind > 0 && h("p", { class: "quiet" }, t("requests.behind", { count: behind })));
}

const face = (name) => h("span", { class: "face", "aria-hidden": "true" }, [...name][0] ?? "?");

function members(app, store) {
  const page = store.pages.members;
  const shown = new Map(Object.entries(store.state.members));
  // A page read earlier is no longer told what changes; the room's own list is newer.
  for (const [id, member] of page.items) if (!shown.has(id)) shown.set(id, member);
  const rows = [...shown].sort(([, a], [, b]) => (a.role === b.role ? a.name.localeCompare(b.name) : a.role === "admin" ? -1 : 1));
  if (rows.length === 0) return empty(t("people.none"));
  const missing = store.state.counts.members - shown.size;
  return [
    h("ul", { class: "people-list" }, rows.map(([user, member]) => row(app, store, user, member))),
    page.error && trouble(reason(page.error), () => store.more("members")),
    missing > 0 && !page.done && button(t("people.more", { count: missing }), () => store.more("members"), { kind: "quiet small", disabled: page.loading }),
  ];
}

function row(app, store, user, member) {
  const other = member.role === "admin" ? "member" : "admin";
  return h("li", { key: user, mount: (el) => store.settled && el.classList.add("arrive") },
    face(member.name),
    h("span", { class: "who" }, h("b", {}, member.name), " ", user === store.me && pill(t("you")), member.role === "admin" && pill(t("role.admin"), "agreed")),
    h("span", { class: "row" },
      store.may("membership.set_role") && button(t(`role.make.${other}`), () => store.run("membership.set_role", { user, role: other }), { kind: "small quiet" }),
      store.may("membership.remove") && user !== store.me && button(t("people.remove"), () => app.dialogs.open("remove", store.event, user), { kind: "small quiet" }),
      note(app, store, `member/${user}`)),
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
  return dialog(app, store, "remove", t("people.remove.title", { name: member.name, subject: store.state.event.subject }),
    h("p", {}, t("people.remove.text")),
    theirs > 0 && h("div", { class: "tick" },
      h("input", { type: "checkbox", id: "remove-close", checked: closing, onchange: (event) => app.show(tick, event.target.checked) }),
      h("label", { for: "remove-close" }, t("people.remove.close", { count: theirs }))),
    h("div", { class: "row end" },
      button(t("cancel"), () => app.dialogs.close(), { kind: "quiet" }),
      button(t("people.remove"), remove, { kind: "danger" })));
}

function leaveDialog(app, store) {
  const admins = Object.entries(store.state.members).filter(([, member]) => member.role === "admin");
  const others = Object.entries(store.state.members).filter(([user]) => user !== store.me);
  const last = store.role === "admin" && admins.length === 1;
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
        others.map(([user, member]) => h("option", { key: user, value: user }, member.name)))),
    h("div", { class: "row end" },
      button(t("cancel"), () => app.dialogs.close(), { kind: "quiet" }),
      button(t("leave"), leave, { kind: "danger", disabled: last && others.length === 0 })));
}
