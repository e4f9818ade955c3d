"""Pictures of the page of ``poeem serve``, taken in headless Chromium.

make demo && python -m benchmarks.serve.pictures runs/demo --user 2000 --out docs/figures
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks.serve.process import ServerProcess

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
# Name of the picture: colour scheme, width and height.
SCREENS = {"serve": ("light", 1200, 800), "serve-dark": ("dark", 1200, 800), "serve-small": ("light", 390, 800)}


def browser_path() -> str | None:
    """Path of an installed Chromium; None if there is none."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


@contextmanager
def browsing() -> Iterator[Any]:
    """Start a headless browser; a context manager."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path(), args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


def search_by_user(page: Any, url: str, user: str) -> None:
    """Open the page, search for a user by the keyboard, and choose the first result."""
    page.goto(url)
    page.wait_for_selector("#search:not([hidden])")
    page.locator("#value").fill(user)
    page.keyboard.press("Enter")
    page.wait_for_selector("#maps svg")
    page.locator("#exact button").first.focus()
    page.keyboard.press("Space")


def take_pictures(browser: Any, url: str, user: str, out: Path) -> list[Path]:
    """Take the pictures of `SCREENS`; returns their files."""
    files = []
    for name, (scheme, width, height) in SCREENS.items():
        page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
        search_by_user(page, url, user)
        files.append(out / f"{name}.png")
        page.screenshot(path=files[-1], full_page=name != "serve-small")
        page.close()
        # A quarter of the bytes: a page has few colours.
        with Image.open(files[-1]) as picture:
            smaller = picture.convert("RGB").quantize(96)
        smaller.save(files[-1], optimize=True)
    return files


def main() -> None:
    """Take the pictures of a run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--user", required=True)
    parser.add_argument("--out", type=Path, default=Path("docs/figures"))
    args = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as scratch,
        ServerProcess(args.run, log=Path(scratch) / "log") as server,
        browsing() as browser,
    ):
        print(*take_pictures(browser, server.url, args.user, args.out), sep="\n")


if __name__ == "__main__":
    main()
