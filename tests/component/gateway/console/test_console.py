"""The console in a real browser over a real mesh: what people see, reach by keyboard, and are never tricked into.

The first test also leaves pictures of every view, light, dark and narrow, in ``.artifacts/console``, to be looked at.
"""

import asyncio
import math
import uuid
from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Any

import pytest
from playwright.async_api import Page, Route, expect

from lab.servers.ports import free_ports
from tests.component.gateway.console.conftest import OpenPage
from tests.component.gateway.console.world import (
    ACTORS,
    ADMIN,
    MARKUP,
    READER,
    REPORTER,
    TRACES,
    World,
    actor_status,
    envelope_body,
)
from tests.support.gateway_process import LIMIT_S, Gateway

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("console")]
expect.set_options(timeout=60_000)

AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
GONE = ("Failed to load resource", "net::ERR")
"""What a browser logs of requests that fail; the tests that make them fail expect it."""


LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "narrow": {"color_scheme": "light", "viewport": {"width": 375, "height": 780}, "device_scale_factor": 2},
}
"""What the pictures are taken in."""


def row(page: Page, name: str) -> Any:
    """The row of a table whose header is or holds a text."""
    return page.locator("tbody tr").filter(has=page.locator("th", has_text=name))


async def breaches(page: Page, *rules: str) -> list[str]:
    """Ask axe-core which rules of accessibility the page breaks: of these, else of all."""
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(f"() => {{ {AXE}\n; window.axe = axe; }}")
    chosen = {"type": "rule", "values": list(rules)} if rules else {"type": "tag", "values": RULES}
    found = await page.evaluate("(chosen) => axe.run(document, {runOnly: chosen, resultTypes: ['violations']})", chosen)
    return [
        f"{rule['id']}: {rule['help']}: {node['html'][:160]} {node['failureSummary']}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]


async def focused(page: Page) -> str:
    """What has the focus, as people would name it."""
    name: str = await page.evaluate(
        "(e => (e.getAttribute('aria-label') ?? e.labels?.[0]?.textContent ?? e.textContent).trim())"
        "(document.activeElement)"
    )
    return name


async def test_charts_show_the_last_hours_of_one_actor_and_of_all(
    world: World, open_page: OpenPage, shoot: Callable[..., Awaitable[None]]
) -> None:
    """Drawn from the gateway's own samples, in light, dark and narrow; a line is not told from another by colour alone."""
    for number in range(24):  # soon enough that the ring still has the first of them, on a busy machine too
        wave = 1 + math.sin(math.pi * number / 12)
        replicas = number // 8
        translate = {
            "replicas": replicas, "desired": min(replicas + number % 8 // 5, 4), "queued": round(30 * wave),
            "in_flight": replicas, "rate": round(4 * wave, 2), "p50_s": 0.2 + wave / 20, "p99_s": 0.9 + wave,
        }  # fmt: skip
        world.write_status(*(actor_status(name, **(translate if name == "translate" else {})) for name in ACTORS))
        await sampled(world)
    for look, options in LOOKS.items():
        page = await open_page("#/charts/translate", **options)
        figures = page.locator("figure")
        await expect(figures).to_have_count(4)
        await expect(figures.locator("canvas")).to_have_count(4)
        await expect(figures.nth(0)).to_contain_text("Queued: ")
        await expect(figures.nth(0)).to_contain_text("at most 60")
        await expect(figures.nth(2)).to_contain_text("p99: ")
        assert await page.get_by_label("Actor").input_value() == "translate"
        await no_sideways_scroll(page)
        assert await breaches(page) == []
        await shoot(page, f"charts-{look}")
        drawn = await page.evaluate(
            "[...document.querySelectorAll('canvas')].map(c =>"
            " new Set(c.getContext('2d').getImageData(0, 0, c.width, c.height).data).size)"
        )
        assert all(colours > 8 for colours in drawn), drawn
    page = await open_page("#/actors")
    await page.get_by_role("link", name="summarise").click()
    await expect(page.get_by_role("heading", name="Charts")).to_be_focused()
    await page.get_by_label("Actor").select_option("")
    await expect(page).to_have_url(f"{world.url}/#/charts")
    await expect(page.get_by_text("of all actors together")).to_be_visible()
    await page.emulate_media(color_scheme="dark")
    await expect(page.locator("figure canvas")).to_have_count(4)
    await page.goto(f"{world.url}/#/charts/no-such-actor")
    await expect(page.get_by_text("Nothing is known of no-such-actor yet")).to_be_visible()


async def sampled(world: World) -> None:
    """Wait for two further samples of the gateway's: the first may have been under way."""
    async with world.client() as http:

        async def last() -> float:
            times: list[float] = (await http.get("/api/v1/history")).json()["times"]
            return times[-1] if times else 0.0

        for _ in range(2):
            before = await last()
            async with asyncio.timeout(LIMIT_S):
                while await last() <= before:
                    await asyncio.sleep(0.02)


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
    await world.dead_letter("translate", *letters, b"\x00 no envelope at all")
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
    await world.empty("translate")
    world.write_status(*(actor_status(name) for name in ACTORS))


async def no_sideways_scroll(page: Page) -> None:
    assert await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0


async def test_a_token_lets_people_in_and_stays_in_their_tab(world: World, open_page: OpenPage) -> None:
    page = await open_page(token=None, expected=GONE)
    field = page.get_by_label("Token")
    await expect(field).to_be_focused()
    await field.fill("a-token-nobody-has-given-out")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_have_text("The gateway does not know this token.")
    await field.fill(READER)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading", name="Envelopes")).to_be_visible()
    kept = await page.evaluate("[sessionStorage.getItem('asya-token'), localStorage.length, document.cookie]")
    assert kept == [READER, 0, ""]
    assert READER not in page.url
    await page.reload()
    await expect(page.locator("#live")).to_contain_text("Live")
    await page.get_by_role("button", name="Sign out").click()
    await expect(field).to_be_visible()
    assert await page.evaluate("sessionStorage.length") == 0


async def test_envelopes_come_in_and_move_on_by_themselves(world: World, open_page: OpenPage) -> None:
    page = await open_page()
    await expect(page.locator("#live")).to_contain_text("Live")
    envelope_id = await world.call(page="scan.png")
    await expect(row(page, envelope_id)).to_contain_text("Succeeded")
    await expect(row(page, envelope_id)).to_contain_text("read-page → translate → summarise")
    await page.get_by_role("button", name="Live").click()
    await expect(page.get_by_role("button", name="Paused")).to_have_attribute("aria-pressed", "true")
    unseen = await world.call(page="other.png")
    await world.ended(unseen)
    await page.evaluate("fetch('/health')")  # a round trip later it would be there
    await expect(row(page, unseen)).to_have_count(0)
    await page.get_by_role("button", name="Paused").click()
    await expect(row(page, unseen)).to_contain_text("Succeeded")


async def test_lists_are_chosen_by_state_and_id_and_have_addresses(world: World, open_page: OpenPage) -> None:
    prefix = uuid.uuid4().hex[:12]
    async with world.client() as http:
        for number in range(60):
            answer = await http.post("/envelopes", json={"id": f"{prefix}-{number:02}", "actors": ["a"]})
            assert answer.status_code == 201
        await http.post(f"/envelopes/{prefix}-07/final", json={"status": "failed", "error": "no luck"})
    page = await open_page(expected=GONE)
    await page.get_by_label("Find by id").fill(prefix)
    await page.wait_for_url(f"**/#/envelopes?q={prefix}")
    rows = page.locator("tbody tr")
    await expect(rows).to_have_count(50)
    await expect(rows.first).to_contain_text(f"{prefix}-59")
    await page.get_by_role("button", name="Older envelopes").click()
    await expect(rows).to_have_count(60)
    await expect(page.get_by_role("button", name="Older envelopes")).to_be_hidden()
    await page.get_by_role("navigation", name="State").get_by_role("link", name="Failed").click()
    await expect(rows).to_have_count(1)
    await expect(rows).to_contain_text("no luck")
    assert page.url.endswith(f"#/envelopes?status=failed&q={prefix}")
    await page.reload()
    await expect(rows).to_have_count(1)
    await page.get_by_role("link", name=f"{prefix}-07").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text(f"{prefix}-07")
    await expect(page.get_by_role("heading", level=1)).to_be_focused()
    assert await page.title() == f"{prefix}-07 – Asya"
    await page.go_back()
    await expect(rows).to_have_count(1)
    await page.get_by_label("Find by id").fill("there is no such id")
    await expect(page.get_by_text("No failed envelopes whose id begins with")).to_be_visible()
    await page.goto(f"{world.url}/#/envelopes/nobody")
    await expect(page.get_by_text("No envelope has this id here")).to_be_visible()


async def test_a_journey_tells_hops_attempts_and_the_traceback(world: World, open_page: OpenPage) -> None:
    envelope_id = await world.call(page=f"wall.png {MARKUP}", mode="fail")
    await world.ended(envelope_id)
    page = await open_page(f"#/envelopes/{envelope_id}")
    hops = page.get_by_role("list").filter(has=page.locator(".hop")).get_by_role("listitem")
    await expect(hops).to_have_count(4)
    for place, words in enumerate(["read-page", "Failed, tried again", "attempt 2", "in all"]):
        await expect(hops.nth(place)).to_contain_text(words)
    await expect(hops.nth(0)).to_contain_text("Completed")
    await expect(hops.nth(0)).to_contain_text("waited")
    await expect(hops.nth(1)).to_contain_text("Untranslatable: no language is spoken here")
    await expect(hops.nth(2)).to_contain_text("Untranslatable: no language is spoken here")
    await expect(page.get_by_label("Traceback")).to_contain_text("raise Untranslatable(")
    # Payload, error and traceback hold markup: it is there as text, and nothing came of it.
    for shown in (hops.nth(1), hops.nth(2), page.get_by_label("Traceback")):
        await expect(shown).to_contain_text(MARKUP)
    assert await page.locator("main img, main script").count() == 0
    await page.goto(f"{world.url}/#/envelopes")
    await expect(row(page, envelope_id)).to_contain_text("Untranslatable: no language is spoken here: wall.png <img")
    assert await page.locator("main img").count() == 0


async def test_an_envelope_s_trace_is_a_link_where_there_is_a_template(world: World, open_page: OpenPage) -> None:
    envelope_id = await world.call(headers={"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}, page="wall.png")
    page = await open_page(f"#/envelopes/{envelope_id}")
    link = page.get_by_role("link", name="a" * 32)
    await expect(link).to_have_attribute("href", TRACES.replace("{trace_id}", "a" * 32))


async def test_a_running_envelope_is_followed_to_its_end_and_can_be_cancelled(
    world: World, open_page: OpenPage
) -> None:
    gate = world.fleet.folder / "gate"
    gate.unlink(missing_ok=True)
    held = await world.call(page="slow.png", mode="hold")
    page = await open_page(f"#/envelopes/{held}")
    hops = page.locator(".hop")
    await expect(hops.nth(1)).to_contain_text("At work")
    await expect(hops.nth(1)).to_contain_text("working for")
    await expect(hops.nth(2)).to_contain_text("Not reached yet")
    gate.touch()
    await expect(page.locator(".facts")).to_contain_text("Succeeded")
    await expect(page.get_by_label("Result")).to_contain_text('"big": 9007199254740993')  # not rounded on its way
    gate.unlink()
    waiting = await world.call(page="slow.png", mode="hold")
    await page.goto(f"{world.url}/#/envelopes/{waiting}")
    await expect(hops.nth(1)).to_contain_text("At work")
    await page.get_by_role("button", name="Cancel it").click()
    dialog = page.get_by_role("dialog", name="Cancel this envelope?")
    await expect(dialog).to_be_visible()
    # What is reported meanwhile is drawn behind the dialog, which finds the button again all the same.
    async with world.client(REPORTER) as http:
        told = {"actors": ["read-page", "translate", "summarise"], "current_actor_idx": 1, "status": "processing"}
        await http.post(f"/envelopes/{waiting}/progress", json={**told, "message": "half of it is read"})
    await expect(page.locator(".facts")).to_contain_text("half of it is read")
    await page.keyboard.press("Escape")
    await expect(dialog).to_be_hidden()
    await expect(page.get_by_role("button", name="Cancel it")).to_be_focused()
    await page.keyboard.press("Enter")
    await dialog.get_by_role("button", name="Cancel it").click()
    await expect(page.locator(".facts")).to_contain_text("Failed")
    await expect(page.locator(".error")).to_contain_text("Cancelled by its caller")
    gate.touch()


async def test_a_failed_envelope_is_replayed_from_its_page(world: World, open_page: OpenPage) -> None:
    """This mesh keeps nothing at error-end that its gateway could read, so that it is refused and said why."""
    failed = await world.call(page="again.png", mode="fail")
    await world.ended(failed)
    page = await open_page(f"#/envelopes/{failed}")
    await page.get_by_role("button", name="Replay it").click()
    dialog = page.get_by_role("dialog", name="Replay this envelope?")
    await expect(dialog).to_be_visible()
    await dialog.get_by_role("button", name="Replay it").click()
    await expect(page.locator(".envelope")).to_contain_text("Not sent again")
    await expect(page.locator(".envelope")).to_contain_text("error-end keeps nothing of it")
    reader = await open_page(f"#/envelopes/{failed}", READER)
    await expect(reader.locator(".facts")).to_contain_text("Failed")
    await expect(reader.get_by_role("button", name="Replay it")).to_have_count(0)


async def test_actors_show_status_replicas_depth_and_rate_as_they_change(world: World, open_page: OpenPage) -> None:
    world.write_status(
        actor_status("read-page", rate=3.4, queued=12, in_flight=1),
        actor_status("translate", status="RuntimeError", replicas=0, message=f"it dies {MARKUP}"),
    )
    page = await open_page("#/actors")
    await expect(row(page, "read-page")).to_contain_text("Running1 of 11213.4/s")
    await expect(row(page, "translate")).to_contain_text(f"Runtime Errorit dies {MARKUP}0 of 1")
    await page.get_by_label("Find by name").fill("late")
    await expect(row(page, "read-page")).to_have_count(0)
    await expect(row(page, "translate")).to_have_count(1)
    await page.get_by_label("Find by name").fill("")
    await expect(row(page, "read-page")).to_have_count(1)
    world.write_status(actor_status("read-page", status="Napping", replicas=0, desired=0))
    await expect(row(page, "read-page")).to_contain_text("Napping0 of 000")
    await expect(row(page, "translate")).to_have_count(0)
    world.write_status()
    await expect(page.get_by_text("No actors yet")).to_be_visible()
    (world.home / "status.json").unlink()
    await expect(page.get_by_text("no mesh is running")).to_be_visible()
    world.write_status(*(actor_status(name) for name in ACTORS))
    await expect(page.locator("tbody tr")).to_have_count(len(ACTORS))


async def test_dead_letters_are_read_and_sent_again(world: World, open_page: OpenPage) -> None:
    mine = uuid.uuid4().hex[:8]
    bodies = [envelope_body(f"{mine}-{number}", "summarise", {"page": MARKUP}) for number in range(3)]
    await world.dead_letter("summarise", *bodies, b"\x00<b>no envelope</b>", reason=f"it broke {MARKUP}")
    page = await open_page("#/actors")
    await row(page, "summarise").get_by_role("link", name="4 dead letters of summarise").click()
    letters = page.locator(".letter")
    await expect(letters).to_have_count(4)
    await expect(page.locator("#dead-count")).to_have_text("4")
    one = letters.filter(has_text=f"{mine}-1")
    await expect(one).to_contain_text(f"it broke {MARKUP}")
    await one.get_by_text("Body").click()
    await expect(one.get_by_label("Body of the dead letter")).to_contain_text("onerror")
    assert await page.locator("main img, main script, main b").count() == 0

    await one.get_by_role("button", name="Redrive").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text(f"{mine}-1 goes back to the queue of summarise")
    await dialog.get_by_role("button", name="Leave it").click()
    await one.get_by_role("button", name="Redrive").click()
    await dialog.get_by_role("button", name="Redrive").click()
    await expect(page.get_by_role("status")).to_contain_text("1 dead letter of summarise sent again")
    await expect(letters).to_have_count(3)
    await page.get_by_role("button", name="Redrive all dead letters of summarise").click()
    await dialog.get_by_role("button", name="Redrive").click()
    await expect(page.get_by_role("status")).to_contain_text("3 dead letters of summarise sent again")
    await expect(page.get_by_text("summarise has no dead letters")).to_be_visible()
    async with asyncio.timeout(LIMIT_S):
        while not all(world.result(f"{mine}-{number}") for number in range(3)):  # the actor has worked on them
            await asyncio.sleep(0.05)


async def test_who_may_only_read_sees_no_way_to_redrive(world: World, open_page: OpenPage) -> None:
    await world.dead_letter("read-page", envelope_body("kept", "read-page", {}))
    page = await open_page("#/dead-letters/read-page", token=READER)
    await expect(page.locator(".letter")).to_contain_text("kept")
    assert await page.get_by_role("button", name="Redrive").count() == 0
    async with world.client(READER) as http:
        answer = await http.post("/api/v1/dead-letters/redrive", json={"actor": "read-page"})
    assert (answer.status_code, answer.text) == (403, "Token lacks the scope operate\n")
    await world.empty("read-page")


async def test_everything_is_reached_by_keyboard(world: World, open_page: OpenPage) -> None:
    envelope_id = await world.call(page="scan.png")
    await world.ended(envelope_id)
    page = await open_page(f"#/envelopes?q={envelope_id}")
    await expect(row(page, envelope_id)).to_be_visible()
    order = []
    for _ in range(20):
        await page.keyboard.press("Tab")
        order.append(await focused(page))
        shown = await page.evaluate(
            "(e => { const s = getComputedStyle(e); return s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2; })"
            "(document.activeElement)"
        )
        assert shown, f"{order[-1]} has the focus and does not show it"
        if order[-1] == envelope_id:
            break
    names = [name.rstrip("0123456789,+ ") for name in order]
    tabs = ["Envelopes", "Actors", "Charts", "Dead letters"]
    assert names[:6] == ["Skip to content", "Asya, to the envelopes", *tabs]
    assert names[6:10] == ["Live, pause updates", "Keys", "Sign out", "Find by id"]
    assert names[10:15] == ["All", "Pending", "Running", "Succeeded", "Failed"]
    assert order[-1] == envelope_id
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_be_focused()
    await page.keyboard.type("ga")  # in one go: the page waits but a moment for the second one
    await expect(page.get_by_role("heading", name="Actors")).to_be_focused()
    await page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keys")
    await expect(dialog).to_be_visible()
    await dialog.get_by_label("Single keys are on").uncheck()
    await page.keyboard.press("Escape")
    await page.keyboard.press("/")
    await expect(page.get_by_role("heading", name="Actors")).to_be_visible()
    await page.get_by_role("button", name="Keys").click()
    await dialog.get_by_label("Single keys are on").check()
    await page.keyboard.press("Escape")
    await page.keyboard.press("/")
    await expect(page.get_by_label("Find by id")).to_be_focused()
    await page.goto(f"{world.url}/#/actors")
    await page.keyboard.press("Tab")
    await page.locator(".skip").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("#main")).to_be_focused()


async def test_no_view_breaks_a_rule_of_accessibility(world: World, open_page: OpenPage) -> None:
    failed = await world.call(page="wall.png", mode="fail")
    await world.ended(failed)
    await world.dead_letter("translate", envelope_body("dead", "translate", {}))
    page = await open_page(reduced_motion="reduce", bypass_csp=True)
    for address, sign in {
        "#/envelopes": failed,
        f"#/envelopes/{failed}": "Traceback",
        "#/actors": "read-page",
        "#/dead-letters/translate": "Reason",
        "#/envelopes?q=none": "No envelopes whose id",
    }.items():
        await page.goto(f"{world.url}/{address}")
        await expect(page.locator("main")).to_contain_text(sign)
        await page.emulate_media(color_scheme="light")
        assert await breaches(page) == [], address
        await page.emulate_media(color_scheme="dark")
        assert await breaches(page, "color-contrast") == [], address
    await page.set_viewport_size({"width": 320, "height": 700})  # as at a zoom of 400 %
    for address, sign in {"#/actors": "read-page", "#/envelopes": failed}.items():
        await page.goto(f"{world.url}/{address}")
        await expect(page.locator("main")).to_contain_text(sign)
        await no_sideways_scroll(page)
        assert await breaches(page) == [], address
        assert (
            await page.get_by_role("table").get_by_role("rowheader").count() > 0
        )  # cards are still a table to be heard
    await page.keyboard.press("?")
    assert await breaches(page) == []
    await page.evaluate("document.querySelector('dialog').append(document.createElement('img'))")
    assert "image-alt" in "".join(await breaches(page))  # it does look
    signing_in = await open_page(token=None, bypass_csp=True, expected=GONE)
    await expect(signing_in.get_by_label("Token")).to_be_visible()
    assert await breaches(signing_in) == []
    await world.empty("translate")


async def test_loading_and_failing_are_said_and_can_be_tried_again(world: World, open_page: OpenPage) -> None:
    page = await open_page(expected=GONE)
    let_go = asyncio.Event()

    async def hold(route: Route) -> None:
        await let_go.wait()
        await route.fulfill(status=503, body="Store unavailable, try again\n")

    for view, title in {"envelopes/x": "The envelope could", "dead-letters": "The dead letters could"}.items():
        address = f"**/api/v1/{view}*"
        await page.route(address, hold)
        await page.goto(f"{world.url}/#/{view}")
        await expect(page.locator("main .notice-loading").first).to_be_visible()
        let_go.set()
        alert = page.get_by_role("alert").filter(has_text=title)
        await expect(alert).to_contain_text("Store unavailable, try again")
        await page.unroute(address)
        await alert.get_by_role("button", name="Try again").click()
        await expect(alert).to_have_count(0)
        let_go.clear()


async def test_a_tab_that_nobody_looks_at_asks_for_nothing(world: World, open_page: OpenPage) -> None:
    page = await open_page()
    await page.clock.install()
    await page.reload()
    await expect(page.locator("#live")).to_contain_text("Live")
    look = "(state) => { Object.defineProperty(document, 'visibilityState', {value: state, configurable: true});"
    look += "document.dispatchEvent(new Event('visibilitychange')) }"
    await page.evaluate(look, "hidden")
    async with page.expect_event(
        "requestfailed", lambda request: request.url.endswith("/feed")
    ):  # that is, ended by us
        await page.clock.fast_forward(61_000)
    unseen = await world.call(page="unseen.png")
    await world.ended(unseen)
    await expect(row(page, unseen)).to_have_count(0)
    await page.evaluate(look, "visible")
    await expect(row(page, unseen)).to_contain_text("Succeeded")
    await expect(page.locator("#live")).to_contain_text("Live")


async def test_a_gateway_that_goes_away_is_said_and_found_again(
    world: World, open_page: OpenPage, broker_environ: dict[str, str], shoot: Callable[..., Awaitable[None]]
) -> None:
    (port,) = free_ports(1)
    database = {"ASYA_DATABASE_URL": f"sqlite:{world.fleet.folder}/away.db"}
    environ = {**broker_environ, **database, "ASYA_GATEWAY_TOKENS": ADMIN, "ASYA_GATEWAY_PORT": str(port)}
    page = await open_page("nowhere", expected=GONE)
    with Gateway(environ) as first:
        await page.goto(first.url)
        await page.evaluate(f"sessionStorage.setItem('asya-token', '{ADMIN}')")
        await page.reload()
        await expect(page.locator("#live")).to_contain_text("Live")
        async with first.client(ADMIN) as http:
            await http.post("/envelopes", json={"id": "before", "actors": ["a"]})
        await expect(row(page, "before")).to_be_visible()
        first.kill()
        await expect(page.get_by_role("status")).to_contain_text("Disconnected from the gateway. What you see is of")
        await expect(page.locator("#live")).to_contain_text("Disconnected")
        await expect(row(page, "before")).to_be_visible()
        await shoot(page, "disconnected-light")
    with Gateway(environ) as second:
        async with second.client(ADMIN) as http:
            await http.post("/envelopes", json={"id": "after", "actors": ["a"]})
        await expect(page.locator("#live")).to_contain_text("Live")
        await expect(row(page, "after")).to_be_visible()
        await expect(page.locator("#banner")).to_be_hidden()
        await expect(page.get_by_role("navigation", name="Views")).to_be_visible()
        await page.goto(f"{second.url}/#/actors")
        await expect(page.get_by_text("status and replicas are not known here")).to_be_visible()
