# A page's own backend in Python: `AYES_AUTH_SECRET=… python server.py FOLDER`.
# It serves a folder, and mints tokens.
import base64
import hashlib
import hmac
import json
import os
import re
import sys
import time
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer


def part(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def token_of(user: str) -> str:
    claims = {"sub": user, "name": user, "aud": "ayes", "exp": int(time.time()) + 900}
    header = {"alg": "HS256", "typ": "JWT"}
    signed = ".".join(part(json.dumps(piece).encode()) for piece in (header, claims))
    secret = os.environ["AYES_AUTH_SECRET"].encode()
    return f"{signed}.{part(hmac.digest(secret, signed.encode(), hashlib.sha256))}"


class Handler(SimpleHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path != "/api/ayes":
            return super().do_GET()
        # Your own session says who it is.
        user = re.search(r"(?:^|; )user=(\w+)", self.headers.get("cookie", ""))
        self.send_response(200 if user else 401)
        self.end_headers()
        self.wfile.write(token_of(user[1]).encode() if user else b"")


server = ThreadingHTTPServer(
    ("127.0.0.1", int(os.environ.get("PORT", "8500"))),
    lambda *given: Handler(*given, directory=sys.argv[1]),
)
print(f"http://127.0.0.1:{server.server_port}", flush=True)  # noqa: T201 - for the terminal
server.serve_forever()
