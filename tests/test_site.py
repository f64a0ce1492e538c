"""The documentation site."""

import re
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).parent.parent
LOADED = re.compile(r"""(?:src|href)=["'](?:https?:)?//[^"']+\.(?:js|css|woff2?|png|svg)\b""")


def test_the_site_builds_and_loads_nothing(tmp_path: Path) -> None:
    """Every page builds without a warning, every page is reached, and none loads anything from another host."""
    call = [
        sys.executable,
        "-m",
        "sphinx",
        "-W",
        "--keep-going",
        "-q",
        "-b",
        "html",
        str(CHECKOUT / "docs"),
        str(tmp_path),
    ]

    done = subprocess.run(call, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    pages = {
        page.relative_to(tmp_path).as_posix(): page.read_text(encoding="utf-8") for page in tmp_path.rglob("*.html")
    }
    assert {"index.html", "tutorial.html", "zh.html", "security.html", "python.html", "comparison.html"} <= pages.keys()
    assert {name: LOADED.findall(text) for name, text in pages.items() if LOADED.search(text)} == {}
