// The events of a browser's page that matter to a connection: the network comes and goes; the page is shown again,
// put into the back/forward cache, or left.

/** Listen on `page`, a window. Return the function that removes the listeners. */
export function watchPage(page, { online, offline, shown, hidden, restored }) {
  if (!page) return () => {};
  const visibility = () => {
    if (page.document?.visibilityState === "visible") shown();
  };
  const listeners = [
    [page, "online", online],
    [page, "offline", offline],
    [page, "pagehide", hidden],
    [page, "pageshow", (event) => event.persisted && restored()],
    [page.document, "visibilitychange", visibility],
  ].filter(([target]) => target);
  for (const [target, type, listener] of listeners) target.addEventListener(type, listener);
  return () => {
    for (const [target, type, listener] of listeners) target.removeEventListener(type, listener);
  };
}

/** Return whether the browser believes to have a network; only `false` is certain in `navigator.onLine`. */
export function isOnline() {
  return globalThis.navigator?.onLine !== false;
}
