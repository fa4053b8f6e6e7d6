// Where one is: the address's fragment, read and made.
//
//     #/            my events          #/new           a new event
//     #/join        enter a code       #/join/<code>   the event behind a code
//     #/e/<event>   a room             #/e/<event>/<tab>

export const TABS = ["decide", "ballot", "people", "history", "settings"];

/** {view: "events"|"new"|"join"|"room"|"lost", …} of a fragment. */
export function parse(fragment) {
  const parts = fragment.replace(/^#?\/?/, "").split("/").map(decode);
  const [view = "", first, second] = parts;
  if (view === "") return { view: "events" };
  if (view === "new") return { view: "new" };
  if (view === "join") return { view: "join", code: first ? normal(first) : "" };
  if (view === "e" && first) return { view: "room", event: first, tab: TABS.includes(second) ? second : "decide" };
  return { view: "lost" };
}

export const link = {
  events: () => "#/",
  create: () => "#/new",
  join: (code = "") => (code ? `#/join/${encodeURIComponent(code)}` : "#/join"),
  room: (event, tab = "decide") => `#/e/${encodeURIComponent(event)}${tab === "decide" ? "" : `/${tab}`}`,
};

/** The whole address of a link, for somebody else. */
export const address = (fragment, base = location) => `${base.origin}${base.pathname}${fragment}`;

/** A code as the server knows it: people write small letters and blanks. */
export const normal = (code) => code.toUpperCase().replace(/[^A-Z0-9]/g, "").slice(0, 6);

function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return "";
  }
}
