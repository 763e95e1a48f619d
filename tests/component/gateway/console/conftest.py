"""One small mesh and one browser for a whole file; a fresh page for every test.

A page that logs an error, throws, or breaks its own policy fails its test.
"""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright

from lab.installs.chromium import FLAGS, require_browser
from lab.servers.rabbitmq import (
    Address,
    call_management,
    rabbitmq_management_url,
    rabbitmq_server,
    rabbitmq_url,
)
from tests.component.gateway.console.world import ADMIN, World, open_world

__all__ = ["rabbitmq_management_url", "rabbitmq_server", "rabbitmq_url"]

SHOTS = Path(__file__).parents[4] / ".artifacts" / "console"
OpenPage = Callable[..., Awaitable[Page]]


@pytest.fixture(scope="module")
def broker_environ(rabbitmq_server: Address) -> dict[str, str]:
    """A virtual host of the session's RabbitMQ for this file alone."""
    vhost = f"console-{uuid.uuid4().hex[:8]}"
    call_management(rabbitmq_server.management_url, "PUT", f"/api/vhosts/{vhost}")
    return {
        "ASYA_TRANSPORT": "rabbitmq",
        "ASYA_RABBITMQ_URL": f"{rabbitmq_server.url.rpartition('/')[0]}/{vhost}",
        "ASYA_RABBITMQ_MANAGEMENT_URL": rabbitmq_server.management_url,
    }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(broker_environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """The mesh."""
    async with open_world(broker_environ, tmp_path_factory.mktemp("console")) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """The browser."""
    executable = require_browser()
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=executable, args=list(FLAGS))
        yield launched
        await launched.close()


@pytest_asyncio.fixture(loop_scope="module")
async def open_page(browser: Browser, world: World) -> AsyncIterator[OpenPage]:
    """Open a page that is signed in; ``expected`` names texts in its log that are no fault."""
    faults: list[str] = []
    pages: list[Page] = []
    async with AsyncExitStack() as opened:

        async def open_(
            address: str = "#/envelopes", token: str | None = ADMIN, expected: tuple[str, ...] = (), **options: Any
        ) -> Page:
            context = await browser.new_context(**{"viewport": {"width": 1280, "height": 860}, **options})
            opened.push_async_callback(context.close)
            await context.grant_permissions(["clipboard-read", "clipboard-write"], origin=world.url)
            page = await context.new_page()
            page.set_default_timeout(60_000)

            def note(text: str) -> None:
                if not any(part in text for part in expected):
                    faults.append(text)

            def heard(message: ConsoleMessage) -> None:
                if message.type in {"error", "warning"}:
                    note(message.text)

            page.on("console", heard)
            page.on("pageerror", lambda error: note(str(error)))
            await page.add_init_script(
                "addEventListener('securitypolicyviolation', (event) => console.error('policy', event.violatedDirective))"
            )
            if token is not None:
                await page.add_init_script(
                    f"sessionStorage.getItem('asya-token') ?? sessionStorage.setItem('asya-token', {token!r})"
                )
            await page.goto(f"{world.url}/{address}")
            pages.append(page)
            return page

        yield open_
        titles = [await page.title() for page in pages if not page.is_closed()]
    assert faults == []
    assert "owned" not in titles


@pytest.fixture
def shoot() -> Callable[..., Awaitable[None]]:
    """Keep a picture of a page as an artefact."""

    async def take(page: Page, name: str, whole: bool = True) -> None:
        SHOTS.mkdir(parents=True, exist_ok=True)
        await page.screenshot(path=SHOTS / f"{name}.png", full_page=whole, animations="disabled")

    return take
