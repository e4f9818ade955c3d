"""Pictures of a page in headless Chromium.

python -m tests.report.screenshots PAGE.html OUT.png [--width 1000] [--height 1400] [--dark] [--from TEXT]
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
from pathlib import Path

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def screenshot(page: Path, out: Path, *, width: int, height: int, dark: bool = False, start: str = "") -> None:
    """Write a PNG of the top of a page, or of the part from the heading ``start`` on.

    Raises:
        subprocess.CalledProcessError: the browser failed.
    """
    assert BROWSER is not None
    text = page.read_text(encoding="utf-8")
    if start:
        head, _, body = text.partition("<main>")
        text = f"{head}<main><section><h2>{start}</h2>{body.partition(f'<h2>{start}</h2>')[2]}"
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "page.html")
        copy.write_text(text, encoding="utf-8")
        command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        command += [f"--user-data-dir={folder}/profile", f"--window-size={width},{height}", f"--screenshot={out}"]
        command += ["--blink-settings=preferredColorScheme=0"] if dark else []
        subprocess.run([*command, copy.as_uri()], check=True, capture_output=True, timeout=60)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--width", type=int, default=1000)
    parser.add_argument("--height", type=int, default=1400)
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--from", dest="start", default="")
    screenshot(**vars(parser.parse_args()))
