"""HTML to PDF, by whatever browser of the Chromium family is installed; nothing is loaded from anywhere."""

import os
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from corpus_gov.errors import ConfigError, StoreError

BROWSER: Final = "CORPUS_GOV_BROWSER"
"""Environment variable that names the browser, where it is none of BROWSERS or not on the path."""

BROWSERS: Final = (
    "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge", "msedge",
)  # fmt: skip

SECONDS: Final = 120
"""A page of this kind takes one or two; a browser that hangs is ended."""


def browser() -> str:
    """Find a browser.

    Raises:
        ConfigError: there is none.
    """
    named = os.environ.get(BROWSER)
    found = next((path for name in ([named] if named else BROWSERS) if (path := shutil.which(name))), None)
    if found is None:
        looked = repr(named) if named else ", ".join(BROWSERS)
        raise ConfigError(
            f"--pdf: found no browser ({looked}), expected one of the Chromium family; install one, name it in "
            f"{BROWSER}, or print the HTML file from any browser"
        )
    return found


def pdf(html: str) -> bytes:
    """Print a page.

    Raises:
        ConfigError: there is no browser.
        StoreError: it printed nothing.
    """
    program = browser()
    with TemporaryDirectory(prefix="corpus-gov-") as folder:
        page, printed = Path(folder, "report.html"), Path(folder, "report.pdf")
        page.write_text(html, encoding="utf-8")
        options = [
            "--headless=new", "--disable-gpu", "--disable-extensions", "--disable-background-networking",
            "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={folder}/profile", "--no-first-run",
            "--no-pdf-header-footer", f"--print-to-pdf={printed}",
        ]  # fmt: skip
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            # Its sandbox refuses root; the page has no script and may load nothing.
            options.append("--no-sandbox")
        try:
            done = subprocess.run(  # noqa: S603 - a program that the operator installed, and our own file
                [program, *options, page.as_uri()], capture_output=True, timeout=SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise StoreError(f"--pdf: {program!r} ended with {type(error).__name__}; print the HTML instead") from error
        if not printed.is_file():
            raise StoreError(
                f"--pdf: {program!r} printed nothing (exit code {done.returncode}), expected a PDF; print the HTML "
                "file from any browser"
            )
        return printed.read_bytes()
