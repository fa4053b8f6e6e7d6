// The admin's API, as `docs/admin.md` has it.

import { tabStore } from "../store.js";

const KEPT = "ayes:admin-token";
/** Longest wait for an answer, in milliseconds; the server answers earlier. */
const TIMEOUT_MS = 20_000;
/** The same for erasing and deleting, which read whole journals. */
export const LONG_TIMEOUT_MS = 930_000;

/** An answer that is an error; `code` as on the socket, `offline` without a server. */
export class Refused extends Error {
  constructor(code, message, wait) {
    super(message);
    this.code = code;
    this.wait = wait;
  }
}

/** The token lives as long as the tab, and in no other. */
export const token = {
  get: () => tabStore.get(KEPT),
  set: (value) => (value ? tabStore.set(KEPT, value) : tabStore.remove(KEPT)),
};

/** Send one request; returns the decoded answer, or throws `Refused`. */
export async function ask(path, { method = "GET", body, timeout = TIMEOUT_MS } = {}) {
  let response;
  try {
    response = await fetch(`v1/admin/${path}`, {
      method,
      body: body && JSON.stringify(body),
      headers: { authorization: `Bearer ${token.get() ?? ""}` },
      cache: "no-store",
      signal: AbortSignal.timeout(timeout),
    });
  } catch {
    throw new Refused("offline", "");
  }
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  throw new Refused(answer.code ?? "internal", answer.message ?? response.statusText, answer.retry_after_ms);
}
