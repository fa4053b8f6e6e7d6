// The accepted items: options, assumptions, criteria and their conclusions. Before the start an admin
// writes them directly; from then on every change is proposed, from the thing itself.

import { byPosition } from "../order.js";
import { h } from "../render.js";
import { number, t } from "../words.js";
import { comments } from "./comments.js";
import { formShown, opener, wordsForm } from "./forms.js";
import { searched, searchField, windowed } from "./lists.js";
import { named } from "./names.js";
import { button, note, noteOf, words } from "./parts.js";

export function ground(app, store) {
  const { options, assumptions, criteria } = store.state;
  return h("aside", { class: "ground", "aria-label": t("ground.title") },
    section(app, store, "option", "options", sorted(options), (option) => optionRow(app, store, option)),
    section(app, store, "assumption", "assumptions", sorted(assumptions), (item) => itemRow(app, store, "assumption", item)),
    section(app, store, "criterion", "criteria", sorted(criteria), (item) => itemRow(app, store, "criterion", item)));
}

/** `[{id, …}]` in the order of their positions. */
export const sorted = (items) =>
  Object.entries(items).map(([id, item]) => ({ id, ...item })).sort(byPosition);

function section(app, store, kind, name, items, draw) {
  const list = `${name}|${store.event}`;
  const { rows, more } = windowed(app, list, searched(app, list, items, (item) => `${item.content} ${item.conclusion ?? ""}`), draw);
  const adding = store.acts.under(store.event, `add/${kind}`).filter((act) => act.state !== "confirmed" || act.seq > store.room.seq);
  return h("section", { class: `card list ${name}`, key: name, "aria-labelledby": `${name}-title` },
    h("header", { class: "section-head" }, h("h2", { id: `${name}-title` }, t(name), " ", h("span", { class: "count" }, number(items.length)))),
    h("p", { class: "hint" }, t(`about.${kind}`)),
    searchField(app, list, t("list.search"), items.length),
    items.length ? h(kind === "option" ? "ol" : "ul", { class: "items" }, rows) : h("p", { class: "quiet" }, t(`${name}.none`)),
    more,
    adding.map((act) => h("div", { class: "item ghost", key: act.id }, words(act.args.content), noteOf(app, act, () => undefined))),
    adder(app, store, kind));
}

const SECTIONS = { option: "options", assumption: "assumptions", criterion: "criteria" };

/** The way to one more: directly before the start, by a proposal afterwards. */
function adder(app, store, kind) {
  const direct = store.may(`${kind}.add`);
  const proposed = kind !== "option" && store.may("proposal.create");
  if (!direct && !proposed) return null;
  const key = direct ? `add/${kind}` : `propose/${kind}/create/`;
  const label = t(direct ? `${kind}.add` : `propose.${kind}.create`);
  // The same form is open next to the proposals.
  if (proposed && !direct && app.shown(`new-proposal|${store.event}`) === kind) return null;
  if (!formShown(app, store, key)) return h("div", { class: "row" }, opener(app, store, key, label, { kind: "quiet small", sign: "plus" }));
  const send = ({ content, reason }) => (direct
    ? store.acts.add(`${kind}.add`, { event: store.event, content })
    : store.run("proposal.create", { kind, category: "create", content, ...(reason && { reason }) }));
  const title = t(direct ? SECTIONS[kind] : `kind.${kind}.create`);
  return wordsForm(app, store, { key, label, title, submit: t(direct ? "add" : "propose"), reasoned: !direct, max: kind === "option" ? 200 : 2_000, lines: kind === "option" ? 1 : 2, split: direct, send });
}

function optionRow(app, store, option) {
  const key = `item/${option.id}`;
  if (formShown(app, store, key)) {
    return h("li", { class: "item", key: option.id }, wordsForm(app, store, { key, label: t("option.edit"), title: option.content, submit: t("save"), initial: option.content, max: 200, lines: 1,
      send: ({ content }) => store.run("option.edit", { option: option.id, content }) }));
  }
  return h("li", { class: "item", key: option.id, mount: arrive(store) },
    h("div", { class: "item-line" }, words(option.content),
      h("div", { class: "tools" },
        store.may("option.edit") && opener(app, store, key, t("option.edit"), { kind: "quiet small", sign: "pencil", bare: true, about: option.content }),
        store.may("option.remove") && button(t("option.remove"), () => store.run("option.remove", { option: option.id }), { kind: "quiet small", sign: "bin", bare: true, about: option.content }))),
    note(app, store, key, option.content));
}

const arrive = (store) => (el) => store.settled && el.classList.add("arrive");

function itemRow(app, store, kind, item) {
  return h("li", { class: "item", key: item.id, id: `item-${item.id}` },
    h("div", { class: "item-line" },
      words(item.content, { key: `v${item.version}`, mount: arrive(store) }),
      tools(app, store, kind, item)),
    openFor(store, kind, item),
    kind === "criterion" && conclusion(app, store, item),
    forms(app, store, kind, item),
    kind === "criterion" && comments(app, store, { criterion: item.id }, item.content));
}

/** The changes one may ask for, as small buttons. */
function tools(app, store, kind, item) {
  const about = item.content;
  if (store.may(`${kind}.edit`)) {
    return h("div", { class: "tools" },
      opener(app, store, `item/${item.id}`, t(`${kind}.edit`), { kind: "quiet small", sign: "pencil", bare: true, about }),
      button(t(`${kind}.remove`), () => store.run(`${kind}.remove`, { [kind]: item.id, version: item.version }), { kind: "quiet small", sign: "bin", bare: true, about }));
  }
  if (!store.may("proposal.create")) return null;
  return h("div", { class: "tools" },
    opener(app, store, `propose/${kind}/update/${item.id}`, t(`propose.${kind}.update`), { kind: "quiet small", sign: "pencil", bare: true, about }),
    opener(app, store, `propose/${kind}/delete/${item.id}`, t(`propose.${kind}.delete`), { kind: "quiet small", sign: "bin", bare: true, about }));
}

/** Links to the open proposals about it. */
function openFor(store, kind, item) {
  const about = Object.entries(store.state.proposals).filter(([, proposal]) => proposal.target === item.id && proposal.status === "pending");
  if (about.length === 0) return null;
  const jump = (id) => (event) => {
    event.preventDefault();
    const card = document.getElementById(`proposal-${id}`);
    card?.scrollIntoView({ block: "center" });
    card?.querySelector("button")?.focus({ preventScroll: true });
  };
  return h("p", { class: "about-it" }, about.map(([id, proposal]) =>
    h("a", { key: id, href: `#proposal-${id}`, class: "pill attention", "aria-label": named(t(`kind.${proposal.kind}.${proposal.category}.short`), proposal.content ?? item.content), onclick: jump(id) },
      t(`kind.${proposal.kind}.${proposal.category}.short`))));
}

function conclusion(app, store, item) {
  const stands = item.conclusion !== undefined;
  const key = (category) => `propose/conclusion/${category}/${item.id}`;
  if (store.status === "not_started") return null;
  return h("div", { class: `conclusion ${stands ? "" : "none"}` },
    h("div", { class: "item-line" },
      stands
        ? h("div", { class: "concluded" }, h("span", { class: "conclusion-label" }, t("conclusion")), words(item.conclusion, { key: `c${item.conclusion_version}`, mount: arrive(store) }))
        : h("p", { class: "quiet" }, t("conclusion.none")),
      store.may("proposal.create") && h("div", { class: "tools" },
        !stands && opener(app, store, key("create"), t("propose.conclusion.create"), { kind: "quiet small", sign: "plus", about: item.content }),
        stands && opener(app, store, key("update"), t("propose.conclusion.update"), { kind: "quiet small", sign: "pencil", bare: true, about: item.content }),
        stands && opener(app, store, key("delete"), t("propose.conclusion.delete"), { kind: "quiet small", sign: "bin", bare: true, about: item.content }))));
}

/** The forms that were opened from the tools, and the results of their acts. */
function forms(app, store, kind, item) {
  const wanted = [
    ["item", kind, "edit"],
    ["propose", kind, "update"],
    ["propose", kind, "delete"],
    ...(kind === "criterion" ? ["create", "update", "delete"].map((category) => ["propose", "conclusion", category]) : []),
  ];
  return wanted.map(([way, what, category]) => {
    const key = way === "item" ? `item/${item.id}` : `propose/${what}/${category}/${item.id}`;
    if (!formShown(app, store, key)) return way === "item" ? note(app, store, key, item.content) : null;
    return way === "item" ? editForm(app, store, kind, item, key) : proposeForm(app, store, what, category, item, key);
  });
}

function editForm(app, store, kind, item, key) {
  return wordsForm(app, store, { key, label: t(`${kind}.edit`), title: item.content, submit: t("save"), initial: item.content, lines: 2, current: item,
    send: ({ content, base }) => store.run(`${kind}.edit`, { [kind]: item.id, version: base, content }) });
}

function proposeForm(app, store, kind, category, item, key) {
  const current = kind === "conclusion" ? { version: item.conclusion_version, content: item.conclusion } : { version: item.version, content: item.content };
  const wordless = category === "delete";
  return wordsForm(app, store, { key, label: t(`propose.${kind}.${category}`), title: named(t(`kind.${kind}.${category}`), item.content), submit: t("propose"), wordless, reasoned: true, lines: 2, current,
    initial: category === "update" ? current.content : "", hint: wordless ? undefined : t("form.keys"),
    send: ({ content, reason, base }) => store.run("proposal.create", { kind, category, target: item.id, base_version: base, ...(!wordless && { content }), ...(reason && { reason }) }) });
}

