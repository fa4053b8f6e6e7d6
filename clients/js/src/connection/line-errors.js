// Why there is no connection to the server, as errors.

import { AyesError } from "../error.js";
import { ABNORMAL, meaningOf } from "../wire/close-codes.js";

/** The error of a connection that was lost, or never had; `cause`: in the words of Node, which browsers hide. */
export function unreachable(code, wasOpen, cause, address) {
  const why = code === undefined ? "no answer in time" : code === ABNORMAL ? "no connection, or it broke" : `closed with ${code}`;
  const said = cause ? `${why} (${cause})` : why;
  const message = wasOpen ? `the connection was lost: ${said}` : `the server at ${address} was not reached: ${said}`;
  return new AyesError("unreachable", message, { retry: "same", details: { ...(code !== undefined && { close: code }) } });
}

/** Return the error of a final close: the one that the server sent before it, or one of the code alone. */
export function finalError(code, refusal) {
  const said = meaningOf(code, globalThis.location?.origin);
  const { code: name, message, retry } = refusal ?? { code: "closed", message: said, retry: "no" };
  return new AyesError(name, message, { effect: "unknown", retry, details: { ...refusal?.details, close: code } });
}
