// The results: the options by votes, the criteria by weight, as bars drawn in SVG; and ways to pass it
// on.

import { h } from "../render.js";
import { address, link } from "../route.js";
import { copyOf } from "../template.js";
import { list, number, t } from "../words.js";
import { button, empty, icon, quoted } from "./parts.js";
import { proof } from "./proof.js";
import { ballotsList } from "./turnout.js";

/** The rows that came first, if there are votes. A ranked ballot names its winners itself. */
const winnersOf = ({ options, winners }) =>
  options.filter((row) => (winners ? winners.includes(row.option) : row.rank === 1) && row.votes > 0);

/** What a number of ballots for an option is called. */
const votesIn = (found, count) => t(found.method === "approval" ? "results.approvals" : "results.votes", { count });

export function results(app, store) {
  const { results: found, options, criteria } = store.state;
  if (!found) return h("div", { class: "narrow" }, empty(t("results.none")));
  const winners = winnersOf(found);
  return h("div", { class: "narrow results" },
    h("article", { class: "card winner" },
      winners.length === 0
        ? h("h2", {}, t("results.no_votes"))
        : [h("p", { class: "kicker" }, winners.length === 1 && icon("check"), t(winners.length > 1 ? "results.tie" : "results.winner")),
          h("h2", {}, winners.map((row) => h("span", { class: "winner-name", key: row.option }, quoted(nameOf(options, row)))))],
      h("p", { class: "quiet" }, t("results.turnout", { count: found.ballots, eligible: found.eligible })),
      winners.length > 1 && h("p", {}, t("results.tie.next", { count: winners.length })),
      h("div", { class: "row centred" }, passOn(app, store, winners))),
    h("section", { class: "card" },
      h("h2", { id: "chart-options" }, t("results.options")),
      chart("chart-options", found.options.map((row) => ({ id: row.option, label: nameOf(options, row), value: row.votes, rank: row.rank })),
        (value) => votesIn(found, value))),
    found.rounds?.length > 1 && rounds(found, options),
    found.criteria.some((row) => row.points > 0) && h("section", { class: "card" },
      h("h2", { id: "chart-criteria" }, t("results.criteria")),
      h("p", { class: "hint" }, t("results.criteria.hint")),
      chart("chart-criteria", found.criteria.map((row) => ({ id: row.criterion, label: criteria[row.criterion]?.content ?? "?", value: row.points, rank: row.rank, more: criteria[row.criterion]?.conclusion })),
        (value) => t("results.points", { count: value }))),
    ballotsList(app, store),
    proof(app, store));
}

/** Every round of an instant runoff: who had how many ballots, and who went out. */
function rounds(found, options) {
  const outBefore = (place) => new Set(found.rounds.slice(0, place).flatMap((round) => round.out));
  const votesOf = (round, option) => round.options.find((one) => one.option === option)?.votes;
  return h("section", { class: "card rounds" }, h("h2", { id: "rounds" }, t("results.rounds")),
    h("table", { "aria-labelledby": "rounds" },
      h("thead", {}, h("tr", {}, h("td", {}), found.rounds.map((_, place) => h("th", { scope: "col", key: place }, t("results.round", { count: place + 1 }))))),
      h("tbody", {}, found.options.map((row) => h("tr", { key: row.option },
        h("th", { scope: "row", dir: "auto" }, quoted(nameOf(options, row))),
        found.rounds.map((round, place) => h("td", { key: place, class: round.out.includes(row.option) ? "out" : "" },
          outBefore(place).has(row.option) ? "" : number(votesOf(round, row.option) ?? 0),
          round.out.includes(row.option) && h("span", { class: "unseen" }, ` ${t("results.out")}`))))))),
    found.rounds.at(-1).exhausted > 0 && h("p", { class: "hint" }, t("results.exhausted", { count: found.rounds.at(-1).exhausted })));
}

const nameOf = (options, row) => options[row.option]?.content ?? "?";

/** On the room's other parts: the result, and a link to the rest of it. */
export function finishedBanner(app, store) {
  const { results: found, options } = store.state;
  const winners = found ? winnersOf(found).map((row) => nameOf(options, row)) : [];
  const said = winners.length === 0 ? t("finished.none") : t(winners.length > 1 ? "finished.tie" : "finished.chosen", { names: list(winners) });
  return h("div", { class: "banner good finished-banner", key: "finished" }, h("p", {}, said),
    h("a", { class: "button primary small", href: link.room(store.event, "ballot") }, t("finished.see")));
}

/** Share, copy, print, and go on from here. */
function passOn(app, store, winners) {
  const { subject } = store.state.event;
  const text = inWords(store);
  const copied = app.shown(`copied|result|${store.event}`);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      app.show(`copied|result|${store.event}`, true);
      app.announce(t("copied"));
      setTimeout(() => app.show(`copied|result|${store.event}`, false), 2_500);
    } catch {
      app.announce(t("copy.failed"));
    }
  };
  const begin = (name, options) => {
    app.drafts.set("create", copyOf(store.state, name, options));
    app.lead(link.create());
  };
  return [
    navigator.share && button(t("results.share"), () => navigator.share({ title: subject, text }).catch(() => {}), { kind: "small", sign: "share" }),
    button(copied ? t("copied") : t("results.copy"), copy, { kind: "small", sign: copied ? "check" : "copy" }),
    button(t("results.print"), () => print(), { kind: "small", sign: "printer" }),
    winners.length > 1 && button(t("results.runoff"), () => begin(t("results.runoff.subject", { subject }), winners.map((row) => row.option)), { kind: "small primary" }),
    button(t("copy_event"), () => begin(subject), { kind: "small quiet" }),
  ];
}

/** The result as lines of text, for a message or minutes. */
function inWords(store) {
  const { results: found, options, criteria, event } = store.state;
  const winners = winnersOf(found);
  return [
    event.subject,
    winners.length ? `${t(winners.length > 1 ? "results.tie" : "results.winner")}: ${winners.map((row) => nameOf(options, row)).join(", ")}` : t("results.no_votes"),
    t("results.turnout", { count: found.ballots, eligible: found.eligible }),
    "",
    ...found.options.map((row) => `- ${nameOf(options, row)}: ${votesIn(found, row.votes)}`),
    ...(found.criteria.length > 0 ? [""] : []),
    ...found.criteria.map((row) => `- ${criteria[row.criterion]?.content ?? "?"}: ${criteria[row.criterion]?.conclusion ?? t("conclusion.none")}`),
    "",
    address(link.room(store.event, "ballot")),
  ].join("\n");
}

/** Horizontal bars, each with its words: a list for screen readers, a picture for the eye. */
function chart(titled, rows, said) {
  const most = Math.max(1, ...rows.map((row) => row.value));
  return h("ol", { class: "chart", "aria-labelledby": titled }, rows.map((row) =>
    h("li", { key: row.id, class: row.rank === 1 && row.value > 0 ? "first" : "" },
      h("div", { class: "chart-words" }, h("span", { class: "rank", "aria-hidden": "true" }, number(row.rank)), h("span", { class: "words", dir: "auto" }, row.label), h("b", {}, said(row.value))),
      row.more && h("p", { class: "chart-more quiet", dir: "auto" }, row.more),
      h("svg", { class: "bar", viewBox: "0 0 100 6", preserveAspectRatio: "none", "aria-hidden": "true" },
        h("rect", { class: "bar-ground", width: 100, height: 6 }),
        h("rect", { class: "bar-value", width: (100 * row.value) / most, height: 6 })))));
}
