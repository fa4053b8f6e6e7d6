// The system clock and its timers. Tests pass a clock of their own.

/** The global functions are looked up at each call, so that a page's fake timers take effect. */
export const systemClock = Object.freeze({
  now: () => Date.now(),
  setTimeout: (run, ms) => globalThis.setTimeout(run, ms),
  clearTimeout: (timer) => globalThis.clearTimeout(timer),
});
