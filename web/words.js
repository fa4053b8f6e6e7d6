// Texts, numbers and times in the reader's language. All texts stand in `strings/`, one file a language.

import { browserStore } from "./store.js";
import en from "./strings/en.js";
import ko from "./strings/ko.js";

const STRINGS = { en, ko };
/** A language's own name. */
export const LANGUAGES = { en: "English", ko: "한국어" };
const KEPT = "ayes:language";

let language = "en";
let plural = new Intl.PluralRules("en");
let numbers = new Intl.NumberFormat("en");
let lists = listsOf("en");
let ago = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
let hour = new Intl.DateTimeFormat("en", { timeStyle: "short" });
let moment = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "medium" });

/** What joins the values of a list; browsers before 2021 lack it, and then commas do. */
function listsOf(locale) {
  return Intl.ListFormat ? new Intl.ListFormat(locale, { type: "conjunction" }) : { format: (values) => values.join(", ") };
}

/** The language that was chosen here, else the first the browser asks for that there is. */
export function preferredLanguage() {
  const kept = browserStore.get(KEPT);
  const asked = [kept, ...(navigator.languages ?? [])].map((tag) => tag?.split("-")[0]);
  return asked.find((tag) => tag in STRINGS) ?? "en";
}

/** Speak `tag` from now on; `keep` remembers it in this browser. */
export function setLanguage(tag, keep = false) {
  language = tag;
  const locale = localeOf(tag);
  plural = new Intl.PluralRules(tag);
  numbers = new Intl.NumberFormat(locale);
  lists = listsOf(locale);
  ago = new Intl.RelativeTimeFormat(locale, { numeric: "auto" });
  hour = new Intl.DateTimeFormat(locale, { timeStyle: "short" });
  moment = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "long" });
  document.documentElement.lang = tag;
  if (keep) browserStore.set(KEPT, tag);
}

/** The reader's own variety of the language, which decides how dates and numbers are written. */
const localeOf = (tag) => (navigator.languages ?? []).find((one) => one.split("-")[0] === tag) ?? tag;

export const currentLanguage = () => language;

/** Whether there is a text under `key`. */
export const has = (key) => key in STRINGS[language] || key in en;

/**
 * The text under `key`. `{name}` is replaced by `values.name`, numbers in the language's own form; a
 * text that is an object of plural forms is chosen by `values.count`, or by the value that its `by` names.
 */
export function t(key, values = {}) {
  let text = STRINGS[language][key] ?? en[key] ?? key;
  if (typeof text === "object") text = text[plural.select(values[text.by ?? "count"] ?? 0)] ?? text.other;
  return text.replace(/\{(\w+)\}/g, (whole, name) => {
    const value = values[name];
    if (value === undefined) return whole;
    return typeof value === "number" ? numbers.format(value) : isolated(String(value));
  });
}

/** Letters that run from right to left, and what sets a direction. */
const TURNS = /[\u0590-\u08ff\u200e\u200f\u202a-\u202e\u2066-\u2069\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;
const CONTROLS = /[\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

/** Others' words within a sentence, isolated so that they do not turn the text around them. */
export const isolated = (text) => (TURNS.test(text) ? `\u2068${text.replace(CONTROLS, "")}\u2069` : text);

let clusters = null;

/** What divides a text into characters; browsers before 2024 may lack it, and then code points are characters. */
const clustersOf = () =>
  Intl.Segmenter ? new Intl.Segmenter(undefined, { granularity: "grapheme" }) : { segment: (text) => [...text].map((segment) => ({ segment })) };

/** The first character of a name as a person sees it; an emoji of several code points is one. */
export function initial(name) {
  clusters ??= clustersOf();
  for (const { segment } of clusters.segment(name)) if (/\S/u.test(segment)) return segment;
  return "?";
}

/** Characters as the server counts them: code points, composed, without blanks at the ends. */
export const lengthOf = (text) => [...String(text).normalize("NFC").trim()].length;

export const number = (value) => numbers.format(value);
export const list = (values) => lists.format(values.map(isolated));

const STEPS = [
  ["second", 60],
  ["minute", 60],
  ["hour", 24],
  ["day", 7],
  ["week", 4.35],
  ["month", 12],
  ["year", Infinity],
];

/** The time: the server's, as soon as it is known, since a reader's own clock may be wrong. */
let present = () => Date.now();
export const setClock = (now) => (present = now);
export const now = () => present();

/** How far `time` (a text or milliseconds) is from `at`: "2 minutes ago", "in 3 days". */
export function relative(time, at = now()) {
  let distance = (new Date(time).getTime() - at) / 1000;
  // Clocks differ: show an event of this moment as now, not as in the future.
  if (distance > -10 && distance < 3) return ago.format(0, "second");
  for (const [unit, size] of STEPS) {
    if (Math.abs(distance) < size) return ago.format(Math.round(distance), unit);
    distance /= size;
  }
  return "";
}

/** The moment itself, to the second, with the zone of the reader. */
export const exact = (time) => moment.format(new Date(time));

/** The time of day, as a clock on the wall has it. */
export const clock = (time) => hour.format(new Date(time));

/** The time that is left, in words: to the second in the last hour, else its two largest units. */
export function remaining(milliseconds) {
  const seconds = Math.max(0, Math.ceil(milliseconds / 1000));
  const units = seconds < 3_600 ? SPANS.slice(2) : SPANS.slice(0, 3);
  let left = seconds;
  const parts = [];
  for (const [unit, size] of units) {
    const count = Math.floor(left / size);
    left -= count * size;
    if (count > 0 || (parts.length === 0 && unit === "second")) parts.push(measured(count, unit));
  }
  return parts.slice(0, 2).join(" ");
}

const measured = (value, unit) => new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "long" }).format(value);

const SPANS = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
  ["second", 1],
];

/** A span of seconds in words: "2 days", "90 minutes". */
export function span(seconds) {
  const [unit, size] = SPANS.find(([, size]) => seconds >= size && seconds % size === 0) ?? SPANS[3];
  return measured(seconds / size, unit);
}
