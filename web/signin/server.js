// The page's requests to its own server before it has a token.

import { SignInError } from "./error.js";

/** The page's own address: the folder above `app/`, with the path of a proxy. */
export const HOME = new URL("../../", import.meta.url);

// An answer takes milliseconds; a server that is being restarted is back within seconds.
const ANSWER_MS = 5_000;
const TRY_FOR_MS = 10_000;
const FIRST_PAUSE_MS = 200;

/**
 * How people sign in here (`/v1/page.json`); asked again for ten seconds while the server does not
 * answer.
 */
export async function settings() {
  const end = Date.now() + TRY_FOR_MS;
  for (let pause = FIRST_PAUSE_MS; ; pause *= 2) {
    try {
      const response = await asked("v1/page.json", { cache: "no-store" });
      if (response.ok) return await response.json();
      throw new SignInError("unreachable", { message: `the server answered ${response.status}` });
    } catch (cause) {
      if (Date.now() + pause > end) throw new SignInError("unreachable", { cause });
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }
}

/** A token for `name`, in local mode: `{token, user, name, expires}`. */
export async function localToken(name) {
  let response;
  try {
    response = await asked("v1/local/token", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ name }),
    });
    if (response.ok) return await response.json();
  } catch (cause) {
    throw new SignInError("unreachable", { cause });
  }
  const codes = { 400: "name", 404: "refused", 413: "name", 429: "rate_limited" };
  throw new SignInError(codes[response.status] ?? "unreachable");
}

/** The token of a guest of the event behind `code`: `{token, user, name, expires}`. */
export const guestToken = (code, name) => posted("v1/guests", { code, name });

/** The token of the invited person whose secret this is; always the same person. */
export const invitedToken = (secret) => posted("v1/invitations", { secret });

async function posted(path, body) {
  let response;
  try {
    response = await asked(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
    if (response.ok) return await response.json();
  } catch (cause) {
    throw new SignInError("unreachable", { cause });
  }
  const codes = { 400: "name", 401: "closed_door", 403: "closed_door", 404: "closed_door", 409: "closed_door", 429: "rate_limited" };
  throw new SignInError(codes[response.status] ?? "unreachable");
}

function asked(path, options) {
  const signal = AbortSignal.timeout(ANSWER_MS);
  return fetch(new URL(path, HOME), { ...options, signal, credentials: "omit", redirect: "error" });
}
