// Things in an order of one's own: moved by a grip (dragged, or by arrow keys) and by buttons.

import { h } from "../render.js";
import { t } from "../words.js";
import { button, icon } from "./parts.js";

/**
 * The ids of `order`, each with its name. `change(order)` is called with another order; `remove(id)`, if
 * given, takes one out of it. `isRanked`: the places are the user's own, and are shown. `points`: the
 * first three get points.
 */
export function ranking(app, order, { nameOf, may, isRanked, label, remove, points = false }, change) {
  const move = (id, to) => {
    const from = order.indexOf(id);
    if (to < 0 || to >= order.length || to === from) return;
    const next = order.filter((one) => one !== id);
    next.splice(to, 0, id);
    change(next);
    tell(id, to);
  };
  const tell = (id, to) => app.announce(t("ballot.moved", { name: nameOf(id), place: to + 1, count: order.length }));
  return h("ol", { class: `ranking ${isRanked ? "" : "unranked"}`, "aria-label": label }, order.map((id, place) =>
    h("li", { key: id, "data-id": id },
      h("span", { class: "place", "aria-hidden": "true" }, isRanked ? String(place + 1) : "–"),
      h("button", { type: "button", class: "grip", disabled: !may, "aria-label": t("ballot.grip", { name: nameOf(id), place: place + 1, count: order.length }),
        onkeydown: byKeys(id, place, order, move), onpointerdown: byDrag(id, change, (to) => tell(id, to)) }, icon("grip")),
      h("span", { class: "words", dir: "auto" }, nameOf(id)),
      points && h("span", { class: "points" }, isRanked && place < 3 ? t("ballot.points", { count: 3 - place }) : ""),
      h("span", { class: "tools" },
        button(t("ballot.up", { name: nameOf(id) }), () => move(id, place - 1), { kind: "quiet small", sign: "up", bare: true, disabled: !may || place === 0 }),
        button(t("ballot.down", { name: nameOf(id) }), () => move(id, place + 1), { kind: "quiet small", sign: "down", bare: true, disabled: !may || place === order.length - 1 }),
        remove && button(t("ballot.option.out", { name: nameOf(id) }), () => remove(id), { kind: "quiet small", sign: "cross", bare: true, disabled: !may })))));
}

const byKeys = (id, place, order, move) => (event) => {
  const to = { ArrowUp: place - 1, ArrowDown: place + 1, Home: 0, End: order.length - 1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  move(id, to);
};

/** Follow the pointer; the list is reordered as it passes over the others, and reported at the end. */
const byDrag = (id, change, tell) => (event) => {
  if (event.button !== 0) return;
  const grip = event.currentTarget;
  const row = grip.closest("li");
  const rows = row.parentElement;
  grip.setPointerCapture(event.pointerId);
  row.classList.add("dragged");
  let order = [...rows.children].map((one) => one.dataset.id).filter(Boolean);
  const before = order.join();
  const follow = ({ clientY }) => {
    const others = [...rows.children].filter((one) => one.dataset.id && one.dataset.id !== id);
    const to = others.filter((one) => clientY > one.getBoundingClientRect().top + one.offsetHeight / 2).length;
    const next = others.map((one) => one.dataset.id);
    next.splice(to, 0, id);
    if (next.join() === order.join()) return;
    order = next;
    change(next);
  };
  const end = () => {
    grip.removeEventListener("pointermove", follow);
    row.classList.remove("dragged");
    if (order.join() !== before) tell(order.indexOf(id));
  };
  grip.addEventListener("pointermove", follow);
  grip.addEventListener("lostpointercapture", end, { once: true });
};
