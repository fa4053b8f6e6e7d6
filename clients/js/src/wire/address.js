// The server's address and the address of its socket.

/** Return the socket's address for a server's: `https://host` → `wss://host/v1/socket`. */
export function socketUrl(given, base = globalThis.location?.href) {
  const url = new URL(given, base);
  if (url.protocol === "http:" || url.protocol === "https:") {
    url.protocol = url.protocol === "http:" ? "ws:" : "wss:";
    if (url.pathname === "/") url.pathname = "/v1/socket";
  }
  url.hash = "";
  return url.href;
}
