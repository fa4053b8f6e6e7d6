// The address's fragment, read and made.
//
//     #/            my events          #/new           a new event
//     #/join        enter a code       #/join/<code>   the event behind a code
//     #/i/<secret>  a personal invitation
//     #/e/<event>   a room             #/e/<event>/<tab>, or /screen for a projector

export const TABS = ["decide", "ballot", "people", "history", "settings"];
/** A view of the room for a projector; no tab leads there. */
const SCREEN = "screen";

/** {view: "events"|"new"|"join"|"invited"|"room"|"lost", …} of a fragment, as mail programs and people change it. */
export function parse(fragment) {
  const path = decode(fragment.replace(/^#/, "")).replace(/^(?:#|%23)/i, "");
  // Additions by trackers and punctuation do not belong to the target.
  const parts = path.split(/[?&#;]/)[0].split("/").filter(Boolean).map((part) => part.trim().replace(TRAILING, ""));
  const [view = "", first, second] = parts;
  switch (view.toLowerCase()) {
    case "":
      return { view: "events" };
    case "new":
      return { view: "new" };
    case "join":
      return { view: "join", code: normal(first ?? /[?&]code=([^&#]*)/i.exec(path)?.[1] ?? "") };
    case "i":
      if (first) return { view: "invited", secret: first };
      break;
    case "e":
      if (first) return { view: "room", event: eventIn(first), tab: tabOf(second) };
      break;
    default:
  }
  return { view: "lost" };
}

const TRAILING = /[.,;:!?)\]}>"'»”]+$/u;
const EVENT = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/;
/** The event's id without what stands behind it, such as the end of somebody's emphasis. */
const eventIn = (part) => EVENT.exec(part.toLowerCase())?.[0] ?? part.toLowerCase();
const tabOf = (name) => [...TABS, SCREEN].find((tab) => tab === name?.toLowerCase()) ?? "decide";

export const link = {
  events: () => "#/",
  create: () => "#/new",
  join: (code = "") => (code ? `#/join/${encodeURIComponent(code)}` : "#/join"),
  invited: (secret) => `#/i/${encodeURIComponent(secret)}`,
  room: (event, tab = "decide") => `#/e/${encodeURIComponent(event)}${tab === "decide" ? "" : `/${tab}`}`,
};

/** The whole address of a link, for somebody else. */
export const address = (fragment, base = location) => `${base.origin}${base.pathname}${fragment}`;

/** Whether the page's address leads nowhere on any other device. */
export const isOnlyHere = () => ["127.0.0.1", "localhost", "[::1]"].includes(location.hostname);

/** Characters of an entrance code. */
export const CODE_LENGTH = 6;

/** A code as the server knows it: people write small or wide letters, blanks and dashes. */
export const normal = (code) => code.normalize("NFKC").toUpperCase().replace(/[^A-Z0-9]/g, "");

/**
 * The entrance code in a typed or pasted text: a code, or a link to join, even if a mail program changed
 * it.
 */
export function codeIn(text) {
  const plain = decode(text.normalize("NFKC"));
  return normal(/(?:^|[/#])join\/+([^/?&#\s]+)/i.exec(plain)?.[1] ?? plain);
}

function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    // A sign of its own, not the beginning of an encoded one.
    return part;
  }
}
