// Waits for a condition on a room.

import { abortable, Deferred } from "../deferred.js";

/**
 * Resolve with what `look()` returns as soon as that is true; it is called now, and after each change that `watch`
 * reports. Reject with what `look` throws, with the reason of `signal`, or after `timeout` ms with a `TimeoutError`
 * that names `what` was not so.
 */
export function until(look, { watch, clock, timeout, signal, what = "what was waited for was not so" }) {
  const waiting = new Deferred();
  let ends = [];
  const end = (settle) => {
    for (const one of ends.splice(0)) one();
    settle?.();
  };
  const again = () => {
    if (waiting.settled) return;
    try {
      const found = look();
      if (found) end(() => waiting.resolve(found));
    } catch (error) {
      end(() => waiting.reject(error));
    }
  };
  if (signal?.aborted) return abortable(signal);
  again();
  if (!waiting.settled) {
    ends.push(watch(again));
    if (timeout !== undefined) {
      const late = () => end(() => waiting.reject(new DOMException(`${what} within ${timeout} ms`, "TimeoutError")));
      const timer = clock.setTimeout(late, timeout);
      ends.push(() => clock.clearTimeout(timer));
    }
  }
  return abortable(signal, waiting.promise, () => end());
}
