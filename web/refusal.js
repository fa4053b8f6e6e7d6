// Why something was refused, in words: the error's code, and the details that make it understood.

import { has, t } from "./words.js";

/** One sentence for an `AyesError`. `name(user)` gives a name where the page knows it. */
export function reason(error, name = () => undefined) {
  const { code, details = {} } = error;
  if (code === "proposal_closed" || code === "already_resolved") return closed(details, name);
  if (code === "bad_request" && details.path) return t("error.bad_request.path", { path: details.path });
  if (code === "limit_reached" && has(`error.limit_reached.${details.name}`)) {
    return t(`error.limit_reached.${details.name}`, { limit: details.limit });
  }
  if (code === "limit_reached" && details.limit) return t("error.limit_reached.limit", { limit: details.limit });
  if (code === "closed") return t(has(`close.${details.close}`) ? `close.${details.close}` : "error.closed_for_good");
  return has(`error.${code}`) ? t(`error.${code}`) : t("error.other", { code });
}

/** "Already accepted at #42 by Ada." */
function closed(details, name) {
  const key = `error.closed.${details.status}`;
  const said = t(has(key) ? key : "error.closed", { seq: details.seq ?? "?" });
  const who = details.by && name(details.by);
  const how = details.resolution && t(who ? `how.${details.resolution}.by` : `how.${details.resolution}`, { name: who });
  return how ? `${said} ${how}` : said;
}
