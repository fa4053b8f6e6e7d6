/**
 * Why somebody is not signed in. `code` is one of: `unreachable` (the server does not answer),
 * `provider` (the identity provider does not, or answers nonsense), `denied` (the person or the
 * provider said no), `state` (an answer to a sign-in that this tab did not begin), `expired`,
 * `malformed` (what was pasted is no token), `name` (not one that can be had), `rate_limited`,
 * `refused` (the server would not have the token).
 */
export class SignInError extends Error {
  constructor(code, { cause, message } = {}) {
    super(message ?? code, { cause });
    this.name = "SignInError";
    this.code = code;
  }
}
