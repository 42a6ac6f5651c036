"""The page at /docs: what is served, and what a real browser makes of it."""

from __future__ import annotations

import re
import shutil
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from gateway.reference import FOLDER
from gateway.running import RunningGateway
from tests.gateway.zoo import operations_of

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
WAIT_MS = 30_000


async def test_the_page_and_its_files_are_served_under_a_strict_policy(
    http: httpx.AsyncClient,
) -> None:
    for path in ["/docs", *(f"/docs/{file.name}" for file in FOLDER.iterdir())]:
        answer = await http.get(path)

        assert answer.status_code == 200
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_page_that_is_had_is_not_sent_again(http: httpx.AsyncClient) -> None:
    for path in ("/docs", "/docs/page.js", "/openapi.json"):
        first = await http.get(path)
        tag = first.headers["etag"]

        again = await http.get(path, headers={"if-none-match": f'"other", {tag}'})
        strong = await http.get(path, headers={"if-none-match": tag.removeprefix("W/")})
        other = await http.get(path, headers={"if-none-match": '"other"'})
        head = await http.head(path)

        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert strong.status_code == 304
        assert (other.status_code, other.content) == (200, first.content)
        assert first.headers["cache-control"] == "no-cache"
        assert (head.status_code, head.headers["etag"], head.content) == (200, tag, b"")


async def test_packed_and_plain_forms_share_a_tag_that_does_not_say_that_they_are_equal(
    http: httpx.AsyncClient,
) -> None:
    forms = [
        await http.get("/openapi.json", headers={"accept-encoding": encoding})
        for encoding in ("identity", "gzip", "deflate")
    ]

    assert [form.headers.get("content-encoding") for form in forms] == [None, "gzip", "deflate"]
    [tag] = {form.headers["etag"] for form in forms}
    assert tag.startswith('W/"')


async def test_only_what_is_there_can_be_had_and_only_read(http: httpx.AsyncClient) -> None:
    assert (await http.post("/docs")).status_code == 405
    assert (await http.get("/docs/none.js")).status_code == 404
    assert (await http.get("/docs/%2e%2e/reference.py")).status_code == 404


def test_the_files_name_nothing_beyond_this_gateway() -> None:
    for file in FOLDER.iterdir():
        addresses = re.findall(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]+\S*", file.read_text())
        assert [address for address in addresses if "www.w3.org" not in address] == []


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("there is no chromium on this machine")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        await browser.close()


@pytest.fixture
async def page(browser: Browser, gateway: RunningGateway) -> AsyncIterator[Page]:
    """The page, read; it may have complained of nothing and asked nobody else."""
    complaints: list[str] = []
    asked: list[str] = []
    page = await browser.new_page()
    page.set_default_timeout(WAIT_MS)
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    home = f"http://127.0.0.1:{gateway.port}"
    await page.goto(f"{home}/docs")
    await expect(page.locator("main")).not_to_have_attribute("aria-busy", "true", timeout=WAIT_MS)
    yield page
    # Chromium tells of answers such as 400, which tests ask for.
    assert [one for one in complaints if "Failed to load resource" not in one] == []
    assert [url for url in asked if not url.startswith((home, "blob:"))] == []


async def test_the_page_lists_every_operation(page: Page, http: httpx.AsyncClient) -> None:
    document = (await http.get("/openapi.json")).json()

    shown = [
        tuple(await view.locator("> summary > *").all_inner_texts())
        for view in await page.locator(".operation").all()
    ]

    assert sorted(shown) == sorted(
        (verb, path, operation["summary"]) for path, verb, operation in operations_of(document)
    )


async def test_every_operation_opens(page: Page) -> None:
    operations = page.locator(".operation")

    await page.evaluate("document.querySelectorAll('.operation').forEach(one => one.open = true)")

    count = await operations.count()
    forms = page.locator(".operation > .body > form.try")
    # WebSockets have frames in the place of a form.
    frames = page.locator(".operation > .body > section:has(> h3:text-is('Frames'))")
    sockets = await operations.filter(has=page.get_by_text("(WebSocket)")).count()
    await expect(frames).to_have_count(sockets)
    await expect(forms).to_have_count(count - sockets)
    assert sockets
    # Parameters, bodies and answers, and what is folded in them.
    await page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    await expect(page.locator(".answer .media").first).to_be_visible()


async def test_a_request_can_be_tried(page: Page) -> None:
    form = await opened(page, "PredictorService_Predict_3")
    await form.locator("textarea").fill('{"features": [1, 2]}')

    await form.get_by_role("button", name="Send").click()

    await expect(form.locator(".status")).to_have_text("200")
    await expect(form.locator(".answered")).to_contain_text('"prediction": "a"')
    await form.get_by_text("As curl").click()
    await expect(form.locator(".result")).to_contain_text("--data-binary '{\"features\": [1, 2]}'")


async def test_parameters_go_where_they_belong_and_failures_are_shown(page: Page) -> None:
    form = await opened(page, "PredictorService_Predict")
    await form.locator('input[name="model"]').fill("no such/model")
    await form.locator('input[name="X-Request-Id"]').fill("from-the-page")
    await form.locator("textarea").fill('{"features": [1, 2]}')

    await form.get_by_role("button", name="Send").click()

    await expect(form.locator(".status")).to_have_text("404")
    await expect(form.locator(".answered")).to_contain_text("no such/model")
    await form.get_by_text("Headers").click()
    await expect(form.locator(".result")).to_contain_text("x-request-id: from-the-page")


async def test_a_file_can_be_sent_as_a_form(page: Page) -> None:
    form = await opened(page, "GatewayService_Analyze")
    await form.get_by_label("Media type").select_option("multipart/form-data")
    file: Any = {"name": "a.png", "mimeType": "image/png", "buffer": b"no image"}
    await form.locator('input[type="file"]').set_input_files(file)
    await form.locator('input[name="features"]').fill("1,2")

    await form.get_by_role("button", name="Send").click()

    await expect(form.locator(".status")).to_have_text("200")
    await expect(form.locator(".answered")).to_contain_text('"prediction": "a"')
    await expect(form.locator(".answered")).to_contain_text("mlmesh.v1.VisionService is not part")


async def test_the_list_can_be_searched(page: Page) -> None:
    await page.get_by_label("Find").fill("embed text")

    visible = page.locator(".operation:visible > summary > .path")
    await expect(page.locator(".operation:visible").first).to_be_visible()
    assert {"/embed", "/v1/text:embed"} <= set(await visible.all_inner_texts())
    assert "/predict" not in await visible.all_inner_texts()


async def opened(page: Page, name: str) -> Any:
    """The form of an operation, found as by a link to it."""
    await page.evaluate(f"location.hash = '{name}'")
    form = page.locator(f"#{name} form.try")
    await expect(form).to_be_visible()
    return form
