"""``AYES_COMPRESSION``: permessage-deflate (RFC 7692) for messages to many sockets."""

from __future__ import annotations

import asyncio
import contextlib
import json
import zlib

import pytest
from websockets.asyncio.client import connect
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.typing import Subprotocol

from server.config.loading import SettingsError, load
from server.transport import deflate
from server.transport.socket_transport import SocketTransport
from tests.fixtures.servers import Start
from tests.promises.client import Client
from tests.promises.running import Address, token
from tests.promises.scenes import gathering
from tests.server.raw import CONT, HANDSHAKE, PING, TEXT, Raw, masked, raw

#: RSV1: the message is compressed.
RSV1 = 0x40
OFFER = b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
#: Words that compress well, in a content that is long enough.
WORDS = "the same words again and again, " * 50


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[tuple[SocketTransport, bytes]]:
    """Every frame of a room, and the socket it goes to."""
    send_room = SocketTransport.send_room
    found: list[tuple[SocketTransport, bytes]] = []

    def kept(self: SocketTransport, *parts: bytes, answers: bytes = b"") -> int:
        found.append((self, b"".join(parts)))
        return send_room(self, *parts, answers=answers)

    monkeypatch.setattr(SocketTransport, "send_room", kept)
    return found


async def negotiated(server: Address, *offers: ClientPerMessageDeflateFactory) -> str:
    """The server's answer to an offer."""
    async with connect(
        server.url,
        proxy=None,
        compression=None,
        extensions=offers,
        subprotocols=[Subprotocol("ayes.v1")],
    ) as client:
        assert client.response is not None
        return client.response.headers.get("Sec-WebSocket-Extensions", "")


def compressed(payload: bytes) -> bytes:
    """A client's compressed message, without its tail."""
    return deflate.segment(payload)[:-4]


async def shaken(peer: Raw) -> None:
    """A raw client that agreed on compression and got its welcome."""
    await peer.say(b"GET /v1/socket HTTP/1.1\r\n" + HANDSHAKE + OFFER + b"\r\n")
    assert b"permessage-deflate" in await peer.head()
    hello = json.dumps({"type": "hello", "token": token("raw")}).encode()
    await peer.say(masked(TEXT, compressed(hello), rsv=RSV1))
    assert b'"welcome"' in await peer.hear()


async def test_it_is_off_unless_it_is_asked_for(start: Start) -> None:
    assert await negotiated(await start(), ClientPerMessageDeflateFactory()) == ""


async def test_no_context_is_kept_on_either_side(start: Start) -> None:
    server = await start(compression="on")
    found = await negotiated(server, ClientPerMessageDeflateFactory(client_max_window_bits=True))
    assert set(found.split("; ")) == {
        *("permessage-deflate", "server_no_context_takeover", "client_no_context_takeover")
    }


async def test_a_word_that_is_neither_on_nor_off_stops_the_start() -> None:
    with pytest.raises(SettingsError, match="AYES_COMPRESSION"):
        load({"compression": "yes"})


async def test_a_room_with_compressed_and_plain_sockets_shows_all_the_same(
    start: Start, written: list[tuple[SocketTransport, bytes]]
) -> None:
    server = await start(compression="on")
    scene = await gathering(server, 1)
    (member,) = scene.members
    for number in range(20):
        await scene.propose(content=f"{number}: {WORDS}")
    packed = [await server.connect(member.user, compression="deflate") for _ in range(3)]
    clients = [member, *packed]
    await scene.watch(*clients)
    for number in range(5):
        await scene.propose(content=f"{number}: {WORDS}")
    await scene.do("event.rotate_code")
    rooms = [client.room(scene.event) for client in clients]
    whole = await scene.state()
    for room in rooms:
        await room.client.until(lambda room=room: room.state["event"] == whole["event"])
        assert room.state == rooms[0].state
        assert room.diffs
    assert any(frame[0] & RSV1 for socket, frame in written if socket.deflates)
    assert not any(frame[0] & RSV1 for socket, frame in written if not socket.deflates)
    plain = max(len(frame) for socket, frame in written if not socket.deflates)
    assert max(len(frame) for socket, frame in written if socket.deflates) < plain / 5


async def test_a_step_is_compressed_once_for_all(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = await start(compression="on")
    scene = await gathering(server, 1)
    (member,) = scene.members
    readers = [await server.connect(member.user, compression="deflate") for _ in range(8)]
    await scene.watch(*readers)
    segment = deflate.segment
    made: list[bytes] = []

    def counted(payload: bytes) -> bytes:
        made.append(payload)
        return segment(payload)

    monkeypatch.setattr(deflate, "segment", counted)
    proposal = await scene.propose(content=WORDS)
    for reader in readers:
        room = reader.room(scene.event)
        await reader.until(lambda room=room: proposal in room.state["proposals"])
    assert [b'"type":"diff"' in payload for payload in made] == [True]


@pytest.mark.parametrize(
    ("asked", "taken"),
    [
        ([], True),
        ([("client_max_window_bits", None)], True),
        ([("server_max_window_bits", "15")], True),
        ([("server_max_window_bits", "9")], False),
    ],
)
def test_a_client_with_a_smaller_window_is_given_plain_frames(
    asked: list[tuple[str, str | None]], taken: bool
) -> None:
    _, agreed = deflate.NEGOTIATION.process_request_params(asked, [])
    assert deflate.takes_deflated([agreed]) is taken
    assert not deflate.takes_deflated([])


async def test_what_inflates_beyond_the_published_size_is_too_large(start: Start) -> None:
    server = await start(compression="on")
    client = await server.connect("sender", compression="deflate")
    answer = await client.send("event.create", subject="x" * 100_000)
    assert (answer["code"], answer["id"] != "") == ("too_large", True)


async def test_a_bomb_is_not_inflated_beyond_the_hard_cap(start: Start) -> None:
    server = await start(compression="on")
    async with raw(server) as peer:
        await shaken(peer)
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(100))
        bomb += packer.flush(zlib.Z_SYNC_FLUSH)[:-4]
        assert len(bomb) < 110_000
        await peer.say(masked(TEXT, bomb, rsv=RSV1))
        assert await peer.verdict() == 1009


async def silent(peer: Raw, blocks: bytes, frames: int) -> int:
    """The close of a message of ``frames`` fragments whose ``blocks`` inflate to nothing."""
    await shaken(peer)
    with contextlib.suppress(ConnectionError):
        await peer.say(masked(TEXT, blocks, fin=False, rsv=RSV1))
        for _ in range(frames - 1):
            await peer.say(masked(CONT, blocks, fin=False))
    return await peer.verdict()


@pytest.mark.parametrize(
    ("blocks", "frames"),
    [
        # Empty stored blocks, one behind the other.
        (b"\0\0\0\xff\xff" * 30_000, 1),
        # A last block, and the bytes after it, which zlib keeps.
        (b"\x03\x00" + bytes(20_000), 10),
    ],
    ids=["empty blocks", "behind a last block"],
)
async def test_what_inflates_to_nothing_is_bounded_by_its_own_size(
    start: Start, blocks: bytes, frames: int
) -> None:
    server = await start(compression="on", commands_burst=10_000)
    async with raw(server) as peer:
        assert await silent(peer, blocks, frames) == 1009


async def test_compressed_bytes_count_as_frames_whatever_they_inflate_to(start: Start) -> None:
    server = await start(compression="on")
    async with raw(server) as peer:
        await shaken(peer)
        said = deflate.segment(b'{"type":"ping"}') + b"\0\0\0\xff\xff" * 20_000
        for _ in range(20):  # the limit is 1,400; each counts as a hundred
            await peer.say(masked(TEXT, said, rsv=RSV1))
        assert await peer.verdict() == 4429


@pytest.mark.parametrize(
    "frames",
    [
        masked(PING, b"", rsv=RSV1),
        masked(TEXT, b"\0", fin=False, rsv=RSV1) + masked(CONT, b"\0", rsv=RSV1),
        masked(TEXT, b"{", fin=False) + masked(CONT, b"}", rsv=RSV1),
        masked(TEXT, b"{}", rsv=0x20),
    ],
    ids=["control", "compressed continuation", "plain continuation", "RSV2"],
)
async def test_a_bit_where_it_does_not_belong_is_a_protocol_error(
    start: Start, frames: bytes
) -> None:
    server = await start(compression="on")
    async with raw(server) as peer:
        await shaken(peer)
        await peer.say(frames)
        assert await peer.verdict() == 1002


@pytest.mark.parametrize(
    "asked",
    [
        "permessage-deflate; server_max_window_bits=7",
        "permessage-deflate; client_max_window_bits=16",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; unheard_of",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-bzip2",
    ],
)
async def test_an_offer_that_is_none_leaves_the_socket_plain(start: Start, asked: str) -> None:
    server = await start(compression="on")
    async with raw(server) as peer:
        offer = f"Sec-WebSocket-Extensions: {asked}\r\n\r\n".encode()
        await peer.say(b"GET /v1/socket HTTP/1.1\r\n" + HANDSHAKE + offer)
        head = await peer.head()
        assert head.startswith(b"HTTP/1.1 101")
        assert b"permessage" not in head


async def test_broken_deflate_data_is_a_protocol_error(start: Start) -> None:
    server = await start(compression="on")
    async with raw(server) as peer:
        await shaken(peer)
        await peer.say(masked(TEXT, b"\xff\xff\xff\xff", rsv=RSV1))
        assert await peer.verdict() == 1002


async def test_compressed_bytes_without_agreement_are_a_protocol_error(start: Start) -> None:
    server = await start()
    async with raw(server, "/v1/socket") as peer:
        await peer.say(masked(TEXT, compressed(b'{"type":"hello"}'), rsv=RSV1))
        assert await peer.verdict() == 1002


async def test_fragments_of_a_compressed_message_may_have_pings_between(start: Start) -> None:
    server = await start(compression="on")
    async with raw(server) as peer:
        await shaken(peer)
        whole = compressed(b'{"type":"ping","ref":"in pieces"}')
        await peer.say(
            masked(TEXT, whole[:10], fin=False, rsv=RSV1)
            + masked(PING, b"between")
            + masked(CONT, whole[10:])
            + masked(TEXT, b'{"type":"ping","ref":"plain"}')
        )
        heard = b""
        async with asyncio.timeout(30):
            while b'"plain"' not in heard:
                heard += await peer.hear()
        assert heard.index(b"between") < heard.index(b'"in pieces"') < heard.index(b'"plain"')


async def test_a_page_that_offers_it_votes_as_ever(start: Start) -> None:
    server = await start(compression="on")
    scene = await gathering(server)
    voter: Client = await server.connect(scene.admin.user, compression="deflate")
    proposal = await scene.propose(content=WORDS)
    answer = await scene.vote(voter, proposal)
    assert answer["type"] == "ack"
