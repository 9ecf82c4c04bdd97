"""Make the figure of a gallery search in the documentation: a browser's view of `analogen gallery search --html`.

    python recipes/make_gallery_page.py [--output docs/images/gallery_search.webp]

Needs pip install "analogen[gallery]" playwright, and Chromium (apt install chromium, or set CHROMIUM to its path).
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

TREE = Path(__file__).resolve().parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=TREE / "docs" / "images" / "gallery_search.webp")
    output = parser.parse_args().output
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        world, gallery, page = folder / "world", folder / "gallery", folder / "found.html"
        analogen("world", "draw", world, "--count", 900, "--size", 256, "--seed", 4)
        analogen("gallery", "add", world, "--gallery", gallery)
        owls = TREE / "examples" / "ring_of_owls.png"
        analogen("gallery", "search", "--reference", owls, "--gallery", gallery, "--html", page, "--top-k", 10)
        screenshot(page, output)
    print(f"{output}: {output.stat().st_size / 1000:.0f} kB")


def analogen(*arguments: object) -> None:
    subprocess.run([Path(sys.executable).parent / "analogen", *map(str, arguments)], check=True)


def screenshot(page: Path, output: Path) -> None:
    browser_path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        sheet = browser.new_page(viewport={"width": 1100, "height": 600})
        sheet.goto(page.as_uri())
        picture = sheet.screenshot(full_page=True)
        browser.close()
    with Image.open(io.BytesIO(picture)) as image:
        image.convert("RGB").save(output, "WEBP", quality=82, method=6)


if __name__ == "__main__":
    main()
