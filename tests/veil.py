"""Personal values stay out of the output of failing tests: a hook of pytest, asked for in conftest.py.

A test over real data (marker `data`) says where it failed and with which exception, and no more: its texts are other
people's. Of every other failure what has the form of an address or of a number of eleven or more digits is hidden;
values in tests are made up, but their output ends in logs that are searched for leaks. SHOW_VALUES=1 shows everything.
What a test prints past pytest's capture, and a value that pytest itself cut in two, are not seen here; names of tests
are written by hand and hold none (tests/test_canaries.py asks).
"""

import os
import re
from collections.abc import Generator
from typing import Any

import pytest

SHOW = "SHOW_VALUES"

_MAIL = re.compile(r"[^\s'\"<>(),;:=/]{1,64}(?:@|%40|＠|&#64;|\\uff20)[^\s'\"<>(),;/]{2,}")
# Not inside of a digest in hex.
_NUMBER = re.compile(r"(?<![0-9A-Fa-f])\d(?:[ \-.\u200b]{0,2}\d){10,}[Xx]?(?![0-9A-Fa-f])")


def hide(text: str) -> str:
    """Put <mail> and <number> in place of what looks like one."""
    return _NUMBER.sub("<number>", _MAIL.sub("<mail>", text))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Hide values in the report of a test."""
    report = yield
    if report.failed and os.environ.get(SHOW) != "1":
        kind = call.excinfo.typename if call.excinfo else "failure"
        _veil(report, kind, real=item.get_closest_marker("data") is not None)
    return report


def _veil(report: pytest.TestReport, kind: str, *, real: bool) -> None:
    if real:
        report.longrepr = f"{_place(report.longrepr)}: {kind}; values of real data are hidden, {SHOW}=1 shows them"
        report.sections = []
        return
    text = str(report.longrepr)
    if (hidden := hide(text)) != text:
        # Colours and folding are lost where something was hidden, and only there.
        report.longrepr = hidden
    report.sections = [(title, hide(content)) for title, content in report.sections]


def _place(longrepr: Any) -> str:
    crash = getattr(longrepr, "reprcrash", None)
    return f"{crash.path}:{crash.lineno}" if crash else "unknown place"
