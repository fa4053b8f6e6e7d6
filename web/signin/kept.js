// Values that this tab remembers. They outlive a reload and end with the tab, so a token lies nowhere for
// long, and two tabs can be two people.

const memory = new Map();

/** The value kept under `name`, or null. */
export function kept(name) {
  try {
    return JSON.parse(sessionStorage.getItem(key(name))) ?? memory.get(name) ?? null;
  } catch {
    // A browser may forbid its storage; then no value outlives a reload.
    return memory.get(name) ?? null;
  }
}

/** Keeps a value that JSON can write; null forgets it. */
export function keep(name, value) {
  if (value === null) memory.delete(name);
  else memory.set(name, value);
  try {
    if (value === null) sessionStorage.removeItem(key(name));
    else sessionStorage.setItem(key(name), JSON.stringify(value));
  } catch {
    // As above.
  }
}

const key = (name) => `ayes.signin.${name}`;
