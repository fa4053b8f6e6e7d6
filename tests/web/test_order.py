"""Lists are sorted by the server's numbers; equal entries keep their order."""

from __future__ import annotations

from typing import Any

from tests.promises.running import Running
from tests.web.conftest import Visit

SORT = """async ([by, items]) => {
    const order = await import("/app/order.js");
    return items.sort(order[by]).map((one) => one.name);
}"""
LATE, EARLY = "2026-11-23T08:00:05.000Z", "2026-11-23T08:00:00.000Z"


async def test_order_is_by_number_and_never_by_a_clock(
    site: Running, visit: Visit, blank: None
) -> None:
    page = (await visit(site)).page

    async def ordered(by: str, *items: dict[str, Any]) -> list[str]:
        names: list[str] = await page.evaluate(SORT, [by, list(items)])
        return names

    # The clock went back between the proposal and its answer.
    question = {"name": "question", "no": 9, "created_at": LATE}
    answer = {"name": "answer", "no": 10, "created_at": EARLY}
    assert await ordered("byNo", answer, question) == ["question", "answer"]
    # Without numbers, as older servers send it; entries of one moment keep their order.
    one, two, three = ({"name": name, "created_at": EARLY} for name in "abc")
    assert await ordered("byNo", one, two, three) == ["a", "b", "c"]
    assert await ordered("byNo", {"name": "late", "created_at": LATE}, one) == ["a", "late"]
    first = {"name": "first", "resolved_no": 3, "resolved_at": LATE}
    last = {"name": "last", "resolved_no": 7, "resolved_at": EARLY}
    assert await ordered("byDecision", first, last) == ["last", "first"]
    assert await ordered("byDecision", one, two) == ["a", "b"]
    assert await ordered(
        "byPosition", {"name": "b", "position": 2}, {"name": "a", "position": 1}
    ) == ["a", "b"]
    assert await ordered("byRequest", {"name": "b", "no": 2}, {"name": "a", "no": 1}) == ["a", "b"]
