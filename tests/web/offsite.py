"""The event of the pictures, in English and in Korean: a team chooses a place for spring."""

from __future__ import annotations

from typing import Any, NamedTuple

from tests.web.stage import Stage


class Words(NamedTuple):
    """The texts of the event; the first of the people makes it."""

    people: tuple[str, ...]
    #: A user who asks to join.
    waiting: str
    subject: str
    options: list[str]
    assumptions: list[str]
    criteria: list[str]
    #: Conclusions of the first criterion and, proposed, of the second.
    conclusions: tuple[str, str]
    #: Proposed for the second assumption.
    change: str
    #: A criterion, and its reason.
    proposed: tuple[str, str]
    comment: str
    #: A criterion that is rejected, and the reason.
    rejected: tuple[str, str]


ENGLISH = Words(
    people=("Ada", "Grace", "Barbara", "Jean", "Kathleen", "Mary", "Dorothy"),
    waiting="Margaret",
    subject="Where do we hold the spring offsite?",
    options=["Lisbon", "A farmhouse near Jeonju", "Stay home, and do up the office"],
    assumptions=[
        "All nineteen of us can travel in the second week of April.",
        "The budget is 24,000 for everything.",
        "Nobody should spend more than a day on the way.",
    ],
    criteria=["Time to talk undisturbed", "Cost a head", "Easy to reach"],
    conclusions=(
        "Two rooms to talk in, and nobody else around",
        "At most 1,200, travel included",
    ),
    change="The budget is 26,000 for everything but travel.",
    proposed=("Nights are quiet", "Last year taught us."),
    comment="By train too?",
    rejected=("There is karaoke", "Not what decides."),
)
KOREAN = Words(
    people=("에이다", "그레이스", "바버라", "진", "캐슬린", "메리", "도로시"),
    waiting="마거릿",
    subject="봄 워크숍은 어디에서 할까요?",
    options=["부산", "전주 근처의 한옥", "어디도 가지 않고 사무실 새로 꾸미기"],
    assumptions=[
        "열아홉 명 모두 4월 둘째 주에 갈 수 있다.",
        "예산은 모두 합해 2,400만 원이다.",
        "가는 데 하루 넘게 걸리지 않아야 한다.",
    ],
    criteria=["방해받지 않고 이야기할 시간", "1인당 비용", "가기 쉬운 곳"],
    conclusions=(
        "이야기할 방이 두 개 있고, 다른 손님은 없어야 한다",
        "교통비를 포함해 120만 원 이하",
    ),
    change="예산은 교통비를 빼고 모두 합해 2,600만 원이다.",
    proposed=("밤에 조용한 곳", "작년에 배웠습니다."),
    comment="기차로 가도요?",
    rejected=("노래방이 있는 곳", "결정에 중요하지 않습니다."),
)
OFFSITE = {"en": ENGLISH, "ko": KOREAN}
POLICY: dict[str, Any] = {
    "membership_auto": True,
    "criterion": {"threshold": 4},
    "quorum_percent": 50,
}


async def gathered(stage: Stage, words: Words) -> tuple[str, str]:
    """Everybody has joined and the event has started: the event, and its code."""
    return await stage.event(
        *words.people,
        subject=words.subject,
        options=words.options,
        assumptions=words.assumptions,
        criteria=words.criteria,
        policy=POLICY,
    )


async def busy_event(stage: Stage, words: Words) -> tuple[str, str]:
    """An event with every kind of record."""
    event, code = await gathered(stage, words)
    ada, grace, barbara, jean, kathleen, mary, dorothy = words.people
    state = await stage.room(ada, event)
    _, budget, _ = state["assumptions"]
    calm, cost, _ = state["criteria"]
    settled = await stage.propose(
        grace, event, words.conclusions[0], kind="conclusion", target=calm, base_version=0
    )
    await stage.vote(event, settled, grace, barbara, jean, kathleen, mary)
    proposed, reason = words.proposed
    asked = await stage.propose(barbara, event, proposed, reason=reason)
    await stage.vote(event, asked, barbara, jean, kathleen)
    await stage.propose(
        jean, event, words.change,
        kind="assumption", category="update", target=budget, base_version=1,
    )  # fmt: skip
    asked = await stage.propose(
        kathleen, event, words.conclusions[1], kind="conclusion", target=cost, base_version=0
    )
    await stage.vote(event, asked, kathleen, ada, mary)
    await stage.run(mary, "comment.add", event=event, proposal=asked, content=words.comment)
    rejected, reason = words.rejected
    no = await stage.propose(dorothy, event, rejected)
    await stage.run(ada, "proposal.reject", event=event, proposal=no, reason=reason)
    await stage.run(
        ada, "event.set_policy", event=event, policy_version=1, policy={"membership_auto": False}
    )
    await stage.run(words.waiting, "membership.join", code=code)
    return event, code


async def finished_event(stage: Stage, words: Words) -> str:
    """An event whose ballots are counted."""
    event, _ = await gathered(stage, words)
    state = await stage.room(words.people[0], event)
    options, criteria = list(state["options"]), list(state["criteria"])
    for number, name in enumerate(words.people[:6]):
        turn = number % 3
        await stage.run(
            name, "ballot.submit", event=event, option=options[(1, 1, 0, 1, 2, 1)[number]],
            criterion_order=criteria[turn:] + criteria[:turn], criteria_rev=1,
        )  # fmt: skip
    await stage.run(words.people[0], "event.finish", event=event)
    return event
