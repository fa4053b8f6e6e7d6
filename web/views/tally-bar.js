// A tally against its threshold: the page's own sign. One segment a member while there are few.

import { h } from "../render.js";
import { t } from "../words.js";
import { person, time } from "./parts.js";

/** Up to so many members, each is a segment of its own. */
const SEGMENTS = 30;

export function tallyBar(store, id, proposal) {
  const found = store.room.tally(id);
  if (found.hidden) return hidden(found);
  const { eligible, automatic, quorum, stances } = found;
  // The words say what the server has counted. My vote that is on its way has a segment of its own.
  const { agree, against = 0, abstain = 0 } = proposal;
  const asked = found.agree > agree;
  const need = found.needed ?? Infinity;
  const scale = Math.max(eligible, Number.isFinite(need) ? need : 0, 1);
  const missing = Math.max(0, need - agree);
  const said = counted({ agree, against, abstain, eligible, stances });
  return h("div", { class: `tally ${automatic && missing === 0 ? "reached" : ""}` },
    h("div", { class: "track", role: "meter", "aria-valuemin": 0, "aria-valuemax": scale, "aria-valuenow": agree, "aria-label": t("tally.label"), "aria-valuetext": said,
      "data-segments": scale <= SEGMENTS ? "" : undefined,
      style: { "--agree-count": String(agree), "--asked": asked ? "1" : "0", "--scale": String(scale), "--need": String(Number.isFinite(need) ? need : scale),
        "--against-count": String(against), "--abstain-count": String(abstain) } },
      h("span", { class: "fill" }), h("span", { class: "asked" }),
      abstain > 0 && h("span", { class: "abstains" }), against > 0 && h("span", { class: "against" }),
      automatic && need <= scale && h("span", { class: "threshold" })),
    h("p", { class: "tally-words" }, h("b", {}, said), " ", h("span", {}, outlook(proposal, { ...found, need }, missing, store)),
      quorum !== null && automatic && h("span", {}, " ", t("tally.quorum", { count: quorum, eligible }))));
}

/** The votes in words: "3 of 5 agree", and what others said where a vote can say it. */
function counted({ agree, against, abstain, eligible, stances = [] }) {
  return [
    t("tally.agree", { agree, eligible }),
    stances.includes("against") && t("tally.against", { against }),
    stances.includes("abstain") && t("tally.abstain", { abstain }),
  ].filter(Boolean).join(" · ");
}

/** How it stands is hidden until the decision: only how many took part, if that shows no stance. */
function hidden({ voters, eligible, quorum }) {
  return h("div", { class: "tally" }, h("p", { class: "tally-words" },
    voters !== null && [h("b", {}, t("tally.voters", { voters, eligible })), " "],
    h("span", {}, t("tally.hidden")),
    quorum !== null && h("span", {}, " ", t("tally.quorum", { count: quorum, eligible }))));
}

/** What the votes still need. */
function outlook(proposal, { automatic, need, eligible, atClose }, missing, store) {
  if (!automatic) return t("tally.by_admin");
  if (proposal.stale) return t("tally.stale");
  if (store.status !== "in_progress") return t("tally.paused");
  if (atClose) return t(missing > 0 ? "tally.at_close.fails" : "tally.at_close.passes");
  if (need > eligible) return t("tally.too_few", { need, eligible });
  if (missing > 0) return t("tally.missing", { count: missing });
  return t("tally.waits");
}

/** "by votes, 3 of 5 · Ada's vote decided · 2 minutes ago". */
export function verdict(store, proposal) {
  const { resolution, resolved_by: by, resolved_at: at, decision } = proposal;
  return h("span", { class: "verdict" },
    t(`resolution.${resolution}`),
    decision && resolution !== "target_deleted" && [" · ", counted({ ...decision, stances: Object.keys(decision) })],
    by && [" · ", person(store, by)],
    at && [" · ", time(at)]);
}
