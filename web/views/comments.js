// The comments on a proposal or a criterion.

import { byNo } from "../order.js";
import { h } from "../render.js";
import { t } from "../words.js";
import { field, formShown, opener, tooLong, wordsForm } from "./forms.js";
import { named } from "./names.js";
import { PAGE_SIZE } from "./lists.js";
import { button, icon, note, noteOf, person, time, trouble, words } from "./parts.js";
import { reason } from "../refusal.js";

/**
 * `about`: {proposal} or {criterion}, whose words are `subject`; `title`: the same, apart from the words of a criterion
 * that a proposal became. Folded until the user opens it.
 */
export function comments(app, store, about, subject, title = subject) {
  const [[kind, id]] = Object.entries(about);
  const key = `comments|${store.event}|${id}`;
  const said = of(store, kind, id);
  const writable = store.may("comment.add");
  const waiting = store.acts.under(store.event, `comment/${id}`).filter((act) => act.state !== "confirmed" || act.seq > store.room.seq);
  const draft = `${store.event}|comment/${id}.content`;
  if (!writable && said.length === 0) return null;
  const shown = app.shown(`more|${key}`) || PAGE_SIZE;
  const hidden = said.length - shown;
  const label = said.length ? t("comments.count", { count: said.length }) : t("comments.add");
  const open = app.shown(key) || waiting.some((act) => act.state === "refused");
  return h("div", { class: "comments", key: "comments", role: "group", "aria-label": title },
    h("button", { type: "button", class: "button quiet small", "aria-expanded": String(open), "aria-label": named(label, subject), onclick: () => app.show(key, !open) },
      icon("talk"), h("span", {}, label),
      app.drafts.get(draft) && !open && h("span", { class: "pill attention" }, t("draft"))),
    open && h("div", { class: "comments-body" },
      older(app, store, subject),
      hidden > 0 && button(t("comments.earlier", { count: hidden }), () => app.show(`more|${key}`, shown + PAGE_SIZE), { kind: "quiet small", about: subject }),
      h("ul", { class: "comment-list" }, said.slice(-shown).map((comment) => one(app, store, comment))),
      waiting.map((act) => h("div", { class: "comment ghost", key: act.id }, words(act.args.content), noteOf(app, act, (user) => store.name(user)))),
      writable && composer(app, store, about, subject, draft)));
}

/** Those of the room's window and those that were paged in, the oldest first. */
function of(store, kind, id) {
  const found = new Map();
  for (const comment of store.pages.comments.items.values()) if (comment[kind] === id) found.set(comment.id, comment);
  for (const [key, comment] of Object.entries(store.state.comments)) if (comment[kind] === id) found.set(key, { id: key, ...comment });
  return [...found.values()].sort(byNo);
}

function older(app, store, about) {
  const page = store.pages.comments;
  const shown = Object.keys(store.state.comments).length + page.items.size;
  if (page.done || store.state.counts.comments <= shown) return null;
  if (page.error) return trouble(reason(page.error), () => store.more("comments"));
  return button(t("comments.older", { count: store.state.counts.comments - shown }), () => store.more("comments"), { kind: "quiet small", disabled: page.loading, about });
}

function one(app, store, comment) {
  const { id } = comment;
  const mine = comment.author === store.me;
  const key = `said/${id}`;
  const editing = formShown(app, store, key);
  return h("li", { class: "comment", key: id },
    h("p", { class: "quiet" }, person(store, comment.author), " · ", time(comment.created_at), comment.version > 1 && [" · ", t("comments.edited")]),
    editing
      ? wordsForm(app, store, { key, label: t("comments.edit"), submit: t("save"), title: comment.content, initial: comment.content, lines: 2, current: comment,
          send: ({ content, base }) => store.run("comment.edit", { comment: id, version: base, content }) })
      : words(comment.content),
    !editing && h("div", { class: "row tools" },
      mine && store.may("comment.edit") && opener(app, store, key, t("comments.edit"), { kind: "quiet small", sign: "pencil", bare: true, about: comment.content }),
      (mine || store.isAdmin) && store.may("comment.remove") &&
        button(t("comments.remove"), () => store.run("comment.remove", { comment: id }), { kind: "quiet small", sign: "bin", bare: true, about: comment.content }),
      note(app, store, key, comment.content)));
}

function composer(app, store, about, subject, draft) {
  const send = (event) => {
    event.preventDefault();
    const content = app.drafts.get(draft)?.trim();
    if (!content || tooLong(content, 2_000)) return;
    store.run("comment.add", { ...about, content });
    app.drafts.drop(draft);
  };
  return h("form", { class: "composer", onsubmit: send },
    field(app, { draft, label: named(t("comments.add"), subject), quiet: true, lines: 1, max: 2_000, placeholder: t("comments.placeholder"),
      onkeydown: (event) => {
        if (event.key === "Enter" && !event.isComposing && (event.ctrlKey || event.metaKey)) send(event);
      } }),
    h("button", { class: "button", "aria-label": named(t("comments.send"), subject), disabled: !app.drafts.get(draft)?.trim() || Boolean(tooLong(app.drafts.get(draft), 2_000)) }, t("comments.send")));
}

