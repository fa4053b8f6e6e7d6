// The steps from gathering to the result, and the group's current one, shown at every moment.

import { h } from "../render.js";
import { link } from "../route.js";
import { number, t } from "../words.js";
import { icon } from "./parts.js";

/** The steps, each with the tab it happens on. */
const STEPS = [["gather", "decide"], ["vote", "decide"], ["ballot", "ballot"], ["result", "ballot"]];
/** The steps that are open in each status. */
const OPEN = { not_started: ["gather"], in_progress: ["vote", "ballot"], paused: ["vote", "ballot"], finished: ["result"] };

export function steps(app, store) {
  const open = OPEN[store.status];
  const first = STEPS.findIndex(([name]) => open.includes(name));
  const own = app.route.tab === "ballot" && store.status !== "finished" ? "ballot" : open[0];
  return h("ol", { class: "steps", "aria-label": t("steps.label") }, STEPS.map(([name, tab], place) => {
    const isDone = place < first;
    const isOpen = open.includes(name);
    const label = [h("span", { class: "step-sign", "aria-hidden": "true" }, isDone ? icon("check") : number(place + 1)), h("span", {}, t(`steps.${name}`)),
      isDone && h("span", { class: "unseen" }, t("steps.done"))];
    return h("li", { key: name, class: isDone ? "done" : isOpen ? "open" : "ahead", "aria-current": isOpen && name === own ? "step" : undefined },
      isDone || isOpen ? h("a", { href: link.room(store.event, tab) }, label) : h("span", { class: "step" }, label));
  }));
}
