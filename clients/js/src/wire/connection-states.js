// The states of a client's connection, and which may follow which.

export const TRANSITIONS = Object.freeze({
  idle: Object.freeze(["connecting", "stopped"]),
  connecting: Object.freeze(["open", "waiting", "offline", "stopped"]),
  open: Object.freeze(["connecting", "waiting", "offline", "stopped"]),
  waiting: Object.freeze(["connecting", "offline", "stopped"]),
  offline: Object.freeze(["connecting", "waiting", "stopped"]),
  stopped: Object.freeze(["connecting"]),
});

/** Return whether `after` may follow `before`. */
export function mayFollow(before, after) {
  return TRANSITIONS[before].includes(after);
}
