"""``comment.*``: what people say beside a proposal or a criterion."""

from __future__ import annotations

from msgspec.structs import replace

from handlers.rules.resolution import live_item
from handlers.step import Outcome, Step, found
from persistence.event.records import Comment
from protocol import commands as c
from protocol.errors import ErrorCode, FinalError


def add(step: Step, command: c.CommentAdd) -> Outcome:
    """Add a comment; if the window is full, the oldest one shown leaves it."""
    if command.proposal is not None:
        step.proposal(command.proposal)
    else:
        assert command.criterion is not None
        live_item(step, command.criterion, "criterion", "criterion")
    shown = step.state.comments_shown()
    event = step.event
    comment = Comment(
        id=step.new_id("m"),
        number=event.comments_made + 1,
        proposal_id=command.proposal,
        criterion_id=command.criterion,
        author=step.user,
        content=command.content,
        created_at=step.now,
    )
    step.put(comment)
    floor = event.comment_floor
    if len(shown) >= step.limits.comments_shown:
        step.touch(shown[0])
        floor = shown[0].number
    step.change_event(
        comments=event.comments + 1, comments_made=comment.number, comment_floor=floor
    )
    return Outcome({"comment": comment.id})


def edit(step: Step, command: c.CommentEdit) -> Outcome:
    """Change the text of the actor's own comment.

    Raises ``forbidden``, ``target_gone`` if it was removed, or ``version_conflict``.
    """
    comment = found(step.state.comment(command.comment), "comment")
    if comment.author != step.user:
        raise FinalError(ErrorCode.FORBIDDEN, "only its author can edit a comment")
    if comment.deleted:
        raise FinalError(ErrorCode.TARGET_GONE, details={"path": "comment"})
    result = {"comment": comment.id, "version": comment.version}
    if comment.content == command.content:
        return Outcome(result, applied=False)
    if comment.version != command.version:
        raise FinalError(
            ErrorCode.VERSION_CONFLICT, details={"path": "version", "current": comment.version}
        )
    step.put(replace(comment, content=command.content, version=comment.version + 1))
    return Outcome(result | {"version": comment.version + 1})


def remove(step: Step, command: c.CommentRemove) -> Outcome:
    """Remove the actor's own comment; an admin may remove any comment.

    Raises ``forbidden`` for any other user.
    """
    comment = found(step.state.comment(command.comment), "comment")
    if comment.author != step.user and not step.is_admin():
        raise FinalError(ErrorCode.FORBIDDEN, "only its author or an admin can remove a comment")
    if comment.deleted:
        return Outcome({"comment": comment.id}, applied=False)
    step.put(replace(comment, deleted=True))
    step.change_event(comments=step.event.comments - 1)
    return Outcome({"comment": comment.id})
