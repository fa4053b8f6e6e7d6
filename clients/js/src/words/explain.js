// Why something was refused, in words of a language.

import en from "./en.js";
import ko from "./ko.js";

const WORDS = { en, ko };
/** Errors whose message names the field and the fault, which no sentence here can. */
const SAID_BY_SERVER = new Set(["bad_request", "bad_frame", "too_large"]);

/** Languages that there are words in. */
export const LANGUAGES = Object.freeze(Object.keys(WORDS));

/**
 * One sentence for a person about an error. `language`: a tag such as `ko` or `ko-KR`; English where there are no
 * words in it. `name(user)` returns the name of a user, if it is known.
 */
export function explain(error, language = "en", { name = () => undefined } = {}) {
  const tag = String(language).split("-")[0];
  const words = Object.hasOwn(WORDS, tag) ? WORDS[tag] : en;
  const has = (key) => Object.hasOwn(words, key);
  const say = (key, values) => filled(words[key] ?? en[key], values, language);
  const { code, message, details = {} } = error ?? {};
  // No error of a server: its own words are all there are.
  if (code === undefined && message) return message;
  if (code === "proposal_closed" || code === "already_resolved") return closed(details, { has, say, name });
  const isSaid = Boolean(message) && message !== code;
  if (SAID_BY_SERVER.has(code) && isSaid) return say("error.said", { message });
  if (code === "limit_reached") {
    const own = `error.limit_reached.${details.name}`;
    if (has(own)) return say(own, { limit: details.limit });
    if (details.limit) return say("error.limit_reached.limit", { limit: details.limit });
  }
  if (code === "closed") return say(has(`close.${details.close}`) ? `close.${details.close}` : "error.closed_for_good");
  if (code === "room_closed") {
    // Where the server refused the room, its code is the reason.
    const own = [`error.room_closed.${details.reason}`, `error.${details.reason}`].find(has);
    if (own) return say(own);
  }
  if (has(`error.${code}`)) return say(`error.${code}`);
  return isSaid ? say("error.said", { message }) : say("error.other", { code: code ?? "?" });
}

/** "Already accepted by Ada." */
function closed(details, { has, say, name }) {
  const key = `error.closed.${details.status}`;
  const said = say(has(key) ? key : "error.closed");
  const who = details.by && name(details.by);
  const how = `how.${details.resolution}${who ? ".by" : ""}`;
  return has(how) ? `${said} ${say(how, { name: who })}` : said;
}

/** Replace each `{name}` in `text`. */
function filled(text, values = {}, language) {
  return text.replace(/\{(\w+)\}/g, (whole, name) => {
    const value = values[name];
    if (value === undefined) return whole;
    return typeof value === "number" ? numbers(language).format(value) : isolated(String(value));
  });
}

function numbers(language) {
  try {
    return new Intl.NumberFormat(language);
  } catch {
    return new Intl.NumberFormat("en");
  }
}

/** Letters that run from right to left, and what sets a direction. */
const TURNS = /[\u0590-\u08ff\u200e\u200f\u202a-\u202e\u2066-\u2069\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;
const CONTROLS = /[\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

/** Words of others within a sentence, isolated so that they do not turn the text around them. */
export function isolated(text) {
  return TURNS.test(text) ? `\u2068${text.replace(CONTROLS, "")}\u2069` : text;
}
