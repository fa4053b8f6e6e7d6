// Texts, numbers and times in the reader's language. All texts stand in `strings/`, one file a language.

import en from "./strings/en.js";
import ko from "./strings/ko.js";

const STRINGS = { en, ko };
/** What a language calls itself. */
export const LANGUAGES = { en: "English", ko: "한국어" };
const KEPT = "ayes:language";

let language = "en";
let plural = new Intl.PluralRules("en");
let numbers = new Intl.NumberFormat("en");
let lists = new Intl.ListFormat("en", { type: "conjunction" });
let ago = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
let moment = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "medium" });

/** The language that was chosen here, else the first the browser asks for that there is. */
export function preferredLanguage() {
  let kept = null;
  try {
    kept = localStorage.getItem(KEPT);
  } catch {
    // Storage is off.
  }
  const asked = [kept, ...(navigator.languages ?? [])].map((tag) => tag?.split("-")[0]);
  return asked.find((tag) => tag in STRINGS) ?? "en";
}

/** Speak `tag` from now on; `keep` remembers it in this browser. */
export function setLanguage(tag, keep = false) {
  language = tag;
  plural = new Intl.PluralRules(tag);
  numbers = new Intl.NumberFormat(tag);
  lists = new Intl.ListFormat(tag, { type: "conjunction" });
  ago = new Intl.RelativeTimeFormat(tag, { numeric: "auto" });
  moment = new Intl.DateTimeFormat(tag, { dateStyle: "medium", timeStyle: "medium" });
  document.documentElement.lang = tag;
  if (!keep) return;
  try {
    localStorage.setItem(KEPT, tag);
  } catch {
    // Storage is off: it lasts for this visit.
  }
}

export const currentLanguage = () => language;

/** Whether there is a text under `key`. */
export const has = (key) => key in STRINGS[language] || key in en;

/**
 * The text under `key`. `{name}` is replaced by `values.name`, numbers in the language's own form; a
 * text that is an object of plural forms is chosen by `values.count`.
 */
export function t(key, values = {}) {
  let text = STRINGS[language][key] ?? en[key] ?? key;
  if (typeof text === "object") text = text[plural.select(values.count ?? 0)] ?? text.other;
  return text.replace(/\{(\w+)\}/g, (whole, name) => {
    const value = values[name];
    if (value === undefined) return whole;
    return typeof value === "number" ? numbers.format(value) : value;
  });
}

export const number = (value) => numbers.format(value);
export const list = (values) => lists.format(values);

const STEPS = [
  ["second", 60],
  ["minute", 60],
  ["hour", 24],
  ["day", 7],
  ["week", 4.35],
  ["month", 12],
  ["year", Infinity],
];

/** How far `time` (a text or milliseconds) is from `now`: "2 minutes ago", "in 3 days". */
export function relative(time, now = Date.now()) {
  let distance = (new Date(time).getTime() - now) / 1000;
  // Clocks differ: what has just happened did not happen in the future.
  if (distance > -10 && distance < 3) return ago.format(0, "second");
  for (const [unit, size] of STEPS) {
    if (Math.abs(distance) < size) return ago.format(Math.round(distance), unit);
    distance /= size;
  }
  return "";
}

/** The moment itself, to the second, where the reader is. */
export const exact = (time) => moment.format(new Date(time));

const SPANS = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
  ["second", 1],
];

/** A span of seconds in words: "2 days", "90 minutes". */
export function span(seconds) {
  const [unit, size] = SPANS.find(([, size]) => seconds >= size && seconds % size === 0) ?? SPANS[3];
  return new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "long" }).format(seconds / size);
}
