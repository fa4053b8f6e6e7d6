// For a projector: the subject, the way in, and the current state, large enough for the last row.

import { codePicture } from "../code-picture.js";
import { byNo } from "../order.js";
import { h } from "../render.js";
import { address, link } from "../route.js";
import { t } from "../words.js";
import { button, quoted, statusPill } from "./parts.js";
import { proposalTitle } from "./proposal.js";
import { results } from "./results.js";
import { tallyBar } from "./tally-bar.js";

/** Proposals that can be read from afar at once. */
const MAX_SHOWN = 4;

export function bigScreen(app, store) {
  const { state } = store;
  const { entrance_code: code, subject } = state.event;
  const open = Object.entries(state.proposals).filter(([, one]) => one.status === "pending").sort(([, a], [, b]) => byNo(a, b));
  return h("div", { class: "big-screen" },
    h("header", { class: "row" }, statusPill(store.status),
      h("span", { class: "fact" }, t("room.members", { count: state.counts.members })),
      h("span", { class: "row tools" },
        button(t("screen.full"), () => document.documentElement.requestFullscreen?.().catch(() => {}), { kind: "quiet small" }),
        h("a", { class: "button quiet small", href: link.room(store.event) }, t("screen.back")))),
    h("h1", { class: "subject", tabindex: -1, dir: "auto" }, subject),
    store.status === "finished"
      ? results(app, store)
      : h("div", { class: "big-columns" },
        h("section", { class: "big-way", "aria-label": t("share.heading") },
          codePicture(address(link.join(code)), t("share.qr")),
          h("p", { class: "code big", translate: "no", dir: "ltr" }, code),
          h("p", { class: "link", translate: "no", dir: "ltr" }, address(link.join()))),
        h("section", { class: "big-feed", "aria-label": t("feed.title") },
          h("p", { class: "quiet" }, t("finish.ballots", { count: state.counts.ballots, members: state.counts.members })),
          open.slice(0, MAX_SHOWN).map(([id, proposal]) =>
            h("article", { class: "card", key: id }, h("p", { class: "proposal-kind" }, proposalTitle(proposal)),
              proposal.content && h("p", { class: "big-words" }, quoted(proposal.content)), tallyBar(store, id, proposal))),
          open.length > MAX_SHOWN && h("p", { class: "quiet" }, t("list.more", { count: open.length - MAX_SHOWN })),
          open.length === 0 && h("p", { class: "quiet" }, t("screen.none")))));
}
