"""Scenarios that show every command of the protocol on the stage, side effects included."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from tests.promises.scenes import fresh
from tests.promises.stage import Stage

Scenario: TypeAlias = Callable[[Stage], Awaitable[None]]

SCENARIOS: dict[str, Scenario] = {}
BEFORE_THE_START: set[str] = set()
"""Commands that are possible only before the start."""


def plays(*commands: str, before: bool = False) -> Callable[[Scenario], Scenario]:
    """The decorated scenario shows these commands."""

    def register(scenario: Scenario) -> Scenario:
        for command in commands:
            assert command not in SCENARIOS
            SCENARIOS[command] = scenario
            if before:
                BEFORE_THE_START.add(command)
        return scenario

    return register


@plays("event.create")
async def create(s: Stage) -> None:
    """Another event changes nothing in this one."""
    made = await s.admin.result("event.create", subject="Another", options=["x"])
    room = await s.admin.subscribe(made["event"])
    assert room.state["counts"]["members"] == 1


@plays("event.update", before=True)
async def update(s: Stage) -> None:
    await s.do("event.update", subject="Café\tor not?\n", max_members=50)
    await s.do("event.start")
    await s.do("event.update", max_members=7)
    await s.do("event.update", max_members=7)


@plays("event.set_policy")
async def set_policy(s: Stage) -> None:
    version = 2
    for policy in (
        {"quorum_percent": 100, "proposer_votes": True},
        {"quorum_percent": None, "min_open_seconds": 5, "proposer_votes": None},
        {"assumption": {"threshold": 1}, "min_open_seconds": None},
        {"criterion": {"rule": "percent", "threshold": 10}},
        {"conclusion": {"auto": False}, "ttl_seconds": None},
    ):
        result = await s.do("event.set_policy", policy_version=version, policy=policy)
        version = result["policy_version"]
    await s.do("event.set_policy", policy_version=version, policy={})


@plays("event.rotate_code")
async def rotate_code(s: Stage) -> None:
    await s.do("event.rotate_code")


@plays("event.start", before=True)
async def start(s: Stage) -> None:
    await s.do("event.start")
    await s.do("event.start")


@plays("event.pause", "event.resume")
async def pause(s: Stage) -> None:
    """A pause moves the times of proposals, all of which are looked at."""
    await s.do("event.pause")
    await s.do("event.pause")
    await s.do("event.set_policy", policy_version=2, policy={"assumption": {"threshold": 1}})
    await s.do("event.resume")


@plays("event.finish")
async def finish(s: Stage) -> None:
    await s.do("event.finish")


@plays("event.reopen")
async def reopen(s: Stage) -> None:
    """Results go, closed proposals stay closed; the ballot of a member who left goes too."""
    first, second, _ = s.members
    await s.do("event.finish")
    await s.act(second, "membership.leave")
    await s.do("event.reopen")
    await s.do("event.reopen")
    await s.propose(first)
    await s.do("event.finish")


@plays("option.add", "option.edit", "option.remove", before=True)
async def options(s: Stage) -> None:
    made = (await s.do("option.add", content="salad"))["option"]
    await s.do("option.edit", option=made, content="green salad")
    await s.do("option.edit", option=made, content="green salad")
    await s.do("option.remove", option=s.options[0])
    await s.do("option.remove", option=s.options[0])


@plays("assumption.add", "assumption.edit", "assumption.remove", before=True)
async def assumptions(s: Stage) -> None:
    made = (await s.do("assumption.add", content="It snows"))["assumption"]
    await s.do("assumption.edit", assumption=made, version=1, content="It hails")
    await s.do("assumption.remove", assumption=s.assumptions[0], version=1)
    await s.do("assumption.remove", assumption=made, version=2)


@plays("criterion.add", "criterion.edit", "criterion.remove", before=True)
async def criteria(s: Stage) -> None:
    made = (await s.do("criterion.add", content="view"))["criterion"]
    await s.do("criterion.edit", criterion=made, version=1, content="the view")
    await s.do("criterion.remove", criterion=s.criteria[0], version=1)


@plays("membership.join", "membership.cancel")
async def join(s: Stage) -> None:
    newcomers = [await s.scene.newcomer(fresh("late")) for _ in range(2)]
    for newcomer in newcomers:
        assert await s.join(newcomer) == "pending"
    await s.act(newcomers[0], "membership.cancel")
    await s.join(newcomers[0])
    third = await s.scene.newcomer(fresh("late"))
    assert await s.join(third) == "pending"
    await s.act(s.applicant, "membership.cancel")
    await s.act(newcomers[0], "membership.cancel")
    await s.do("event.set_policy", policy_version=2, policy={"membership_auto": True})
    for _ in range(3):
        assert await s.join(await s.scene.newcomer(fresh("later"))) == "accepted"


@plays("membership.leave")
async def leave(s: Stage) -> None:
    """Votes and ballot go; a member who rejoins starts again; an admin hands over."""
    first, second, _ = s.members
    await s.act(first, "membership.leave")
    await s.do("event.set_policy", policy_version=2, policy={"membership_auto": True})
    await s.join(first)
    await s.vote(first, s.proposals["new"])
    await s.act(s.deputy, "membership.leave", transfer_to=second.user)
    await s.act(first, "membership.leave")


@plays("membership.rename")
async def rename(s: Stage) -> None:
    """The same name again changes nothing; another user's name is permitted."""
    first, second, _ = s.members
    result = await s.act(first, "membership.rename", name="  Ada ")
    await s.act(first, "membership.rename", name=result["name"])
    await s.act(second, "membership.rename", name=result["name"])
    await s.act(s.deputy, "membership.rename", name="D")


@plays("membership.approve")
async def approve(s: Stage) -> None:
    for _ in range(3):
        await s.join(await s.scene.newcomer(fresh("waiting")))
    await s.do("membership.approve", user=s.applicant.user)
    await s.vote(s.applicant, s.proposals["new"])


@plays("membership.reject")
async def reject_member(s: Stage) -> None:
    await s.do("membership.reject", user=s.applicant.user)
    await s.join(s.applicant)
    await s.do("membership.reject", user=s.applicant.user)


@plays("membership.remove")
async def remove(s: Stage) -> None:
    first, *_ = s.members
    await s.do("membership.remove", user=first.user)
    await s.join(first)
    await s.do("membership.approve", user=first.user)
    await s.do("membership.remove", user=s.deputy.user)
    _, second, third = s.members
    await s.do("membership.remove", user=second.user, close_proposals=True)
    await s.act(third, "membership.leave")
    result = await s.do("membership.remove", user=third.user, close_proposals=True)
    assert (result["status"], result["closed"]) == ("left", 2)


@plays("membership.approve_all")
async def approve_all(s: Stage) -> None:
    for _ in range(3):
        await s.join(await s.scene.newcomer(fresh("waiting")))
    await s.do("event.update", max_members=7)
    result = await s.do("membership.approve_all")
    assert (len(result["approved"]), len(result["waiting"])) == (2, 2)


@plays("membership.reject_all")
async def reject_all(s: Stage) -> None:
    for _ in range(2):
        await s.join(await s.scene.newcomer(fresh("waiting")))
    await s.do("membership.reject_all")


@plays("invitation.create", "invitation.revoke")
async def invite(s: Stage) -> None:
    """Two users join by their invitations, one of them with an account; one is revoked."""
    people = [{"name": "Ann", "ref": "1"}, {"name": "Ann", "ref": "2"}, {"name": "Ben"}]
    made = (await s.do("invitation.create", people=people))["invitations"]
    newcomer = await s.scene.newcomer(fresh("invited"))
    assert await s.join(newcomer, invitation=made[0]["secret"]) == "accepted"
    assert await s.join(s.applicant, invitation=made[1]["secret"]) == "accepted"
    await s.do("invitation.revoke", invitation=made[2]["invitation"])
    await s.do("invitation.revoke", invitation=made[0]["invitation"])
    await s.do("invitation.revoke", invitation=made[0]["invitation"])
    await s.vote(s.applicant, s.proposals["new"])


@plays("membership.set_role")
async def set_role(s: Stage) -> None:
    """A member who becomes an organiser loses votes and ballot; a new member votes again."""
    first, second, _ = s.members
    await s.do("membership.set_role", user=first.user, role="admin")
    await s.act(first, "membership.set_role", user=s.deputy.user, role="member")
    await s.act(first, "membership.set_role", user=first.user, role="organiser")
    await s.act(first, "membership.set_role", user=first.user, role="member")
    await s.vote(first, s.proposals["new"])
    await s.do("membership.set_role", user=second.user, role="organiser")
    await s.act(second, "membership.leave")


@plays("membership.add")
async def add(s: Stage) -> None:
    """A stranger, an applicant, a member who left, and a present member."""
    first, second, _ = s.members
    await s.act(second, "membership.leave")
    people = [{"user": fresh("added"), "name": "Added"}, {"user": s.applicant.user}]
    people += [{"user": second.user}, {"user": first.user, "name": "Another"}]
    assert len((await s.do("membership.add", people=people))["added"]) == 3
    await s.do("membership.add", people=people[:1])
    await s.vote(s.applicant, s.proposals["new"])


@plays("proposal.create")
async def propose(s: Stage) -> None:
    first, _, third = s.members
    await s.do("event.set_policy", policy_version=2, policy={"proposer_votes": True})
    await s.propose(third, reason="because")
    await s.do("event.set_policy", policy_version=3, policy={"assumption": {"threshold": 1}})
    await s.propose(third, category="update", target=s.assumptions[2], base_version=1)
    await s.propose(
        first, kind="criterion", category="delete", target=s.criteria[2], base_version=1
    )


@plays("proposal.withdraw")
async def withdraw(s: Stage) -> None:
    for name in ("new", "update", "conclusion"):
        await s.act(
            s.members[0], "proposal.withdraw", proposal=s.proposals[name], reason="mistaken"
        )


@plays("proposal.reject")
async def reject(s: Stage) -> None:
    for name in ("new", "update", "delete", "conclusion"):
        await s.do("proposal.reject", proposal=s.proposals[name], reason="no")


@plays("proposal.moderate")
async def moderate(s: Stage) -> None:
    for name in ("new criterion", "rival", "delete item"):
        await s.do("proposal.moderate", proposal=s.proposals[name])


@plays("proposal.accept")
async def accept(s: Stage) -> None:
    """Items come, change and go; rivals become stale, or go with their target."""
    for name in ("new", "new criterion", "update", "conclusion", "delete", "delete item"):
        await s.do("proposal.accept", proposal=s.proposals[name])
    await s.do("proposal.accept", proposal=s.proposals["rival"], allow_stale=True)
    await s.do("proposal.accept", proposal=s.proposals["rival conclusion"], allow_stale=True)


@plays("proposal.revert")
async def revert(s: Stage) -> None:
    for name in ("new", "new criterion", "update", "conclusion", "delete", "delete item"):
        await s.do("proposal.accept", proposal=s.proposals[name])
        await s.do("proposal.revert", proposal=s.proposals[name], reason="sorry")
    await s.do("proposal.revert", proposal=s.proposals["new"])


@plays("proposal.rebase")
async def rebase(s: Stage) -> None:
    """Votes are cleared, because they were given on another text."""
    await s.vote(s.members[2], s.proposals["rival"])
    await s.act(
        s.members[0],
        "proposal.rebase",
        proposal=s.proposals["update"],
        base_version=2,
        content="It rains less",
    )
    await s.vote(s.members[1], s.proposals["update"], revision=2)
    await s.act(
        s.members[0],
        "proposal.rebase",
        proposal=s.proposals["conclusion"],
        base_version=0,
        content="other words",
    )


@plays("vote.cast", "vote.retract")
async def vote(s: Stage) -> None:
    first, second, third = s.members
    await s.act(first, "vote.retract", proposal=s.proposals["new"])
    await s.act(first, "vote.retract", proposal=s.proposals["new"])
    await s.vote(first, s.proposals["new"])
    for name in ("new", "update", "conclusion", "delete", "delete item", "new criterion"):
        await s.vote(third if name != "new" else second, s.proposals[name])


@plays("ballot.submit", "ballot.clear")
async def ballot(s: Stage) -> None:
    first, second, third = s.members
    given = {"criterion_order": s.criteria, "criteria_rev": 1}
    await s.act(third, "ballot.submit", option=s.options[1], **given)
    await s.act(first, "ballot.submit", option=s.options[1], **given)
    await s.act(second, "ballot.clear")
    await s.do("proposal.accept", proposal=s.proposals["delete"])
    await s.do("proposal.accept", proposal=s.proposals["new criterion"])


@plays("comment.add", "comment.edit", "comment.remove")
async def comment(s: Stage) -> None:
    first, second, _ = s.members
    made = [
        (await s.act(second, "comment.add", criterion=s.criteria[0], content=fresh("words")))[
            "comment"
        ]
        for _ in range(3)
    ]
    await s.act(first, "comment.edit", comment=s.comment, version=1, content="I am sure")
    await s.act(second, "comment.edit", comment=made[1], version=1, content="\ttabs\nand lines")
    await s.do("comment.remove", comment=made[2])
    await s.act(first, "comment.remove", comment=s.comment)
    await s.act(first, "comment.add", proposal=s.proposals["new"], content="once more")
