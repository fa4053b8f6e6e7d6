// The server's address, and the addresses of its parts. A path stays: a proxy may put the server below one.

const SOCKET_PATH = "/v1/socket";
const SOCKET_SCHEMES = Object.freeze({ "http:": "ws:", "https:": "wss:", "ws:": "ws:", "wss:": "wss:" });
const HTTP_SCHEMES = Object.freeze({ "ws:": "http:", "wss:": "https:" });

/**
 * Return the socket's address for a server's: `https://host/decide` → `wss://host/decide/v1/socket`. A relative
 * address counts from `base`. Throws a `TypeError` for any other scheme, and for an address with a user, a password
 * or a query: a token has no place there.
 */
export function socketUrl(given, base = globalThis.location?.href) {
  const url = new URL(given, base);
  if (!Object.hasOwn(SOCKET_SCHEMES, url.protocol)) {
    throw new TypeError("the address of a server begins with http://, https://, ws:// or wss://");
  }
  if (url.username || url.password || url.search) throw new TypeError("the address may have no user and no query");
  url.protocol = SOCKET_SCHEMES[url.protocol];
  url.pathname = withoutEnd(withoutEnd(url.pathname, "/"), SOCKET_PATH) + SOCKET_PATH;
  url.hash = "";
  return url.href;
}

/** Return the server's address over HTTP, without a slash at its end, for a socket's. */
export function httpUrl(socket) {
  const url = new URL(socket);
  url.protocol = HTTP_SCHEMES[url.protocol];
  return withoutEnd(url.href, SOCKET_PATH);
}

function withoutEnd(text, end) {
  let rest = text;
  while (rest.endsWith(end)) rest = rest.slice(0, -end.length);
  return rest;
}
