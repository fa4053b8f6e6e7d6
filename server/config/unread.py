"""Variables that look like settings, and that nothing reads: most are misspelt."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Final

from server.config.settings import PREFIX, SETTINGS

#: Variables that are no settings of the server: of the demo, of the clients, of the tests.
_OTHERS: Final = (
    *("AYES_DEMO_PACE", "AYES_TOKEN", "AYES_URL", "AYES_BIN"),
    *("AYES_TEST_", "AYES_MODEL_", "AYES_FUZZ_", "AYES_SCHEMA_"),
)
#: Kubernetes gives these to every pod next to a service that is called ``ayes``.
_SERVICE: Final = re.compile(r"AYES_(\w+_)?(SERVICE_(HOST|PORT)|PORT_\d+_)")


def unread(environment: Mapping[str, str]) -> list[tuple[str, str | None]]:
    """Return the variables that nothing reads, each with the setting that was probably meant."""
    known = {name.upper() for name in SETTINGS}
    found = [
        name.removeprefix(PREFIX)
        for name in sorted(environment)
        if name.startswith(PREFIX)
        and name.removeprefix(PREFIX) not in known
        and not name.startswith(_OTHERS)
        and not _SERVICE.match(name)
    ]
    close = {name: difflib.get_close_matches(name, known, 1) for name in found}
    return [(PREFIX + name, PREFIX + meant[0] if meant else None) for name, meant in close.items()]


def cure(meant: str | None) -> str:
    """Return what to do about such a variable."""
    return f"did you mean {meant}?" if meant else "unset it; see ayes serve --help"
