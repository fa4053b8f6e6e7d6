// The clients of the elements of a page: one for each server and source of tokens, while any element uses it.

import { Client } from "../client.js";
import { AyesError } from "../error.js";

/** Time for which a client without elements stays connected, so that an element that is moved finds it. */
const GRACE_MS = 1_000;
/** Longest wait for a token's address to answer. */
const TOKEN_TIMEOUT_MS = 10_000;

/** Any kind of token; a page of HTML is none. */
const TOKEN = /^[\w.~+/=-]+$/;

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

/**
 * Ask an address of the page's own backend for a token: text, or JSON with a field `token`. Reject with an error that
 * there are words for: `unauthenticated` if the backend refuses, else `unreachable`.
 */
async function tokenOf(address) {
  const signal = AbortSignal.timeout(TOKEN_TIMEOUT_MS);
  const failed = (why, code = "unreachable", cause) => Object.assign(new AyesError(code, `${address} ${why}`, { retry: "same" }), { cause });
  let answer;
  let text;
  try {
    answer = await fetch(address, { credentials: "same-origin", cache: "no-store", signal });
    text = (await answer.text()).trim();
  } catch (error) {
    throw failed("did not answer", "unreachable", error);
  }
  if (answer.status === 401 || answer.status === 403) throw failed(`answered ${answer.status}`, "unauthenticated");
  if (!answer.ok) throw failed(`answered ${answer.status}`);
  try {
    const token = text.startsWith("{") ? JSON.parse(text).token : text;
    if (TOKEN.test(token)) return token;
  } catch {
    // JSON that is cut.
  }
  throw failed("answered with something that is no token");
}
