// Fields whose words are kept as drafts, and the one form that proposals, edits and comments share.

import { h } from "../render.js";
import { lengthOf, number, t } from "../words.js";
import { button, note } from "./parts.js";

/** Part of a field's length from which on the length left is shown. */
const NEARLY = 0.8;

/** Line endings in texts of other programs. */
const LINE_ENDS = /\r\n|[\n\r\v\f\u0085\u2028\u2029]/u;
/** Milliseconds for which the note on joined lines is shown. */
const JOINED_SHOWN_MS = 8_000;

/** The lines of a pasted text that say something. */
export const linesOf = (text) => text.split(LINE_ENDS).map((line) => line.trim()).filter(Boolean);

/** The reason why `text` cannot be sent, or undefined; texts are never cut. */
export function tooLong(text, max) {
  const over = max ? lengthOf(text) - max : 0;
  return over > 0 ? t("field.over", { count: over, max }) : undefined;
}

/** For a field of one line: show a note if it joins pasted lines. */
const sayJoined = (app, id) => (event) => {
  if (linesOf(event.clipboardData?.getData("text/plain") ?? "").length < 2) return;
  app.show(`joined|${id}`, true);
  setTimeout(() => app.show(`joined|${id}`, false), JOINED_SHOWN_MS);
};

/** An id that labels can point to. */
export const idOf = (draft) => `f-${draft.replace(/[^\w-]/g, "-")}`;

/**
 * A labelled field. Its words are `drafts[draft]`, else `initial`. `max`: characters; `lines`: a
 * field of several lines; `hint`: a sentence under it; `quiet`: the label is for screen readers.
 */
export function field(app, { draft, label, initial = "", max, lines = 0, hint, quiet = false, focus = false, ...props }) {
  const id = idOf(draft);
  const value = app.drafts.get(draft) ?? initial;
  const length = lengthOf(value);
  const tight = max && length > max * NEARLY;
  const told = [hint && `${id}-hint`, tight && `${id}-count`].filter(Boolean).join(" ");
  return h("div", { class: "field", key: draft },
    h("label", { for: id, class: quiet ? "unseen" : "" }, label),
    h(lines ? "textarea" : "input", {
      id, value, "data-draft": draft, rows: lines || undefined, type: lines ? undefined : "text",
      dir: "auto", autocomplete: "off", "aria-describedby": told || undefined, "aria-invalid": max && length > max ? "true" : undefined,
      oninput: (event) => app.drafts.set(draft, event.target.value),
      onpaste: lines ? undefined : sayJoined(app, id),
      mount: focus ? (el) => el.focus() : undefined,
      ...props,
    }),
    app.shown(`joined|${id}`) && h("p", { class: "hint", role: "status" }, t("field.joined")),
    hint && h("p", { class: "hint", id: `${id}-hint` }, hint),
    tight && h("p", { class: `hint ${length > max ? "over" : ""}`, id: `${id}-count` },
      tooLong(value, max) ?? t("field.length", { length, max })));
}

/** A number; `drafts[draft]` or `initial`, within `min` and `max`. */
export function numberField(app, { draft, label, initial, min, max, unit, ...props }) {
  const id = idOf(draft);
  return h("div", { class: "field number", key: draft },
    h("label", { for: id }, label),
    h("span", { class: "with-unit" },
      h("input", { id, type: "number", inputmode: "numeric", min, max, step: 1, value: app.drafts.get(draft) ?? initial ?? "",
        "data-draft": draft, oninput: (event) => app.drafts.set(draft, event.target.value), ...props }),
      unit && h("span", { class: "unit" }, unit)),
    min !== undefined && h("p", { class: "unseen" }, t("field.range", { min: number(min), max: number(max) })));
}

/**
 * The form at `key` (an act's key): words, and with `reasoned` why. `initial`: the words that stand.
 * `current`: {version, content} of the item to be changed, as it is now. If it has changed since the form
 * was opened, a note next to the field says so. With `split`, each line is one of its own.
 * `send({content, reason, base})` gives the act. `title`: the name of the form for who hears it.
 */
export function wordsForm(app, store, { key, label, title, submit, initial = "", current, max = 2_000, lines = 3, reasoned = false, wordless = false, allowSame = false, split = false, hint, send, folded }) {
  const form = `${store.event}|${key}`;
  const draft = (name) => `${form}.${name}`;
  const content = app.drafts.get(draft("content")) ?? initial;
  const base = app.drafts.get(draft("base")) ?? current?.version;
  const fold = folded ?? (() => app.fold(form));
  const close = () => {
    for (const name of ["content", "reason", "base"]) app.drafts.drop(draft(name));
    fold();
  };
  const onsubmit = (event) => {
    event.preventDefault();
    const reason = app.drafts.get(draft("reason"))?.trim();
    if (unusable) return;
    if (split) for (const line of linesOf(content)) send({ content: line });
    else send({ content: content.trim(), reason: reason || undefined, base });
    close();
  };
  const long = (!wordless && tooLong(content, max)) || (reasoned && tooLong(app.drafts.get(draft("reason")) ?? "", 2_000)) || undefined;
  const unusable = long || (!wordless && (!content.trim() || (!allowSame && content.trim() === initial)));
  const many = split ? linesOf(content).length : 1;
  return h("form", { class: "words-form", key: form, onsubmit, role: "group", "aria-label": title },
    !wordless && field(app, { draft: draft("content"), label, initial, max, lines, hint, focus: true,
      mount: (el) => remember(app, draft("base"), current, el), onkeydown: keys(onsubmit, fold) }),
    current && base !== undefined && current.version !== base && moved(app, draft, current, content),
    reasoned && field(app, { draft: draft("reason"), label: t("form.reason"), max: 2_000, lines: 1,
      onkeydown: keys(onsubmit, fold), ...(wordless && { mount: (el) => remember(app, draft("base"), current, el) }) }),
    h("div", { class: "row" },
      h("button", { class: "button primary", type: "submit", disabled: Boolean(unusable) }, submit),
      long && h("span", { class: "hint over" }, long),
      !long && many > 1 && h("span", { class: "hint" }, t("form.lines", { count: many })),
      button(t("cancel"), close, { kind: "quiet" }),
      note(app, store, key, title)));
}

/** The version on which the words were begun, kept with them, over a reload too. */
function remember(app, draft, current, el) {
  el.focus();
  if (current && !app.drafts.has(draft)) app.drafts.set(draft, current.version);
}

/** A note next to the field that another member changed the same item; the field is left alone. */
function moved(app, draft, current, content) {
  const take = () => {
    const field = document.getElementById(idOf(draft("content")));
    if (field) field.value = current.content ?? "";
    app.drafts.set(draft("content"), current.content ?? "");
    app.drafts.set(draft("base"), current.version);
  };
  const keep = () => {
    app.drafts.set(draft("content"), content);
    app.drafts.set(draft("base"), current.version);
  };
  return h("div", { class: "moved", role: "status" },
    h("p", {}, t("form.moved")),
    h("blockquote", { dir: "auto" }, current.content ?? t("form.moved.gone")),
    h("div", { class: "row" },
      button(t("form.moved.keep"), keep, { kind: "small" }),
      button(t("form.moved.take"), take, { kind: "quiet small" })));
}

/** The button that opens the form at `key`. */
export const opener = (app, store, key, label, props = {}) =>
  button(label, () => app.show(`${store.event}|${key}`, true), { "data-opens": `${store.event}|${key}`, ...props });

/** Whether the form at `key` is open. */
export const formShown = (app, store, key) => app.shown(`${store.event}|${key}`);

/** Control or Command with Enter sends; Escape folds the form and keeps its words. Never while an
 * input method composes. */
const keys = (send, fold) => (event) => {
  if (event.isComposing) return;
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) send(event);
  else if (event.key === "Escape") fold();
};

/**
 * One of `values`, as buttons of which one is pressed. `text(value)` are its words; `hint`: a sentence
 * under it.
 */
export function choice({ label, values, value, text, change, hint }) {
  return h("div", { class: "choice-field", key: label },
    h("span", { class: "choice-label" }, label),
    h("div", { class: "choice", role: "group", "aria-label": label },
      values.map((one) => h("button", { key: one, type: "button", "aria-pressed": String(one === value), onclick: () => one !== value && change(one) }, text(one)))),
    hint && h("p", { class: "hint" }, hint));
}

/** A box to tick. `change(on)` is called with its new state. */
export function tick({ id, label, on, change }) {
  const name = `t-${id.replace(/[^\w-]/g, "-")}`;
  return h("div", { class: "tick", key: id },
    h("input", { type: "checkbox", id: name, checked: Boolean(on), onchange: (event) => change(event.target.checked) }),
    h("label", { for: name }, label));
}

/** A moment, in the reader's own zone; `drafts[draft]` or `initial` (a time of the server, or null). */
export function momentField(app, { draft, label, initial, hint }) {
  const id = idOf(draft);
  return h("div", { class: "field moment", key: draft },
    h("label", { for: id }, label),
    h("input", { id, type: "datetime-local", value: app.drafts.get(draft) ?? localMoment(initial), "data-draft": draft,
      "aria-describedby": hint && `${id}-hint`, oninput: (event) => app.drafts.set(draft, event.target.value) }),
    hint && h("p", { class: "hint", id: `${id}-hint` }, hint));
}

/** A moment as such a field has it: without a zone, to the minute. */
export function localMoment(moment) {
  if (!moment) return "";
  const at = new Date(moment);
  const two = (value) => String(value).padStart(2, "0");
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}T${two(at.getHours())}:${two(at.getMinutes())}`;
}

/** What such a field has, as a time of the server, or null. */
export const fromLocal = (text) => (text && !Number.isNaN(new Date(text).getTime()) ? new Date(text).toISOString() : null);
