"""The boundaries of frames, compared with websockets' own parser."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

from server.transport.frames import FrameBoundaries, close_frame, frame, frame_size
from tests.server.raw import BINARY, CLOSE, CONT, PING, PONG, TEXT, masked

SIZES = st.one_of(st.integers(0, 130), st.sampled_from([65_535, 65_536, 65_537]))
CONTROLS = st.lists(st.tuples(st.sampled_from([PING, PONG]), st.integers(0, 125)), max_size=2)
#: The parts of one message, each with the control frames before it.
MESSAGES = st.tuples(
    st.sampled_from([TEXT, BINARY]),
    st.lists(st.tuples(CONTROLS, SIZES), min_size=1, max_size=4),
)


def frames_of(messages: list[tuple[int, list[tuple[list[tuple[int, int]], int]]]]) -> list[bytes]:
    """The frames of ``messages``, masked."""
    found = []
    for kind, parts in messages:
        for number, (controls, size) in enumerate(parts):
            found += [masked(control, b"c" * length) for control, length in controls]
            opcode = CONT if number else kind
            found.append(masked(opcode, b"a" * size, fin=number == len(parts) - 1))
    return found


class Reference:
    """websockets' parser: the number of frames it has read, and whether a message is open."""

    def __init__(self) -> None:
        self.conn = ServerProtocol(state=State.OPEN, max_size=None)
        self.frames = 0
        self.is_open = False

    def feed(self, data: bytes) -> None:
        """Count the frames that end in ``data``."""
        self.conn.receive_data(data)
        self.conn.data_to_send()
        assert self.conn.parser_exc is None
        for event in self.conn.events_received():
            assert isinstance(event, Frame)
            self.frames += 1
            if event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                self.is_open = not event.fin


@settings(max_examples=150, deadline=None)
@given(st.lists(MESSAGES, min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_boundaries_are_where_websockets_ends_a_frame(
    messages: list[tuple[int, list[tuple[list[tuple[int, int]], int]]]], rng: random.Random
) -> None:
    frames = frames_of(messages)
    whole = b"".join(frames)
    ends = {0: 0}
    for number, part in enumerate(frames, 1):
        ends[max(ends) + len(part)] = number
    boundaries, reference = FrameBoundaries(), Reference()
    longest = rng.choice([1, 3, 50, 70_000]) if len(whole) < 5_000 else 70_000
    at = 0
    while at < len(whole):
        size = rng.randint(1, longest)
        boundaries.feed(whole[at : at + size])
        reference.feed(whole[at : at + size])
        at = min(at + size, len(whole))
        assert boundaries.between_frames == (at in ends)
        if at in ends:
            assert reference.frames == ends[at]
            assert boundaries.between_messages == (not reference.is_open)
        else:
            assert not boundaries.between_messages
            following = min(end for end in ends if end > at)
            assert boundaries.missing in (0, following - at)


def test_boundaries_hold_when_a_stream_is_cut_at_every_byte() -> None:
    """Each length form, fragments with a ping between them, and a close frame at the end."""
    frames = [
        masked(TEXT, b""),
        masked(BINARY, b"x" * 125),
        masked(TEXT, b"x" * 200, fin=False),
        masked(PING, b"p"),
        masked(CONT, b"", fin=False),
        masked(PONG),
        masked(CONT, b"x" * 70_000),
        masked(CLOSE, b"\x03\xe8"),
    ]
    whole = b"".join(frames)
    reference, counts = Reference(), []
    for at in range(len(whole)):
        reference.feed(whole[at : at + 1])
        counts.append((reference.frames, reference.is_open))
    large = range(600, len(whole) - 100)  # inside the payload of the large frame
    for cut in (*range(1, large.start), *range(large.stop, len(whole))):
        boundaries = FrameBoundaries()
        boundaries.feed(whole[:cut])
        is_end = cut > 1 and counts[cut - 1][0] > counts[cut - 2][0]
        assert boundaries.between_frames == is_end, cut
        assert boundaries.between_messages == (is_end and not counts[cut - 1][1]), cut
        boundaries.feed(whole[cut:])
        assert boundaries.between_messages, cut


def test_the_size_of_a_frame_is_known_from_its_length_field_on() -> None:
    for size, field in ((0, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10), (1 << 20, 10)):
        whole = masked(TEXT, bytes(size))
        for end in range(14):
            assert frame_size(whole, 0, end) == (len(whole) if end >= field else 0)
        assert frame_size(frame(bytes(size)), 0, 14) == len(frame(bytes(size)))
    assert frame_size(b"xx" + close_frame(1000), 2, 6) == 4
