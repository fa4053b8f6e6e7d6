// A page's own backend in Node: `AYES_AUTH_SECRET=… node server.mjs FOLDER`. It serves a folder and mints tokens.
import { createHmac } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join } from "node:path";

const TYPES = { ".html": "text/html", ".js": "text/javascript" };
const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

function tokenOf(user) {
  const exp = Math.floor(Date.now() / 1000) + 900; // seconds; the client asks again before
  const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part({ sub: user, name: user, aud: "ayes", exp })}`;
  return `${signed}.${createHmac("sha256", process.env.AYES_AUTH_SECRET).update(signed).digest("base64url")}`;
}

const server = createServer(async (request, response) => {
  const { pathname } = new URL(request.url, "http://localhost");
  const user = /(?:^|; )user=(\w+)/.exec(request.headers.cookie ?? "")?.[1]; // your own session says who it is
  if (pathname === "/api/ayes") return user ? response.end(tokenOf(user)) : response.writeHead(401).end();
  const file = join(process.argv[2], pathname === "/" ? "index.html" : join("/", pathname));
  readFile(file).then(
    (body) => response.writeHead(200, { "content-type": TYPES[extname(file)] ?? "text/plain" }).end(body),
    () => response.writeHead(404).end(),
  );
});
server.listen(Number(process.env.PORT ?? 8500), "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
