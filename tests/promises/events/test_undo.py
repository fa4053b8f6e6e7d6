"""Undo by an admin: what is put back."""

from __future__ import annotations

from tests.promises.running import Running
from tests.promises.scenes import BY_HAND, gathering


async def test_undoing_a_criterions_deletion_brings_its_conclusion_back(server: Running) -> None:
    scene = await gathering(server, 1, policy=BY_HAND, criteria=["price"])
    room = await scene.admin.subscribe(scene.event)
    (price,) = room.state["criteria"]
    conclusion = await scene.propose(
        kind="conclusion", target=price, base_version=0, content="cheap is good"
    )
    await scene.do("proposal.accept", proposal=conclusion)
    deletion = await scene.propose(
        kind="criterion", category="delete", target=price, base_version=1
    )
    await scene.do("proposal.accept", proposal=deletion)
    ack = await scene.admin.ack("proposal.revert", event=scene.event, proposal=deletion)
    await room.reached(ack["seq"])
    (back,) = room.state["criteria"].values()
    assert (back["content"], back["conclusion"]) == ("price", "cheap is good")
    assert (back["version"], back["conclusion_version"]) == (1, 1)
    assert room.state == await scene.state()
    # It is an ordinary conclusion: it can be changed from there.
    (criterion,) = room.state["criteria"]
    change = {"kind": "conclusion", "category": "update", "target": criterion, "base_version": 1}
    await scene.do("proposal.accept", proposal=await scene.propose(**change, content="dear is bad"))
    (back,) = (await scene.state())["criteria"].values()
    assert (back["conclusion"], back["conclusion_version"]) == ("dear is bad", 2)


async def test_undoing_the_deletion_of_a_criterion_without_a_conclusion_invents_none(
    server: Running,
) -> None:
    scene = await gathering(server, 1, policy=BY_HAND, criteria=["price"])
    (price,) = (await scene.state())["criteria"]
    deletion = await scene.propose(
        kind="criterion", category="delete", target=price, base_version=1
    )
    await scene.do("proposal.accept", proposal=deletion)
    await scene.do("proposal.revert", proposal=deletion)
    (back,) = (await scene.state())["criteria"].values()
    assert "conclusion" not in back
    assert back["conclusion_version"] == 0
