"""A bot for every Monday: motions from a YAML file, people from a CSV, results as Markdown.

    AYES_URL=http://127.0.0.1:8400 AYES_TOKEN=… python weekly.py plan.yaml people.csv 2026-W48

It runs the event and has no vote in it. Every id is made from the week: if it is killed and run
again, it continues, and makes nothing twice. Needs PyYAML.

``plan.yaml``: ``subject``, ``motions``, ``percent``, ``hours``, ``remind_minutes``.
``people.csv``: the columns ``user`` and ``name``.
"""

from __future__ import annotations

import asyncio
import csv
import os
import sys
from pathlib import Path
from typing import Any

import yaml

from ayes_client import Client, Decided, Room, explain, id_from
from ayes_client.errors import AyesError

Person = tuple[str, str]


async def hold(client: Client, plan: dict[str, Any], people: list[Person], week: str) -> Room:
    """Hold the week's event to its end; return its room."""
    room = await client.create_event(
        f"{plan['subject']}, {week}",
        policy={
            "assumption": {"rule": "percent", "threshold": plan["percent"]},
            "ttl_seconds": int(plan["hours"] * 3600),
        },
        organiser=True,
        id=id_from("weekly", week),
    )
    await room.add_members(people, id=id_from("people", week))
    await room.start(id=id_from("start", week))
    motions = [
        await room.propose.assumption(text, id=id_from("motion", week, text))
        for text in plan["motions"]
    ]

    def all_decided(room: Room) -> bool:
        return all(room.tally(motion).outcome for motion in motions)

    link = f"{os.environ['AYES_URL']}/#/e/{room.event}"
    print(f"{link} waits for votes, {plan['hours']} hours at most", flush=True)
    async for _ in room.every(plan["remind_minutes"] * 60, until=all_decided):
        for motion in motions:
            tally = room.tally(motion)
            if tally.outcome is None:
                words = room.state["proposals"][motion].get("content")
                print(f"reminder: {words}: {tally.agree} of {tally.needed} needed", flush=True)
    await room.reached((await room.finish(id=id_from("finish", week))).seq)
    return room


def markdown(room: Room) -> str:
    """The week's decisions as a table."""
    rows = [f"# {room.state['event']['subject']}", ""]
    rows += ["| motion | outcome | agree |", "| - | - | - |"]
    for id, proposal in room.state["proposals"].items():
        tally = room.tally(id)
        assert isinstance(tally.outcome, Decided)
        carried = "carried" if tally.outcome.carried else f"not carried ({tally.outcome.how})"
        rows.append(
            f"| {proposal.get('content')} | {carried} | {tally.agree} of {tally.eligible} |"
        )
    return "\n".join(rows) + "\n"


async def held(plan: dict[str, Any], people: list[Person], week: str) -> str:
    """Hold it, and return its decisions."""
    url, token = os.environ["AYES_URL"], os.environ["AYES_TOKEN"]
    async with Client(url, token, open_timeout=10) as client:
        return markdown(await hold(client, plan, people, week))


def main(plan_file: str, people_file: str, week: str) -> None:
    """Read the files, and write ``WEEK.md``."""
    plan = yaml.safe_load(Path(plan_file).read_text())
    rows = csv.DictReader(Path(people_file).read_text().splitlines())
    people = [(row["user"], row["name"]) for row in rows]
    Path(f"{week}.md").write_text(asyncio.run(held(plan, people, week)))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:4])
    except AyesError as err:
        sys.exit(f"{explain(err)} ({err})")
