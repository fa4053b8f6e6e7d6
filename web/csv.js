// Rolls of people as text: one person a line, or CSV (RFC 4180).

/** The people in `text`: `[{name, ref?}]`. A first line that names its columns says which is which. */
export function peopleIn(text) {
  const rows = rowsOf(text.replace(/^\ufeff/, "")).map((row) => row.map((cell) => cell.trim())).filter((row) => row.some(Boolean));
  const head = rows[0]?.map((cell) => cell.toLowerCase());
  const isHead = head?.includes("name");
  const at = isHead ? head.indexOf("name") : 0;
  const ref = isHead ? head.findIndex((cell) => ["ref", "id", "user", "email", "mail"].includes(cell)) : 1;
  return (isHead ? rows.slice(1) : rows).filter((row) => row[at]).map((row) => ({ name: row[at], ...(row[ref] && { ref: row[ref] }) }));
}

/** `rows` as CSV. A cell that a spreadsheet would take as a formula is kept as text. */
export const csvOf = (rows) => rows.map((row) => row.map(cellOf).join(",")).join("\r\n") + "\r\n";

const cellOf = (value) => {
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",;\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

/** The cells of each line; separated by commas, semicolons or tabs, whichever the first line has. */
function rowsOf(text) {
  const [first = ""] = text.split(/\r?\n/, 1);
  const separator = [",", ";", "\t"].find((one) => first.includes(one)) ?? ",";
  const rows = [[]];
  let cell = "";
  let isQuoted = false;
  for (let at = 0; at < text.length; at += 1) {
    const sign = text[at];
    if (isQuoted) {
      if (sign !== '"') cell += sign;
      else if (text[at + 1] === '"') cell += text[(at += 1)];
      else isQuoted = false;
    } else if (sign === '"' && cell === "") isQuoted = true;
    else if (sign === separator || sign === "\n") {
      rows.at(-1).push(cell);
      cell = "";
      if (sign === "\n") rows.push([]);
    } else if (sign !== "\r") cell += sign;
  }
  rows.at(-1).push(cell);
  return rows;
}
