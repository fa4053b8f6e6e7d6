// Texts of people as they meant them: lines, lists, links and bold words, made of nodes and never of
// markup. Everything else in a text is shown as it was written.

import { h } from "./render.js";

/** A link, or words between pairs of asterisks. */
const MARKS = /(https?:\/\/[^\s<>"“”]+)|\*\*(?=\S)([^*\n]*[^*\s])\*\*/gu;
/** Characters that end a sentence rather than an address. */
const CLOSING = /[.,;:!?)\]}'»”]$/u;
const BULLET = /^\s*[-*•]\s+(?=\S)/u;
const NUMBER = /^\s*(\d{1,4})[.)]\s+(?=\S)/u;

/** `text` as children of an element that keeps white space. */
export function rich(text) {
  const lines = String(text ?? "").split("\n");
  if (!lines.some((line) => BULLET.test(line) || NUMBER.test(line))) return marked(lines.join("\n"));
  const parts = [];
  for (let at = 0; at < lines.length; ) {
    const kind = kindOf(lines[at]);
    let end = at + 1;
    while (end < lines.length && kindOf(lines[end]) === kind) end++;
    parts.push(block(kind, lines.slice(at, end)));
    at = end;
  }
  return parts;
}

const kindOf = (line) => (BULLET.test(line) ? "ul" : NUMBER.test(line) ? "ol" : "");

function block(kind, lines) {
  if (kind === "") return h("span", { class: "lines-of-text" }, marked(lines.join("\n")));
  const mark = kind === "ul" ? BULLET : NUMBER;
  const start = kind === "ol" ? Number(NUMBER.exec(lines[0])[1]) : undefined;
  return h(kind, { start, class: "text-list" }, lines.map((line) => h("li", { dir: "auto" }, marked(line.replace(mark, "")))));
}

function marked(text) {
  const parts = [];
  let at = 0;
  for (const found of text.matchAll(MARKS)) {
    const [whole, address, bold] = found;
    const shown = address && trimmed(address);
    if (address && !isSafe(shown)) continue;
    parts.push(text.slice(at, found.index));
    parts.push(bold ? h("strong", {}, bold) : h("a", { href: shown, target: "_blank", rel: "noopener noreferrer nofollow", dir: "ltr" }, shown));
    at = found.index + (bold ? whole.length : shown.length);
  }
  parts.push(text.slice(at));
  return parts.filter((part) => part !== "");
}

/**
 * The address without the characters of the sentence around it; a bracket that the address opened is its
 * own.
 */
function trimmed(address) {
  let text = address;
  const isOwn = () => text.endsWith(")") && text.split("(").length === text.split(")").length;
  while (CLOSING.test(text) && !isOwn()) text = text.slice(0, -1);
  return text;
}

function isSafe(address) {
  try {
    const { protocol, username, password } = new URL(address);
    // A name before an @ is there to be taken for the host.
    return (protocol === "https:" || protocol === "http:") && username === "" && password === "";
  } catch {
    return false;
  }
}
