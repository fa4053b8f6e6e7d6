// Values that this tab remembers. They outlive a reload and end with the tab, so a token lies nowhere for
// long, and two tabs can be two people.

import { tabStore } from "../store.js";

/** The value kept under `name`, or null. */
export function kept(name) {
  try {
    return JSON.parse(tabStore.get(key(name)));
  } catch {
    // Another program wrote there.
    return null;
  }
}

/** Keeps a value that JSON can write; null forgets it. */
export function keep(name, value) {
  if (value === null) tabStore.remove(key(name));
  else tabStore.set(key(name), JSON.stringify(value));
}

/** Whether what was kept last is lost when this page goes to another address. */
export const isLost = () => tabStore.isFailing;

const key = (name) => `ayes.signin.${name}`;
