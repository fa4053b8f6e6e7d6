"""The page as a browser gets it."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Error, expect

from tests.promises.running import Running
from tests.web.axe import faults
from tests.web.conftest import Visit


async def test_the_page_loads_and_asks_nobody_else(site: Running, visit: Visit) -> None:
    ada = await visit(site)
    await expect(ada.page).to_have_title(re.compile("Ayes"))
    await ada.page.wait_for_load_state("networkidle")
    assert await faults(ada.page) == []


async def test_the_policy_keeps_scripts_styles_and_requests_of_others_out(
    site: Running, visit: Visit
) -> None:
    """Acts of an injected script, tried from the page's own console."""
    ada = await visit(site)
    ada.watch.allow(r"Content Security Policy|Content-Security-Policy|Trusted")
    ada.watch.allow(r"^elsewhere: http://localhost")
    tries = {
        "an inline script": "document.head.append(Object.assign(document.createElement('script'),"
        " {textContent: 'window.broken = 1'}))",
        "a handler": "document.body.setAttribute('onclick', 'window.broken = 2'),"
        " document.body.click()",
        "a script from elsewhere": "document.head.append(Object.assign("
        "document.createElement('script'), {src: 'http://localhost:9/x.js'}))",
        "a data: script": "document.head.append(Object.assign(document.createElement('script'),"
        " {src: 'data:text/javascript,window.broken=3'}))",
        "a base": "document.head.append(Object.assign(document.createElement('base'),"
        " {href: 'http://localhost:9/'}))",
        "a frame": "document.body.append(Object.assign(document.createElement('iframe'),"
        " {src: 'http://localhost:9/'}))",
        "text as markup": "document.body.innerHTML = '<b>broken</b>'",
        "text as script": "setTimeout('window.broken = 4')",
        "a policy of its own": "trustedTypes.createPolicy('default', {})",
    }
    for name, script in tries.items():
        told = await ada.page.evaluate(
            f"""() => new Promise((resolve) => {{
                addEventListener("securitypolicyviolation", () => resolve("kept out"),
                                 {{ once: true }});
                setTimeout(() => resolve("let in"), 5000);
                try {{ {script}; }} catch {{ /* it is told by the event */ }}
            }})"""
        )
        assert told == "kept out", name
    assert await ada.page.evaluate("() => window.broken") is None
    with pytest.raises(Error, match="Failed to fetch"):
        await ada.page.evaluate("() => fetch('http://localhost:9/')")
