"""Random messages: against the codec in process, and against a whole server on a socket."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import msgspec
import pytest
from websockets import ConnectionClosed

from protocol import answers
from protocol.codec import Invalid, decode_frame
from protocol.commands import COMMANDS
from protocol.errors import FINAL, ErrorCode
from protocol.fields import TextLimits, normalise
from protocol.requests import REQUESTS
from tests.attacks.conftest import Attack
from tests.attacks.fuzzing import TIMES
from tests.attacks.mutations import messages
from tests.attacks.target import Bystander
from tests.promises.client import Client, Gone
from tests.promises.scenes import gathering
from tests.protocol.wrong import MESSAGES

SEED = 20_261_123
IN_PROCESS = 50_000 * TIMES
ON_A_SOCKET = 5_000
LIMITS = TextLimits()
#: Errors of reading a message; every other error needs a decision.
UNREADABLE = {"bad_frame", "bad_request", "unknown_type", "too_large"}


def read(payload: bytes, seen: Counter[str]) -> None:
    """Decode one frame, and check every promise of the codec on the outcome."""
    got = decode_frame(payload, limits=LIMITS, message_bytes=65_536, longest_batch=256)
    assert not got.bad or len(got.messages) == 1
    for message in got.messages:
        if not isinstance(message, Invalid):
            seen[type(message).__name__] += 1
            # An accepted message needs no more normalising, and can be encoded as JSON.
            before = msgspec.json.encode(message)
            normalise(message, LIMITS)
            assert msgspec.json.encode(message) == before
            continue
        seen[message.error.code] += 1
        assert message.error.code in UNREADABLE
        told = json.loads(answers.error(message.error, id=message.id, ref=message.ref))
        assert (told["type"], told["effect"], told["retry"]) == ("error", "none", "fix")
        assert (told.get("id"), told.get("ref")) == (message.id, message.ref)


@pytest.mark.timeout(400 * TIMES)
def test_random_messages_are_read_or_refused() -> None:
    seen: Counter[str] = Counter()
    for payload in itertools.islice(messages(SEED), IN_PROCESS):
        try:
            read(payload, seen)
        except Exception as err:
            raise AssertionError(f"{err!r} over {payload[:500]!r}") from err
    assert seen.keys() >= UNREADABLE - {"too_large"}
    # Each type of message was also accepted unchanged.
    assert seen.keys() >= {kind.__name__ for kind in MESSAGES}
    assert len(MESSAGES) == len(COMMANDS) + len(REQUESTS)


async def test_random_messages_on_a_socket_get_documented_answers(attack: Attack) -> None:
    """Valid messages too: a member of the room sends them, so that they reach the handlers."""
    target = await attack(
        commands_per_second=1_000_000, commands_burst=1_000_000, connections_per_user=1_000
    )
    scene = await gathering(target, 1)
    bystander = await Bystander.of(scene)
    (attacker, _) = scene.members
    event = json.dumps(scene.event).encode()
    seen: Counter[str] = Counter()
    payloads = (
        p.replace(b'"x"', event).replace(b'"example-1"', b'"%016x"' % number)
        for number, p in enumerate(messages(SEED + 1))
    )
    # Broken UTF-8 ends a connection: the test of frames covers it.
    frames = (p.decode() for p in payloads if is_text(p))
    async with bystander.voting():
        for chunk in batched(itertools.islice(frames, ON_A_SOCKET), 15):
            client = await target.connect(attacker.user)
            seen.update(await answers_to(client, chunk, scene.event))
    codes = {key for key in seen if key in set(map(str, ErrorCode))}
    assert "internal" not in codes, seen
    assert codes >= {"bad_frame", "bad_request", "unknown_type", "not_found"}, seen
    # Some commands were decided, with different outcomes.
    assert seen["ack"] > 5, seen
    assert sum(seen[code] for code in FINAL - {ErrorCode.BAD_REQUEST}) > 200, seen
    await bystander.vote()


async def answers_to(client: Client, frames: Sequence[str], event: str) -> Counter[str]:
    """Send every message; return types and codes of the answers.

    The connection may end with 4501, for broken frames.
    """
    try:
        for frame in frames:
            await client.raw(frame)
        # Sent last to this event, and so answered last.
        await client.send("ballot.clear", event=event)
        await client.leave()
    except (Gone, ConnectionClosed):
        assert await client.gone() == 4501
    client.violations = [what for what in client.violations if "nobody waits" not in what]
    got = client.received
    return Counter([*(m["type"] for m in got), *(m["code"] for m in client.of("error"))])


def is_text(payload: bytes) -> bool:
    """Whether ``frame`` may be sent as text."""
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True


def batched(items: Iterable[str], size: int) -> Iterator[list[str]]:
    """``items`` in lists of ``size``."""
    left = iter(items)
    while chunk := list(itertools.islice(left, size)):
        yield chunk
