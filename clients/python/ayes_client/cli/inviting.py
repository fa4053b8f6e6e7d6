"""``ayes-client invite``: reads a list of people, and prints a link for each."""

from __future__ import annotations

import argparse
import csv
import io
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote

from ayes_client._wire.address import http_url
from ayes_client.cli.acting import give
from ayes_client.cli.output import Output, UsageError, some
from ayes_client.client import Client
from ayes_client.ids import id_from, new_id
from ayes_client.state import Json

#: People of one command; a longer list takes several. The server accepts no more.
PEOPLE_PER_COMMAND = 200
#: The columns that may hold what distinguishes namesakes.
_REFS = ("ref", "id", "user", "email", "mail")
#: A cell that a spreadsheet would take as a formula begins so.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


async def invite(client: Client, arguments: argparse.Namespace, output: Output) -> int:
    people = list(people_in(_text(arguments.csv)))
    if not people:
        raise UsageError(f"--csv {arguments.csv}: nobody is in it")
    page = (arguments.page or http_url(client.url)).rstrip("/")
    given = arguments.id or new_id()
    if not output.json:
        print("name,ref,link,invitation")
    for start in range(0, len(people), PEOPLE_PER_COMMAND):
        part = people[start : start + PEOPLE_PER_COMMAND]
        # Each command has an id of its own, and the same one if this is run again.
        arguments.id = given if start == 0 else id_from(given, start)
        args = {"event": arguments.event, "people": part}
        ack = await give(client, arguments, "invitation.create", args)
        arguments.given_id = given
        for person, made in zip(part, ack.result["invitations"], strict=True):
            link = f"{page}/#/i/{quote(made['secret'], safe='')}"
            found = {"name": person["name"], "ref": person.get("ref", ""), "link": link}
            found["invitation"] = made["invitation"]
            output.print(found, _line(found.values()))
    output.complain(
        f"invited {some(len(people), 'person', 'people')}; --id {given} gives these links again"
    )
    return 0


def people_in(text: str) -> Iterator[Json]:
    """Yield the people of a list: ``name``, and ``ref`` if there is one.

    A first line that has ``name`` names the columns. Commas, semicolons or tabs separate them.
    """
    first = text.partition("\n")[0]
    separator = next((sign for sign in ",;\t" if sign in first), ",")
    rows = [
        [cell.strip() for cell in row]
        for row in csv.reader(io.StringIO(text), delimiter=separator)
        if any(cell.strip() for cell in row)
    ]
    head = [cell.lower() for cell in rows[0]] if rows else []
    name, ref = 0, 1
    if "name" in head:
        name = head.index("name")
        ref = next((place for place, cell in enumerate(head) if cell in _REFS), len(head))
        rows = rows[1:]
    for row in rows:
        if len(row) > name and row[name]:
            extra = {"ref": row[ref]} if len(row) > ref and row[ref] else {}
            yield {"name": row[name], **extra}


def _text(name: str) -> str:
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        return data.decode("utf-8-sig")
    except OSError as err:
        raise UsageError(f"--csv {name}: {err.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"--csv {name}: it is not text in UTF-8") from None


def _line(cells: Iterable[str]) -> str:
    line = io.StringIO()
    texts = [f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in cells]
    csv.writer(line, lineterminator="").writerow(texts)
    return line.getvalue()
