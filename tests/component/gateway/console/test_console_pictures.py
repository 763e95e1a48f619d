"""What the console looks like, light, dark and narrow, with data of real actors; the pictures are artefacts to look at."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.component.gateway.console.conftest import OpenPage
from tests.component.gateway.console.world import MARKUP, World, actor_status, envelope_body

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("console")]

LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "narrow": {"color_scheme": "light", "viewport": {"width": 375, "height": 780}, "device_scale_factor": 2},
}


async def test_pictures_of_every_view(world: World, open_page: OpenPage, shoot: Callable[..., Awaitable[None]]) -> None:
    done = [await world.call(page=f"scan-{number}.png") for number in range(4)]
    split = await world.call("read", page="book.pdf", mode="split")
    failed = await world.call(page=f"wall.png {MARKUP}", mode="fail")
    await asyncio.gather(*(world.ended(each) for each in (*done, split, failed)))
    held = await world.call(page="slow.png", mode="hold")
    letters = [
        envelope_body(f"dead-{number}", "translate", {"page": f"lost-{number}.png"}, **{"x-asya-attempt": 3})
        for number in range(3)
    ]
    await world.bury("translate", *letters, b"\x00 no envelope at all")
    dying = "its runtime keeps dying: ModuleNotFoundError: No module named 'torch'"
    world.write_status(
        actor_status("read-page", rate=3.4, p50_s=0.01),
        actor_status("translate", status="ScalingUp", desired=3, queued=41, in_flight=1, rate=0.8, oldest_s=12.0),
        actor_status("summarise", status="RuntimeError", replicas=0, queued=7, oldest_s=95.0, message=dying),
        actor_status("happy-end", status="Napping", replicas=0, desired=0),
        actor_status("error-end", status="Napping", replicas=0, desired=0),
    )
    views = {
        "envelopes": "#/envelopes",
        "journey-done": f"#/envelopes/{done[0]}",
        "journey-failed": f"#/envelopes/{failed}",
        "journey-running": f"#/envelopes/{held}",
        "journey-split": f"#/envelopes/{split}",
        "actors": "#/actors",
        "dead-letters": "#/dead-letters/translate",
    }
    for look, options in LOOKS.items():
        page = await open_page(expected=("401",), **options)
        for name, address in views.items():
            await page.goto(f"{world.url}/{address}")
            await expect(page.locator("#live")).to_contain_text("Live")
            await expect(page.locator("main .spinner")).to_have_count(0)
            if name == "actors":
                await expect(page.get_by_role("row", name="translate")).to_contain_text("41")
            await no_sideways_scroll(page)
            await shoot(page, f"{name}-{look}")
        await page.get_by_role("button", name="Redrive all").click()
        await shoot(page, f"redrive-{look}", whole=False)
        await page.keyboard.press("Escape")
        await page.get_by_role("button", name="Keys").click()
        await shoot(page, f"keys-{look}", whole=False)
        await page.keyboard.press("Escape")
        await page.goto(f"{world.url}/#/envelopes?status=pending&q=nothing")
        await expect(page.get_by_text("No pending envelopes")).to_be_visible()
        await page.get_by_role("button", name="Live").click()
        await shoot(page, f"empty-and-paused-{look}")
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_label("Token")).to_be_visible()
        await no_sideways_scroll(page)
        await shoot(page, f"sign-in-{look}")
    (world.fleet.folder / "gate").touch()
    await world.ended(held)


async def no_sideways_scroll(page: Page) -> None:
    assert await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
