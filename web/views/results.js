// What came out: the options by votes, the criteria by weight, as bars drawn in SVG.

import { h } from "../render.js";
import { number, t } from "../words.js";
import { empty, icon } from "./parts.js";

export function results(store) {
  const { results: found, options, criteria } = store.state;
  if (!found) return h("div", { class: "narrow" }, empty(t("results.none")));
  const winners = found.options.filter((row) => row.rank === 1 && row.votes > 0);
  return h("div", { class: "narrow results" },
    h("article", { class: "card winner" },
      h("p", { class: "quiet" }, t("results.turnout", { count: found.ballots, eligible: found.eligible })),
      winners.length === 0
        ? h("h2", {}, t("results.no_votes"))
        : [h("p", { class: "kicker" }, t(winners.length > 1 ? "results.tie" : "results.winner")),
          h("h2", {}, winners.map((row) => h("span", { class: "winner-name", key: row.option }, icon("check"), options[row.option]?.content ?? "?")))]),
    h("section", { class: "card" },
      h("h2", { id: "chart-options" }, t("results.options")),
      chart("chart-options", found.options.map((row) => ({ id: row.option, label: options[row.option]?.content ?? "?", value: row.votes, rank: row.rank })),
        (value) => t("results.votes", { count: value }))),
    found.criteria.length > 0 && h("section", { class: "card" },
      h("h2", { id: "chart-criteria" }, t("results.criteria")),
      h("p", { class: "hint" }, t("results.criteria.hint")),
      chart("chart-criteria", found.criteria.map((row) => ({ id: row.criterion, label: criteria[row.criterion]?.content ?? "?", value: row.points, rank: row.rank, more: criteria[row.criterion]?.conclusion })),
        (value) => t("results.points", { count: value }))));
}

/** Horizontal bars, each with its words: a list for who hears it, a picture for who sees it. */
function chart(titled, rows, said) {
  const most = Math.max(1, ...rows.map((row) => row.value));
  return h("ol", { class: "chart", "aria-labelledby": titled }, rows.map((row) =>
    h("li", { key: row.id, class: row.rank === 1 && row.value > 0 ? "first" : "" },
      h("div", { class: "chart-words" }, h("span", { class: "rank", "aria-hidden": "true" }, number(row.rank)), h("span", { class: "words" }, row.label), h("b", {}, said(row.value))),
      row.more && h("p", { class: "chart-more quiet" }, row.more),
      h("svg", { class: "bar", viewBox: "0 0 100 6", preserveAspectRatio: "none", "aria-hidden": "true" },
        h("rect", { class: "bar-ground", width: 100, height: 6 }),
        h("rect", { class: "bar-value", width: (100 * row.value) / most, height: 6 })))));
}
