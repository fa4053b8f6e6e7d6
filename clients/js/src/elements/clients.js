// The clients of the elements of a page: one for each server and source of tokens, while any element uses it.

import { Client } from "../client.js";

/** Time for which a client without elements stays connected, so that an element that is moved finds it. */
const GRACE_MS = 1_000;
/** Longest wait for a token's address to answer. */
const TOKEN_TIMEOUT_MS = 10_000;

const all = new Map();

/** A client of `server` with tokens from the address `tokenFrom`, and the function that ends this use of it. */
export function useClient(server, tokenFrom) {
  const key = `${server} ${tokenFrom}`;
  let found = all.get(key);
  if (!found) {
    found = { client: new Client(server, { token: () => tokenOf(tokenFrom) }).start(), users: 0, timer: null };
    all.set(key, found);
  }
  clearTimeout(found.timer);
  found.users += 1;
  const done = () => {
    found.users -= 1;
    if (found.users > 0) return;
    found.timer = setTimeout(() => {
      all.delete(key);
      found.client.stop();
    }, GRACE_MS);
  };
  return { client: found.client, done };
}

/** Ask an address of the page's own backend for a token: text, or JSON with a field `token`. */
async function tokenOf(address) {
  const signal = AbortSignal.timeout(TOKEN_TIMEOUT_MS);
  const answer = await fetch(address, { credentials: "same-origin", cache: "no-store", signal });
  if (!answer.ok) throw new Error(`${address} answered ${answer.status}`);
  const text = (await answer.text()).trim();
  return text.startsWith("{") ? JSON.parse(text).token : text;
}
