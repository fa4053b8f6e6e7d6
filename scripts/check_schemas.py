"""Part of scripts/check-schemas: parses the transcripts' messages with the generated code.

It runs in the documents' folder, in the environment of the tools.
"""

from __future__ import annotations

import importlib
import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

# Made by the tools, beside this file.
sys.path.insert(0, ".")
generated: Any = importlib.import_module("generated.models")
models: Any = importlib.import_module("models")

#: Type of a message → its definition in the OpenAPI document.
SHAPES = {"ack": "Ack", "error": "Error", "snapshot": "Snapshot"}
#: Type of a command → the class of its ack's result.
RESULTS = {
    "event.create": "EventMade",
    "membership.approve_all": "AllDecided",
    "membership.join": "Joined",
    "proposal.create": "ProposalMade",
    "vote.cast": "VoteCounted",
}


def main() -> None:
    """Parse each message with both tools; exit at the first that one of them does not accept."""
    commands: dict[str, Any] = {}
    count = 0
    for line in Path("said.jsonl").read_text().splitlines():
        entry = json.loads(line)
        message = entry["message"]
        if entry["dir"] == "c":
            commands[message["id"]] = message
        elif (shape := SHAPES.get(message["type"])) is not None:
            whole = getattr(models, shape).model_validate(message)
            _same(message, getattr(generated, shape).from_dict(message).to_dict())
            command = commands.get(message.get("id"))
            if shape == "Ack" and command is not None:
                # Some refused commands are wrong on purpose.
                models.Command.model_validate(command)
                found = type(whole.result).__name__
                if RESULTS.get(command["type"], found) != found:
                    sys.exit(f"the result of {command} was taken for {found}: {message}")
        else:
            continue
        count += 1
    print(f"python: {count} messages parsed")


def _same(message: Any, again: Any, path: str = "") -> None:
    """Exit if ``again`` lost or changed something. Times may be written in another form."""
    if isinstance(message, dict) and isinstance(again, dict) and message.keys() <= again.keys():
        for key, value in message.items():
            _same(value, again[key], f"{path}.{key}")
    elif message != again and _moment(message) != _moment(again):
        sys.exit(f"{path}: {message} became {again}")


def _moment(value: Any) -> Any:
    try:
        return datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return value


if __name__ == "__main__":
    main()
