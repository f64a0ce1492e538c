"""Three nights of a small corpus: new files, another policy, a request to erase, a gate that fails once; and overheads.

    python bench/nightly.py FOLDER [--quick]

FOLDER is made anew, with keys and Prefect's state inside. A Prefect server is started first, and its start is not
counted. Overhead is the wall time of a flow, less that of the same functions called without Prefect, both where nothing
has changed; --quick leaves them out.
"""

import contextlib
import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

CHECKOUT = Path(__file__).parent.parent
BASE = Path(sys.argv[1] if len(sys.argv) > 1 else "nightly").absolute()
os.environ |= {
    "CORPUS_GOV_KEYS": str(BASE / "keys"),
    "PREFECT_HOME": str(BASE / "prefect"),
    # The server is gone before this process is, which would wait for it to take the last lines.
    "PREFECT_LOGGING_TO_API_ENABLED": "false",
}
sys.path[:0] = [str(CHECKOUT / "flows"), str(CHECKOUT / "tests")]

SUITE = """expectations:
  - id: mine.documents
    table: release
    expect: expect_column_values_to_be_between
    column: documents
    min_value: 100000
    says: many documents
"""
DAY = date(2026, 11, 1)


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Return seconds and result."""
    started = time.perf_counter()
    found = call()
    return time.perf_counter() - started, found


def nights(folder: str) -> None:
    """Run the nights, and check after each which releases there are."""
    import govern
    from erase import erase_flow

    from corpus_gov import errors, fulfilment, requests, workspace

    def releases() -> list[str]:
        return workspace.open_workspace(folder).releases()

    first = govern.govern(folder, as_of=DAY, workers=1)
    assert releases() == ["r0001"], releases()
    row = {"text": "A reed warbler builds above the water of the lake. " * 9, "uri": "https://site9.example/new"}
    Path(BASE / "inputs" / "new.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    opened = workspace.open_workspace(folder)
    asked = fulfilment.ask(
        opened, "url", "https://site1.example/page/1", requester="data_subject", basis="eu.gdpr.17", actor="li.na",
        received=DAY - timedelta(days=28), today=DAY, measure="erase",
    )  # fmt: skip
    assert erase_flow(folder, as_of=DAY, physical=True) == {asked.request: "fulfilled"}
    second = govern.govern(folder, as_of=DAY, policy="strict", workers=1)
    assert releases() == ["r0001", "r0002"], releases()
    assert second.run["policy"]["name"] == "strict"
    assert second.run["flow_run"]
    # One more by the new file, one less by the erasure, whose tombstone is counted apart.
    before, after = first.run["counts"], second.run["counts"]
    assert (after["documents"], after["erased"], before["erased"]) == (before["documents"], 1, 0), after
    assert after["captures"]["document"] == before["captures"]["document"], after

    suite = Path(folder, "expectations", "mine.yaml")
    suite.parent.mkdir()
    suite.write_text(SUITE, encoding="utf-8")
    with contextlib.suppress(errors.GateError):
        govern.govern(folder, as_of=DAY + timedelta(days=1), workers=1)
        raise SystemExit("the gate did not stop the release")
    assert releases() == ["r0001", "r0002"], releases()
    suite.unlink()
    govern.govern(folder, as_of=DAY + timedelta(days=1), workers=1)
    assert releases() == ["r0001", "r0002", "r0003"], releases()
    late = fulfilment.ask(
        opened, "url", "https://site1.example/page/6", requester="data_subject", basis="eu.gdpr.17", actor="li.na",
        received=DAY - timedelta(days=90), today=DAY, measure="erase",
    )  # fmt: skip
    with contextlib.suppress(errors.AlarmError):
        erase_flow(folder, as_of=DAY)
        raise SystemExit("a request that is overdue made no alarm")
    assert requests.read(opened, late.request).state == "suppressed"
    print("releases", releases(), "at", datetime.now(UTC).isoformat(timespec="seconds"))


def overheads(folder: str) -> None:
    """Print seconds of flows where nothing is new, with Prefect and without."""
    import erase
    import govern
    import retain

    flows = {
        "govern": (govern, lambda call: call(folder, as_of=DAY + timedelta(days=1), workers=1), "govern"),
        "erase": (erase, lambda call: call(folder, as_of=DAY - timedelta(days=300)), "erase_flow"),
        "retain": (retain, lambda call: call(folder, as_of=DAY), "retain_flow"),
    }
    print("flow     with s  without s  overhead s  tasks")
    for name, (module, ask, entry) in flows.items():
        flow = getattr(module, entry)
        ask(flow)
        with_it = min(timed(lambda ask=ask, flow=flow: ask(flow))[0] for _ in range(3))
        names = [one for one in vars(module) if hasattr(getattr(module, one), "task_run_name")]
        with contextlib.ExitStack() as without:
            for one in names:
                without.enter_context(mock.patch.object(module, one, getattr(module, one).fn))
            for what in ("create_markdown_artifact", "create_table_artifact", "leave"):
                if hasattr(module, what):
                    without.enter_context(mock.patch.object(module, what))
            without.enter_context(mock.patch("common.get_client"))
            without.enter_context(mock.patch("common.concurrency"))
            alone = min(timed(lambda ask=ask, flow=flow: ask(flow.fn))[0] for _ in range(3))
        print(f"{name:8} {with_it:6.2f}  {alone:9.2f}  {with_it - alone:10.2f}  {len(names):5}")


def main() -> None:
    """Make the corpus, start a server, run the nights, measure."""
    import small_corpus

    BASE.mkdir(parents=True)
    small_corpus.write_inputs(BASE / "inputs", 30)
    small_corpus.make(BASE / "w", BASE / "inputs")
    dossier = BASE / "w" / "sources" / "one.yaml"
    dossier.write_text(dossier.read_text(encoding="utf-8").replace("[ab].jsonl", "[abn]*.jsonl"), encoding="utf-8")
    seconds, serving = timed(lambda: importlib.import_module("serve"))
    print(f"importing flows {seconds:.1f} s")
    with contextlib.ExitStack() as held:
        seconds, _ = timed(lambda: held.enter_context(serving.server()))
        print(f"starting the server {seconds:.1f} s")
        nights(str(BASE / "w"))
        if "--quick" not in sys.argv:
            overheads(str(BASE / "w"))


if __name__ == "__main__":
    main()
