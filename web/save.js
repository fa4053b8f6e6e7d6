// A file for the user, made here.

/** Milliseconds after which the file's address is given up: the browser has taken it by then. */
const TAKEN_MS = 1_000;

/** Have the browser save `text` as the file `name`. */
export function save(name, text, type = "text/csv") {
  const target = URL.createObjectURL(new Blob([text], { type }));
  Object.assign(document.createElement("a"), { href: target, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(target), TAKEN_MS);
}
