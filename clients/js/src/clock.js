// The real time; tests bring their own. The functions are looked up at each call, so that a page's
// fake timers are heard too.

export const realClock = Object.freeze({
  now: () => Date.now(),
  setTimeout: (run, ms) => globalThis.setTimeout(run, ms),
  clearTimeout: (timer) => globalThis.clearTimeout(timer),
});
