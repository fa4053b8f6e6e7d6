// Lists that can grow: the rows shown, more on demand, and a search.

import { h } from "../render.js";
import { t } from "../words.js";
import { button } from "./parts.js";

/** Rows that are drawn at once. */
export const PAGE_SIZE = 50;
/** Rows from which on there is a search. */
const MIN_SEARCHED_ROWS = 12;

/** The first of `items` drawn by `draw`, and a button for more of them. `key` names the list. */
export function windowed(app, key, items, draw, size = PAGE_SIZE) {
  const shown = app.shown(`more|${key}`) || size;
  const left = items.length - shown;
  const more = () => app.show(`more|${key}`, shown + size);
  return {
    rows: items.slice(0, shown).map(draw),
    more: left > 0 && button(t("list.more", { count: left }), more, { kind: "quiet small", key: "more" }),
  };
}

/** A field that searches the list `key`, or null while the list is short. */
export function searchField(app, key, label, count) {
  const text = app.shown(`search|${key}`) || "";
  if (count < MIN_SEARCHED_ROWS && !text) return null;
  return h("div", { class: "search", key: "search" },
    h("input", { type: "search", value: text, "aria-label": label, placeholder: label, autocomplete: "off", dir: "auto",
      oninput: (event) => {
        app.show(`more|${key}`, false);
        app.show(`search|${key}`, event.target.value);
      } }));
}

/** The items that match the search in the list `key`; `text(item)` is the text searched. */
export function searched(app, key, items, text) {
  const wanted = folded(app.shown(`search|${key}`) || "").trim();
  return wanted ? items.filter((item) => folded(text(item)).includes(wanted)) : items;
}

/** Without case, width and accents. */
const folded = (text) => text.normalize("NFKD").replace(/\p{Mn}/gu, "").toLowerCase();
