"""The client on its way through TLS and through proxies that the environment names."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ayes_client._wire.proxy import BadProxy, proxy_for, via
from ayes_client.errors import Unreachable
from tests.clients.connect_proxy import ConnectProxy, connect_proxy, pump
from tests.clients.python.conftest import Connect, gathering, proposal
from tests.promises.running import Running

#: A name that only the proxy can resolve.
HOST = "ayes.test"
VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "WSS_PROXY", "SOCKS_PROXY")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's own proxies are none of the tests'."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A file with a certificate for ``HOST`` and this machine, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.now(UTC)
    names = [x509.DNSName(HOST), x509.DNSName("localhost")]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "tls.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return file


@asynccontextmanager
async def tls_in_front(server: Running, certificate: Path) -> AsyncIterator[int]:
    """The port of a proxy that ends TLS in front of ``server``."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, there = await asyncio.open_connection("127.0.0.1", server.port)
        await asyncio.gather(pump(reader, there), pump(back, writer))

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()


async def _votes(connect: Connect, url: str, transport: str) -> None:
    client = await connect(url=url, transport=transport)
    room = await gathering(client)
    ack = await room.vote(await proposal(room))
    assert ack.result["agree"] == 1


@pytest.mark.parametrize("transport", ["websocket", "http"])
async def test_behind_tls_of_an_authority_of_ones_own_a_vote_is_counted(
    connect: Connect,
    server: Running,
    certificate: Path,
    monkeypatch: pytest.MonkeyPatch,
    transport: str,
) -> None:
    async with tls_in_front(server, certificate) as port:
        with pytest.raises(Unreachable, match="CERTIFICATE_VERIFY_FAILED"):
            await connect(url=f"https://localhost:{port}", transport=transport, open_timeout=3)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        await _votes(connect, f"https://localhost:{port}", transport)


@pytest.fixture
async def proxy() -> AsyncIterator[ConnectProxy]:
    async with connect_proxy() as made:
        yield made


@pytest.mark.parametrize("transport", ["websocket", "http"])
@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
async def test_through_the_proxy_of_the_environment_a_vote_is_counted(
    connect: Connect,
    server: Running,
    certificate: Path,
    proxy: ConnectProxy,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    transport: str,
) -> None:
    """With or without a scheme, as other programs take it; with a user and a password."""
    proxy.credentials = base64.b64encode(b"ada:pass@word").decode()
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setenv(name, f"ada:pass%40word@127.0.0.1:{proxy.port}")
    async with tls_in_front(server, certificate) as port:
        await _votes(connect, f"https://{HOST}:{port}", transport)
        assert set(proxy.asked) == {(f"{HOST}:{port}", proxy.credentials)}


@pytest.mark.parametrize("transport", ["websocket", "http"])
async def test_a_proxy_that_refuses_is_named_without_its_password(
    connect: Connect, proxy: ConnectProxy, monkeypatch: pytest.MonkeyPatch, transport: str
) -> None:
    proxy.credentials = "other"
    monkeypatch.setenv("HTTPS_PROXY", f"http://ada:secret@127.0.0.1:{proxy.port}")
    with pytest.raises(Unreachable) as failure:
        await connect(url=f"https://{HOST}", transport=transport, open_timeout=3)
    assert "407" in str(failure.value)
    assert f"through the proxy 127.0.0.1:{proxy.port}" in str(failure.value)
    assert "secret" not in str(failure.value)


@pytest.mark.parametrize("name", [HOST, f"{HOST}:8400", ".test", "*"])
def test_no_proxy_names_hosts_with_and_without_a_port(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    monkeypatch.setenv("NO_PROXY", name if name == "*" else f"else.where, {name}")
    assert proxy_for(f"wss://{HOST}:8400/v1/socket") is None
    assert proxy_for(f"https://{HOST}:8400") is None
    if name != "*":
        assert proxy_for("https://other.example") == "http://proxy:3128"


def test_this_machine_is_reached_without_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://proxy:3128")
    assert proxy_for("ws://127.0.0.1:8400/v1/socket") is None
    assert proxy_for("https://[::1]:8400") is None
    assert proxy_for("http://localhost") is None


@pytest.mark.parametrize("text", ["ftp://ada:secret@proxy", "http://", "http://ada:secret@h:no"])
def test_what_is_no_address_of_a_proxy_is_said_without_its_password(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", text)
    with pytest.raises(BadProxy, match="HTTPS_PROXY is no address of a proxy") as failure:
        proxy_for(f"https://{HOST}")
    assert "secret" not in str(failure.value)
    assert via(f"https://{HOST}") == ""


async def test_over_http_no_socks_proxy_is_passed_by(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client never leaves out a proxy that the network demands."""
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    with pytest.raises(Unreachable, match="SOCKS"):
        await connect(url=f"https://{HOST}", transport="http", open_timeout=3)
