// The words that a proposed change removes and adds.

/** Beyond this the table of the comparison grows too large, and two texts side by side read better. */
const MAX_WORDS = 400;

/** `[{kind: "same"|"gone"|"new", text}]`, or null if the texts are too long to be compared. */
export function difference(before, after) {
  const a = words(before);
  const b = words(after);
  if (a.length > MAX_WORDS || b.length > MAX_WORDS) return null;
  const lengths = table(a, b);
  const parts = [];
  const add = (kind, text) => {
    const last = parts.at(-1);
    if (last?.kind === kind) last.text += text;
    else parts.push({ kind, text });
  };
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && alike(a[i], b[j])) {
      add("same", b[j]);
      i++;
      j++;
    } else if (j >= b.length || (i < a.length && lengths[i + 1][j] >= lengths[i][j + 1])) add("gone", a[i++]);
    else add("new", b[j++]);
  }
  return parts;
}

/** Words with the white space behind them. */
const words = (text) => text.match(/\S+\s*|\s+/g) ?? [];
/** The same word; a text's last one has no white space behind it. */
const alike = (one, other) => one.trimEnd() === other.trimEnd();

/** `lengths[i][j]`: of the longest common subsequence of `a` from `i` and `b` from `j`. */
function table(a, b) {
  const lengths = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      lengths[i][j] = alike(a[i], b[j]) ? lengths[i + 1][j + 1] + 1 : Math.max(lengths[i + 1][j], lengths[i][j + 1]);
    }
  }
  return lengths;
}
