"""The page in headless Chromium: keyboard, small screens, dark mode, screen readers, errors, no request elsewhere."""

from __future__ import annotations

import warnings

import pytest

from benchmarks.serve.forked import ForkedServer
from benchmarks.serve.pictures import SCREENS, browser_path, browsing, search_by_user, take_pictures

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(browser_path() is None, reason="no Chromium here: apt-get install chromium"),
]


@pytest.fixture(scope="module")
def server(trained, tmp_path_factory):
    with ForkedServer(trained, log=tmp_path_factory.mktemp("page") / "log") as server:
        yield server


@pytest.fixture(scope="module")
def browser():
    with browsing() as browser:
        yield browser


@pytest.fixture
def page(browser):
    """A page that notes all errors of its console, and all requests to other servers."""
    page = browser.new_page()
    page.set_default_timeout(20_000)
    page.wrong = []
    page.on("console", lambda message: page.wrong.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: page.wrong.append(str(error)))
    page.on("request", lambda request: page.wrong.append(request.url) if "127.0.0.1" not in request.url else None)
    yield page
    page.close()


def violations(page) -> list[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from axe_playwright_python.sync_playwright import Axe
    found = Axe().run(page).response["violations"]
    return [f"{one['id']}: {[node['html'] for node in one['nodes']][:2]}" for one in found]


def test_the_keyboard_alone_searches_and_chooses(page, server):
    page.goto(server.url)
    page.wait_for_selector("#search:not([hidden])")
    page.keyboard.press("Tab")  # the link that skips to the search
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.value") == "user"
    page.keyboard.press("Tab")
    page.keyboard.type("u3")
    page.keyboard.press("Enter")
    page.wait_for_selector("#maps svg")
    assert page.locator("#exact tr").count() == page.locator("#index tr").count() == 10
    assert page.locator("#status").inner_text().startswith("The index ")
    for _ in range(3):  # results, lists, button, first item
        page.keyboard.press("Tab")
    page.locator("#exact button").first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    assert page.locator("#exact button").nth(1).get_attribute("aria-pressed") == "true"
    assert page.locator("#maps svg circle").count() == 2
    assert "codeword" in page.locator("#maps svg").first.get_attribute("aria-label")
    assert page.wrong == []


def test_what_it_shows_is_what_exact_search_and_the_index_find(page, server, trained):
    import numpy as np

    from poeem.training.load import load_run, recipe_of

    run = load_run(trained)
    search_by_user(page, server.url, "u3")
    query = run.encode_users(["u3"])[0].astype(np.float64)
    known = {*run.known_items(["u3"])[0], *run.untrained_ids}
    order = np.argsort(-(run.item_vectors() @ query))
    exact = [id for id in run.bundle.ids[order] if id not in known][:10]
    rows = recipe_of(trained).search(run, {"user": "u3"}, 10, None).rows[0]
    index = run.bundle.ids[rows].tolist()
    shown = {name: page.locator(f"#{name} button").all_inner_texts() for name in ("exact", "index")}
    assert shown == {"exact": [f"Title of {id}" for id in exact], "index": [f"Title of {id}" for id in index]}
    lost = [f"Title of {id}" for id in exact if id not in index]
    assert page.locator("#exact tr.lost button").all_inner_texts() == lost
    assert all(
        "codes" in text or "list" in text for text in page.locator("#exact tr.lost .why").all_inner_texts()[1::2]
    )
    assert page.locator("dd").first.inner_text() == f"{100 - 10 * len(lost)} %"


@pytest.mark.parametrize("name", SCREENS)
def test_no_violation_of_accessibility_and_nothing_beside_the_screen(browser, server, name):
    scheme, width, height = SCREENS[name]
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
    page.goto(server.url)
    page.wait_for_selector("#search:not([hidden])")
    assert violations(page) == []
    search_by_user(page, server.url, "u3")
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.goto(f"{server.url}/nothing")
    assert violations(page) == []
    page.close()


def test_dark_screens_and_first_paint(browser, server):
    colours = set()
    for scheme in ("light", "dark"):
        page = browser.new_page(color_scheme=scheme)
        page.goto(server.url)
        page.wait_for_selector("#search:not([hidden])")
        colours.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        paint = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
        assert page.evaluate(paint) < 3000  # 1 s on an idle machine
        page.close()
    assert len(colours) == 2


def test_errors_say_what_to_do_and_where(page, server):
    page.goto(server.url)
    page.wait_for_selector("#search:not([hidden])")
    page.keyboard.press("Enter")
    page.locator("#value").fill("nobody")
    page.keyboard.press("Enter")
    page.wait_for_selector("#error:not([hidden])")
    assert "user (='nobody') is not among the 100 known ones" in page.locator("#error").inner_text()
    assert page.evaluate("document.activeElement.id") == "value"
    assert page.locator("#value").get_attribute("aria-invalid") == "true"
    assert violations(page) == []
    page.goto(f"{server.url}/nothing")
    assert page.locator("a").first.get_attribute("href") == "/"
    page.wrong.clear()  # the browser itself reports the statuses 404 and 422


def test_a_key_is_asked_for(page, trained, tmp_path):
    with ForkedServer(trained, "--api-key", "secret", log=tmp_path / "log") as server:
        page.goto(server.url)
        page.wait_for_selector("#key-form:not([hidden])")
        assert page.evaluate("document.activeElement.id") == "key"
        assert violations(page) == []
        page.keyboard.type("secret")
        page.keyboard.press("Enter")
        page.wait_for_selector("#search:not([hidden])")
        search_by_user(page, server.url, "u3")
        server.kill()
        page.locator("#value").fill("u4")
        page.keyboard.press("Enter")
        page.wait_for_selector("#error:not([hidden])")
        assert "Is it still running?" in page.locator("#error").inner_text()


def test_the_pictures_of_the_docs(browser, server, tmp_path):
    files = take_pictures(browser, server.url, "u3", tmp_path)
    assert all(file.stat().st_size > 10_000 for file in files)
