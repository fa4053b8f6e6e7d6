// Why something was refused, in words: the error's code, and the details that make it understood.

import { has, t } from "./words.js";

/** Errors that are about something the page cannot know. */
const UNSPOKEN = new Set(["bad_request", "bad_frame", "too_large"]);

/** One sentence for an `AyesError`. `name(user)` gives a name if the page knows it. */
export function reason(error, name = () => undefined) {
  const { code, details = {} } = error;
  if (code === "proposal_closed" || code === "already_resolved") return closed(details, name);
  // The server's message names the field and the fault, which the page cannot.
  if (UNSPOKEN.has(code) && error.message && error.message !== code) return t("error.said", { message: error.message });
  if (code === "limit_reached" && has(`error.limit_reached.${details.name}`)) {
    return t(`error.limit_reached.${details.name}`, { limit: details.limit });
  }
  if (code === "limit_reached" && details.limit) return t("error.limit_reached.limit", { limit: details.limit });
  if (code === "closed") return t(has(`close.${details.close}`) ? `close.${details.close}` : "error.closed_for_good");
  if (has(`error.${code}`)) return t(`error.${code}`);
  return error.message && error.message !== code ? t("error.said", { message: error.message }) : t("error.other", { code });
}

/** "Already accepted by Ada." */
function closed(details, name) {
  const key = `error.closed.${details.status}`;
  const said = t(has(key) ? key : "error.closed");
  const who = details.by && name(details.by);
  const how = details.resolution && t(who ? `how.${details.resolution}.by` : `how.${details.resolution}`, { name: who });
  return how ? `${said} ${how}` : said;
}
