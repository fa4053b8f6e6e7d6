"""Addresses and codes still work as mail programs and people change them."""

from __future__ import annotations

import httpx
import pytest
from playwright.async_api import expect

from tests.promises.running import Running
from tests.web.conftest import Visit
from tests.web.entering import enter
from tests.web.stage import Stage


def wide(code: str) -> str:
    """Full-width letters, as an input method for Korean or Japanese writes them."""
    return "".join(chr(ord(letter) + 0xFEE0) for letter in code)


async def test_a_code_is_known_in_any_width_case_and_with_blanks(
    site: Running, visit: Visit
) -> None:
    async with Stage(site.base) as stage:
        _, code = await stage.event("Ada")
    page = (await enter(visit, site, "Grace", "/#/join")).page
    field = page.get_by_label("Entrance code or link")
    ways = [
        wide(code),
        f" {code[:3].lower()} - {code[3:]} ",
        f"Join us: {site.base}/%23/join/{code.lower()}",
        f"{site.base}/#/join/{code}?utm_source=mail",
    ]
    for way in ways:
        await page.goto("/#/join")
        await field.fill(way)
        await page.get_by_role("button", name="Look it up").click()
        await expect(page.get_by_text("By Ada")).to_be_visible()
    await page.goto("/#/join")
    # No text is cut to make a code of it.
    await field.fill(f"{code}7")
    await expect(page.get_by_role("button", name="Look it up")).to_be_disabled()
    await expect(page.get_by_text("is not an entrance code")).to_be_visible()


async def test_a_changed_fragment_leads_to_the_same_view(site: Running, visit: Visit) -> None:
    async with Stage(site.base) as stage:
        event, code = await stage.event("Ada")
    page = (await enter(visit, site, "Grace", "/#/join")).page
    for fragment in (
        f"#%2Fjoin%2F{code}",
        f"#/Join/{code.lower()}.",
        f"#/join/{code}?fbclid=x9&y",
        f"##/join/{code}>",
        f"#/join/{code}/",
        f"#/join/{code};jsessionid=1",
        f"#/join?code={code.lower()}",
    ):
        await page.goto("/#/new")
        await page.goto(f"/{fragment}")
        await expect(page.get_by_text("By Ada")).to_be_visible()
    ada = (await enter(visit, site, "Ada", "/#/")).page
    for end in ("_", "**", "%3A~%3Atext=vote", "“"):
        await ada.goto("/#/new")
        await ada.goto(f"/#/e/{event}{end}")
        await expect(ada.get_by_role("heading", name="Where do we meet?")).to_be_visible()
    await ada.goto(f"/#/e/{event.upper()}/People).")
    await expect(ada.get_by_role("heading", name="Members")).to_be_visible()


@pytest.mark.parametrize("path", ["/%23/join/{}", "/%23%2Fjoin%2F{}", "/join/{}", "/join/{}/"])
async def test_an_unknown_path_leads_a_person_into_the_page(
    site: Running, visit: Visit, path: str
) -> None:
    async with Stage(site.base) as stage:
        _, code = await stage.event("Ada")
    page = (await enter(visit, site, "Grace", path.format(code))).page
    await expect(page.get_by_text("By Ada")).to_be_visible()


async def test_an_unknown_path_is_an_error_to_a_program(site: Running) -> None:
    html = {"accept": "text/html,*/*;q=0.8"}
    async with httpx.AsyncClient(base_url=site.base, trust_env=False) as http:
        for path in ("/v1/nothing", "/app/nothing.js", "/sdk/nothing.js", "/" + "a" * 600):
            assert (await http.get(path, headers=html)).status_code == 404, path
        assert (await http.get("/nothing")).status_code == 404
        assert (await http.post("/nothing", headers=html)).status_code == 404
        answer = await http.get("/nothing%20here", headers=html)
        assert (answer.status_code, answer.headers["location"]) == (302, "./#/nothing%20here")
        # No user is redirected to another host, however the path begins.
        answer = await http.get("//evil.example/%23/x", headers=html)
        assert answer.headers["location"].lstrip("./").startswith("#/")


async def test_the_names_of_a_folders_page_lead_to_the_page_with_the_fragment(
    site: Running, visit: Visit
) -> None:
    async with Stage(site.base) as stage:
        _, code = await stage.event("Ada")
    page = (await enter(visit, site, "Grace")).page
    await page.goto(f"/index.html#/join/{code}")
    await expect(page.get_by_text("By Ada")).to_be_visible()
