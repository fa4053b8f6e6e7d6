"""The file of an outbox, over crashes, full disks and a second process."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import orjson
import pytest

from ayes_client import FileOutbox
from ayes_client.errors import OutboxError
from tests.clients.python.outboxes import commands, full_disk, opened


def test_what_is_kept_is_there_again_without_what_is_done(tmp_path: Path) -> None:
    kept = commands(5)
    with opened(tmp_path / "o") as (outbox, found):
        assert found == []
        outbox.write(kept[:3], [])
        outbox.write(kept[3:], [kept[0].command.id, kept[3].command.id])
    with opened(tmp_path / "o") as (_, found):
        assert found == [kept[1], kept[2], kept[4]]


def test_a_line_that_a_crash_tore_is_dropped_and_the_next_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "o"
    first, second, third = commands(3)
    with opened(path) as (outbox, _):
        outbox.write([first, second], [])
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with opened(path) as (outbox, found):
            assert found == [first, second][: whole[:length].count(b"\n")]
            outbox.write([third], [])
        with opened(path) as (_, found):
            assert found[-1] == third


def test_a_second_process_is_turned_away(tmp_path: Path) -> None:
    with opened(tmp_path / "o"), pytest.raises(OutboxError, match="another process"):
        FileOutbox(tmp_path / "o").open()
    with opened(tmp_path / "o"):
        pass


def test_whose_a_command_is_is_kept_with_it(tmp_path: Path) -> None:
    [nobodys, _] = commands(2)
    claimed = dataclasses.replace(nobodys, user="u_1")
    with opened(tmp_path / "o") as (outbox, _):
        outbox.write([nobodys], [])
        outbox.write([claimed], [])
    with opened(tmp_path / "o") as (_, found):
        assert found == [claimed]


def test_what_is_no_outbox_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "diary"
    path.write_text("Dear diary,\ntoday I voted.\n")
    with pytest.raises(OutboxError, match="line 1"):
        FileOutbox(path).open()
    assert path.read_text().startswith("Dear diary")


def test_answered_commands_do_not_pile_up(tmp_path: Path) -> None:
    path = tmp_path / "o"
    with opened(path) as (outbox, _):
        for _ in range(60):
            kept = commands(200)
            outbox.write(kept, [])
            outbox.write([], [entry.command.id for entry in kept])
        assert path.stat().st_size < 2 * 1_048_576
    with opened(path) as (outbox, found):
        assert found == []
        assert path.stat().st_size < 100


def test_half_a_line_on_a_full_disk_spoils_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = commands(3)
    with opened(tmp_path / "o") as (outbox, _):
        outbox.write([first], [])
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full_disk)
            with pytest.raises(OutboxError, match="No space"):
                outbox.write([second], [])
        outbox.write([third], [])
    with opened(tmp_path / "o") as (_, found):
        assert found == [first, third]


def test_a_command_that_could_not_be_kept_does_not_come_back_by_a_compaction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = commands(2)
    with opened(tmp_path / "o") as (outbox, _):
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full_disk)
            with pytest.raises(OutboxError, match="No space"):
                outbox.write([first], [])
        outbox._compact()
        outbox.write([second], [])
    with opened(tmp_path / "o") as (_, found):
        assert found == [second]


def _no_new_file(path: Path) -> None:
    """Make each compaction of ``path`` fail, as on a full disk."""
    path.with_name(path.name + ".new").mkdir()


def test_a_failed_compaction_fails_no_durable_command(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "o"
    with opened(path) as (outbox, _):
        _no_new_file(path)
        for _ in range(60):
            kept = commands(200)
            outbox.write(kept, [])
            outbox.write([], [entry.command.id for entry in kept])
        [last] = commands(1)
        outbox.write([last], [])
        warnings = caplog.messages
        # Each attempt waits for as much waste again, so a full disk is not retried at every
        # command.
        assert 1 <= len(warnings) <= path.stat().st_size // 1_048_576
        assert "could not be compacted" in warnings[0]
    path.with_name("o.new").rmdir()
    with opened(path) as (_, found):
        assert found == [last]
        assert path.stat().st_size < 1_000


def test_an_outbox_opens_on_a_full_disk_and_half_a_line_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "o"
    first, second, third = commands(3)
    with opened(path) as (outbox, _):
        outbox.write([first], [])
        outbox.write([second], [])
    path.write_bytes(path.read_bytes()[:-5])
    _no_new_file(path)
    with opened(path) as (outbox, found):
        assert found == [first]
        outbox.write([third], [])
    with opened(path) as (_, found):
        assert found == [first, third]


def test_marks_of_answers_that_a_power_cut_turned_to_zeros_cost_a_repeat_alone(
    tmp_path: Path,
) -> None:
    """Lost bytes read as zeros. A command is on the disk before it is sent, so none is lost."""
    path = tmp_path / "o"
    first, second = commands(2)
    with opened(path) as (outbox, _):
        outbox.write([first, second], [])
    whole = path.read_bytes()
    mark = orjson.dumps({"done": second.command.id}) + b"\n"
    for lost in (b"\0" * 64, b"\0" * 64 + mark[20:], b"\0" * 64 + mark[20:] + mark):
        path.write_bytes(whole + lost)
        with opened(path) as (_, found):
            assert found[0] == first
            assert (second in found) == (not lost.endswith(mark))


def test_marks_of_answers_are_on_the_disk_when_it_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [one] = commands(1)
    synced: list[bytes] = []
    sync = os.fsync
    path = tmp_path / "o"

    def seen(descriptor: int) -> None:
        sync(descriptor)
        synced.append(path.read_bytes())

    with opened(path) as (outbox, _):
        outbox.write([one], [])
        outbox.write([], [one.command.id])
        monkeypatch.setattr(os, "fsync", seen)
    assert one.command.id.encode() in synced[-1].splitlines()[-1]
