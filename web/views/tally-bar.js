// A tally against its threshold: the page's own sign. One segment a member while there are few.

import { h } from "../render.js";
import { tally } from "../tally.js";
import { t } from "../words.js";
import { person, time } from "./parts.js";

/** Up to so many members, each is a segment of its own. */
const SEGMENTS = 30;

export function tallyBar(store, id, proposal) {
  const { agree, eligible, need, automatic, quorum } = tally(proposal, store.state);
  const act = store.act(`vote/${id}`);
  const asked = act?.state === "pending" && act.type === "vote.cast";
  const scale = Math.max(eligible, need, 1);
  const missing = Math.max(0, need - agree);
  const said = t("tally.agree", { agree, eligible });
  return h("div", { class: `tally ${automatic && missing === 0 ? "reached" : ""}` },
    h("div", { class: "track", role: "meter", "aria-valuemin": 0, "aria-valuemax": scale, "aria-valuenow": agree, "aria-label": t("tally.label"), "aria-valuetext": said,
      "data-segments": scale <= SEGMENTS ? "" : undefined,
      style: { "--agree-count": String(agree), "--asked": asked ? "1" : "0", "--scale": String(scale), "--need": String(need) } },
      h("span", { class: "fill" }), h("span", { class: "asked" }),
      automatic && need <= scale && h("span", { class: "threshold" })),
    h("p", { class: "tally-words" }, h("b", {}, said), " ", h("span", {}, outlook(proposal, { automatic, missing, need, eligible }, store)),
      quorum !== null && automatic && h("span", {}, " ", t("tally.quorum", { count: quorum, eligible }))));
}

/** The votes that are still missing. */
function outlook(proposal, { automatic, missing, need, eligible }, store) {
  if (!automatic) return t("tally.by_admin");
  if (proposal.stale) return t("tally.stale");
  if (store.status !== "in_progress") return t("tally.paused");
  if (need > eligible) return t("tally.too_few", { need, eligible });
  if (missing > 0) return t("tally.missing", { count: missing });
  return t("tally.waits");
}

/** "by votes, 3 of 5 · Ada's vote decided · 2 minutes ago". */
export function verdict(store, proposal) {
  const { resolution, resolved_by: by, resolved_at: at, decision } = proposal;
  return h("span", { class: "verdict" },
    t(`resolution.${resolution}`),
    decision && resolution !== "target_deleted" && [" · ", t("tally.agree", { agree: decision.agree, eligible: decision.eligible })],
    by && [" · ", person(store, by)],
    at && [" · ", time(at)]);
}
