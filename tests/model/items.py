"""Options, assumptions and criteria: adding, changing and deleting them."""

from __future__ import annotations

from tests.model.deciding import Deciding, Refused, Same, named
from tests.model.rows import Row

COLLECTION = {"assumption": "assumptions", "criterion": "criteria"}


class Items(Deciding):
    """``option.*``, ``assumption.*``, ``criterion.*``: admins, before the start."""

    def option_add(self, content: str) -> Row:
        self.admin()
        self.before_start()
        limit = self.limits["options"]
        if sum(not row["deleted"] for row in self.options.values()) >= limit:
            raise Refused("limit_reached", limit=limit)
        self.begin()
        return {"option": self.make_option(content)}

    def option_edit(self, option: str, content: str) -> Row:
        self.admin()
        self.before_start()
        row = self.options.get(option)
        if row and not row["deleted"] and row["content"] == content:
            raise Same(option=option)
        if named(self.options, option)["deleted"]:
            raise Refused("target_gone")
        self.begin()
        self.options[option]["content"] = content
        return {"option": option}

    def option_remove(self, option: str) -> Row:
        self.admin()
        self.before_start()
        if option in self.options and self.options[option]["deleted"]:
            raise Same(option=option)
        row = named(self.options, option)
        self.begin()
        row["deleted"] = True
        return {"option": option}

    def assumption_add(self, content: str) -> Row:
        return self.add_item("assumption", content)

    def assumption_edit(self, assumption: str, version: int, content: str) -> Row:
        return self.edit_item("assumption", assumption, version, content)

    def assumption_remove(self, assumption: str, version: int) -> Row:
        return self.remove_item("assumption", assumption, version)

    def criterion_add(self, content: str) -> Row:
        return self.add_item("criterion", content)

    def criterion_edit(self, criterion: str, version: int, content: str) -> Row:
        return self.edit_item("criterion", criterion, version, content)

    def criterion_remove(self, criterion: str, version: int) -> Row:
        return self.remove_item("criterion", criterion, version)

    def add_item(self, kind: str, content: str) -> Row:
        self.admin()
        self.before_start()
        self.room_for(kind)
        self.begin()
        return {kind: self.make_item(kind, content), "version": 1}

    def edit_item(self, kind: str, id: str, version: int, content: str) -> Row:
        self.admin()
        self.before_start()
        row = self.of_kind(kind).get(id)
        if row and not row["deleted"] and row["content"] == content:
            raise Same(**{kind: id, "version": row["version"]})
        row = named(self.of_kind(kind), id)
        if row["deleted"]:
            raise Refused("target_gone")
        self.same_version(row, version)
        self.begin()
        self.write(row, content)
        return {kind: id, "version": row["version"]}

    def remove_item(self, kind: str, id: str, version: int) -> Row:
        self.admin()
        self.before_start()
        row = self.of_kind(kind).get(id)
        if row and row["deleted"]:
            raise Same(**{kind: id, "version": row["version"]})
        row = named(self.of_kind(kind), id)
        self.same_version(row, version)
        self.begin()
        self.write(row, None)
        return {kind: id, "version": row["version"]}

    def same_version(self, row: Row, version: int) -> None:
        if row["version"] != version:
            raise Refused("version_conflict", current=row["version"])

    # --- shared by these commands, event.create and acceptances

    def of_kind(self, kind: str) -> dict[str, Row]:
        return {id: row for id, row in self.items.items() if row["kind"] == kind}

    def room_for(self, kind: str) -> None:
        if len(self.live(kind)) >= (limit := self.limits[COLLECTION[kind]]):
            raise Refused("limit_reached", limit=limit)

    def make_option(self, content: str) -> str:
        id, position = self.ids("options"), self.made()
        self.options[id] = {"content": content, "position": position, "deleted": False}
        return id

    def make_item(self, kind: str, content: str) -> str:
        id = self.ids(COLLECTION[kind])
        self.items[id] = {
            "id": id,
            "kind": kind,
            "content": content,
            "version": 1,
            "conclusion": None,
            "conclusion_version": 0 if kind == "criterion" else None,
            "position": self.made(),
            "deleted": False,
        }
        self.said[id, "content"] = [None, content]
        self.said[id, "conclusion"] = [None]
        self.event["criteria_rev"] += kind == "criterion"
        return id

    def write(self, row: Row, content: str | None) -> None:
        """The next version with the new text; without a text, a deletion."""
        row["version"] += 1
        self.said[row["id"], "content"].append(content)
        if content is not None:
            row["content"] = content
        else:
            row["deleted"] = True
            self.event["criteria_rev"] += row["kind"] == "criterion"
