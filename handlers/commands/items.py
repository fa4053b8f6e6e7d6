"""Options, assumptions and criteria, edited directly before the start."""

from __future__ import annotations

from msgspec.structs import replace

from handlers.rules.resolution import (
    criteria_changed,
    items_limit,
    most_items,
    next_position,
    write_item,
)
from handlers.step import Outcome, Step, found, too_many
from persistence.event.records import Item, ItemKind, Option
from protocol import commands as c
from protocol.errors import ErrorCode, FinalError


def add_option(step: Step, command: c.OptionAdd) -> Outcome:
    """Add an option of the final ballot."""
    return Outcome({"option": make_option(step, command.content).id})


def edit_option(step: Step, command: c.OptionEdit) -> Outcome:
    """Change an option's text. Raises ``target_gone`` if it was removed."""
    option = found(step.state.option(command.option), "option")
    if option.deleted:
        raise FinalError(ErrorCode.TARGET_GONE, details={"path": "option"})
    changes = option.content != command.content
    if changes:
        step.put(replace(option, content=command.content))
    return Outcome({"option": option.id}, applied=changes)


def remove_option(step: Step, command: c.OptionRemove) -> Outcome:
    """Remove an option."""
    option = found(step.state.option(command.option), "option")
    if not option.deleted:
        step.put(replace(option, deleted=True))
    return Outcome({"option": option.id}, applied=not option.deleted)


def add_assumption(step: Step, command: c.AssumptionAdd) -> Outcome:
    """Add an assumption."""
    item = make_item(step, "assumption", command.content)
    return Outcome({"assumption": item.id, "version": item.version})


def add_criterion(step: Step, command: c.CriterionAdd) -> Outcome:
    """Add a criterion."""
    item = make_item(step, "criterion", command.content)
    criteria_changed(step)
    return Outcome({"criterion": item.id, "version": item.version})


def edit_assumption(step: Step, command: c.AssumptionEdit) -> Outcome:
    """Change an assumption's text."""
    return _edit(step, "assumption", command.assumption, command.version, command.content)


def edit_criterion(step: Step, command: c.CriterionEdit) -> Outcome:
    """Change a criterion's text."""
    return _edit(step, "criterion", command.criterion, command.version, command.content)


def remove_assumption(step: Step, command: c.AssumptionRemove) -> Outcome:
    """Remove an assumption."""
    return _remove(step, "assumption", command.assumption, command.version)


def remove_criterion(step: Step, command: c.CriterionRemove) -> Outcome:
    """Remove a criterion."""
    outcome = _remove(step, "criterion", command.criterion, command.version)
    if outcome.applied:
        criteria_changed(step)
    return outcome


def make_option(step: Step, content: str) -> Option:
    """Put a new option; raises ``limit_reached``."""
    if len(step.state.live_options()) >= step.limits.options:
        raise too_many("options", step.limits.options)
    option = Option(id=step.new_id("o"), content=content, position=next_position(step))
    step.put(option)
    return option


def make_item(step: Step, kind: ItemKind, content: str) -> Item:
    """Put a new assumption or criterion; raises ``limit_reached``."""
    if len(step.state.live_items(kind)) >= (limit := most_items(step, kind)):
        raise too_many(items_limit(kind), limit)
    item = Item(id=step.new_id(kind[0]), kind=kind, content=content, position=next_position(step))
    write_item(step, item, "content")
    return item


def _named(step: Step, kind: ItemKind, id: str) -> Item:
    item = step.state.item(id)
    return found(item if item is not None and item.kind == kind else None, kind)


def _check_version(item: Item, version: int) -> None:
    if version != item.version:
        raise FinalError(
            ErrorCode.VERSION_CONFLICT, details={"path": "version", "current": item.version}
        )


def _edit(step: Step, kind: ItemKind, id: str, version: int, content: str) -> Outcome:
    item = _named(step, kind, id)
    if item.deleted:
        raise FinalError(ErrorCode.TARGET_GONE, details={"path": kind})
    if item.content == content:
        return Outcome({kind: item.id, "version": item.version}, applied=False)
    _check_version(item, version)
    changed = replace(item, content=content, version=item.version + 1)
    write_item(step, changed, "content")
    return Outcome({kind: item.id, "version": changed.version})


def _remove(step: Step, kind: ItemKind, id: str, version: int) -> Outcome:
    item = _named(step, kind, id)
    if item.deleted:
        return Outcome({kind: item.id, "version": item.version}, applied=False)
    _check_version(item, version)
    changed = replace(item, version=item.version + 1, deleted=True)
    write_item(step, changed, "content")
    return Outcome({kind: item.id, "version": changed.version})
