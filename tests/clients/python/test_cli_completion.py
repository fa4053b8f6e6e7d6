"""Completion of ``ayes-client`` in the shells."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ayes_client.cli import build_parser
from ayes_client.cli.completion import SHELLS, script

# Completion.


@pytest.mark.parametrize("shell", SHELLS)
def test_completion_knows_every_command_and_option(shell: str) -> None:
    parser = build_parser()
    text = script(parser, shell)
    for word in ("vote", "watch", "completion", "allow-stale", "token-file", "criterion"):
        assert word in text


def bash(code: str) -> str:
    said = subprocess.run(["bash", "-c", code], capture_output=True, text=True, timeout=30)
    assert said.returncode == 0, said.stderr
    assert said.stderr == ""
    return said.stdout


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (("vo",), {"vote"}),
        (("re",), {"resume", "retract", "reject", "results"}),
        (("vote", "--r"), {"--revision"}),
        (("--json", "approve", "--al"), {"--allow-stale"}),
        (("propose", "e", "con"), {"conclusion"}),
        (("completion", ""), {"bash", "zsh", "fish", "--help"}),
        (("vote", "e", "--id", ""), set()),
    ],
)
def test_bash_completes(tmp_path: Path, typed: tuple[str, ...], offered: set[str]) -> None:
    path = tmp_path / "completion"
    path.write_text(script(build_parser(), "bash"))
    words = " ".join(f"'{word}'" for word in ("ayes-client", *typed))
    said = bash(
        f"source {path}; COMP_WORDS=({words}); COMP_CWORD={len(typed)}; _ayes_client; "
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    assert set(said.split()) == offered


@pytest.mark.parametrize("shell", SHELLS)
def test_a_completion_script_is_well_formed(tmp_path: Path, shell: str) -> None:
    """The completion script runs in its own shell if that is installed, and always in bash."""
    path = tmp_path / "completion"
    path.write_text(script(build_parser(), shell))
    if shell == "bash":
        bash(f"bash -n {path}")
    quotes = path.read_text().replace("'\\''", "").replace("\\'", "")
    assert quotes.count("'") % 2 == 0
