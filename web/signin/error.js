/**
 * The reason of a failed sign-in, as `code`. `unreachable`: the server does not answer. `provider`: the
 * identity provider does not answer, or its answer is invalid. `denied`: the person or the provider
 * refused. `state`: the answer belongs to a sign-in that this tab did not begin. `malformed`: the pasted
 * text is not a token. `name`: the name is not allowed. `refused`: the server does not accept the token.
 * `closed_door`: the code takes no guests, or the invitation is not good. `storage`: the browser keeps nothing, so
 * the answer of the provider could not be recognised. `expired` and `rate_limited` have no further meaning.
 */
export class SignInError extends Error {
  constructor(code, { cause, message } = {}) {
    super(message ?? code, { cause });
    this.name = "SignInError";
    this.code = code;
  }
}
