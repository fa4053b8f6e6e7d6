// What a browser's page goes through, as far as a connection cares: the network comes and goes, the
// page is shown again after a while, put aside whole (the back/forward cache) or left.

/** Listens on `page`, a window; the function returned ends that. */
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

/** Whether the page believes to have a network; `navigator.onLine` is sure only where it says no. */
export function isOnline() {
  return globalThis.navigator?.onLine !== false;
}
