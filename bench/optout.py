"""Compare decisions on robots.txt with two independent parsers, and the other protocols with read answers; speed.

    pip install gpyrobotstxt==1.0.0 robotspy==0.13.0     # in an environment that has corpus_gov
    python bench/optout.py --data ../shared/data

gpyrobotstxt is a port of the parser that Google published beside RFC 9309; robotspy is a parser of its own. Every file
is asked for 11 agents and 4 paths: the root, and up to three that its own lines name. Where an answer differs, the
difference is put under the first of CAUSES that explains it, by the words of the RFC; goal: none is left over. The
files of `ai_optout_files` are read by ours alone and compared with what people read in them.
"""

import argparse
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import zstandard

from corpus_gov.optouts import aitxt, robots, tdmrep
from corpus_gov.relate.optout import evaluate
from corpus_gov.rules import load_pack
from corpus_gov.schemas import SNAPSHOTS, TIME

AGENTS = ("*", "CCBot", "GPTBot", "Google-Extended", "ClaudeBot", "anthropic-ai", "Bytespider", "PerplexityBot",
          "Googlebot", "Baiduspider", "ia_archiver")  # fmt: skip
HOST = "https://host.example"
_RULE = re.compile(r"(?im)^[ \t]*(?:dis)?allow[ \t]*:[ \t]*(/[^\s#*$]*)")
_AGENTS = r"user-?agent[^\r\n]*[\r\n]+"
# Between two lines of User-agent something stands, and no rule.
_OTHER = re.compile(
    rf"(?im)^[ \t\ufeff]*{_AGENTS}(?:(?![ \t]*(?:allow|disallow|user-?agent))[^\r\n]*[\r\n]+)+[ \t]*user-?agent"
)
_MISSPELT = re.compile(
    r"(?im)^[ \t]*(?:user-?agent|(?:dis)?allow)[ \t]+[^:\s]"
    r"|^[ \t]*(?:user agent|useragent|dissallow|dissalow|disalow|diasllow|disallaw)"
)
LEAST_MB = 50.0

CAUSES: dict[str, Callable[[str, str, str], bool]] = {
    "a page or other bytes in place of the file: no line of it is a rule (2.3.1)":
        lambda text, _agent, _path: robots.is_page(text.encode("utf-8", "replace")),
    "/robots.txt itself, which is always allowed (2.2.2); some peers apply rules to it":
        lambda _text, _agent, path: path.split("?")[0] == "/robots.txt",
    "index.htm stands for its folder: Google's own rule, none of the RFC's":
        lambda text, _agent, path: path.endswith("/") and f"{path}index.htm" in text,
    "records other than rules between agents part groups for one, and not by the RFC (2.2.4)":
        lambda text, _agent, _path: bool(_OTHER.search(text)),
    "a group for a longer or shorter token: names are compared whole by one, by their beginning by the other (2.2.1)":
        lambda text, agent, _path: any(token != agent.lower() and token and token in agent.lower()
                                       for token in _tokens(text)),
    "a token with signs that RFC tokens do not have (2.2.1)":
        lambda text, _agent, _path: any(re.search(r"[^a-z_*-]", token) for token in _tokens(text)),
    "lines before any group, or a group without an agent (2.2)":
        lambda text, _agent, _path: _before_group(text),
    "a line that is no key and colon, read by one and not by the other (2.2.4)":
        lambda text, _agent, _path: bool(_MISSPELT.search(text)),
    "an octet or letter that only one of them decodes (2.2.2)":
        lambda text, _agent, path: "%" in path + text or not text.isascii() or not path.isascii(),
    "a rule that does not begin with a slash or star (2.2.2)":
        lambda text, _agent, _path: bool(re.search(r"(?im)^[ \t]*(?:dis)?allow[ \t]*:[ \t]*[^/*\s#]", text)),
    "a question mark, `*` or `$` inside a rule (2.2.3)":
        lambda text, _agent, _path: bool(re.search(r"(?im)^[ \t]*(?:dis)?allow[ \t]*:[^\n#]*[*$?]", text)),
}  # fmt: skip


def main() -> None:
    """Print agreement by parser, causes of differences, the answers for other files and the speed."""
    import gpyrobotstxt.robots_cc as google  # noqa: PLC0415 - the peers are asked for by name
    import robots as robotspy  # noqa: PLC0415

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--files", type=int, default=None, help="of the collection; all where not given")
    parser.add_argument("--show", type=int, default=0, help="print so many differences of each kind")
    given = parser.parse_args()
    rows = list(_rows(given.data / "06_licence" / "robots_txt.jsonl.zst"))[: given.files]

    def by_google(text: str) -> Callable[[str, str], bool]:
        body = text.encode("utf-8", "surrogateescape")
        return lambda agent, path: google.RobotsMatcher().allowed_by_robots(body, [agent], HOST + path)

    def by_robotspy(text: str) -> Callable[[str, str], bool]:
        parsed = robotspy.RobotsParser.from_string(text.removeprefix("\ufeff"))
        # It takes a byte-order mark for a letter; ours takes bytes, and reads it as what it is.
        return lambda agent, path: bool(parsed.can_fetch(agent, path))

    for name, peer in (("gpyrobotstxt 1.0.0", by_google), ("robotspy 0.13.0", by_robotspy)):
        _compare(name, peer, rows, given.show)
    _read_answers(given.data / "06_licence" / "ai_optout_files.jsonl.zst")
    _speed(rows)


def _compare(
    name: str, peer: Callable[[str], Callable[[str, str], bool]], rows: list[dict[str, Any]], show: int
) -> None:
    same, causes, failed = 0, Counter[str](), 0
    asked = 0
    for row in rows:
        text = row["robots_txt"]
        body = text.encode("utf-8", "surrogateescape")
        try:
            allows = peer(text)
            answers = {(agent, path): allows(agent, path) for path in _paths(text) for agent in AGENTS}
        except Exception:  # noqa: BLE001 - a peer may stumble over any file; how often is a result
            failed += 1
            continue
        asked += len(answers)
        for (agent, path), allowed in answers.items():
            if _ours(body, agent, path) == allowed:
                same += 1
                continue
            cause = next((cause for cause, fits in CAUSES.items() if fits(text, agent, path)), "no cause found")
            causes[cause] += 1
            if causes[cause] <= show:
                print(f"    {row['host']} {agent} {path}: peer {'allows' if allowed else 'denies'}; {cause}")
    print(f"{name}: {len(rows)} files ({failed} that it could not read), {same:,} of {asked:,} answers equal "
          f"({same / asked:.5f})")  # fmt: skip
    for cause, n in causes.most_common():
        print(f"  {n:6,}  {cause}")


def _ours(body: bytes, agent: str, path: str) -> bool:
    """Say what our evaluation of one agent is: `denies` alone also asks for `*`."""
    out = robots.kept_out(body, HOST + path, (agent,))
    # An agent without a group of its own is left to that for all others.
    named = robots._parsed(body, (agent,))[1]  # noqa: SLF001 - the bench looks inside on purpose
    return (agent if agent in named else "*") not in out


def _paths(text: str) -> list[str]:
    named = [match[1] for match in _RULE.finditer(text) if match[1] != "/"]
    return list(dict.fromkeys(["/", *named[:1], *(f"{path}x" for path in named[1:2]), *named[-1:]]))


def _tokens(text: str) -> set[str]:
    return {
        match.strip().lower() for match in re.findall(r"(?im)^[ \t]*user-?agent[ \t]*:?[ \t]*([^#\r\n]*)", text)
    } - {"*"}


def _before_group(text: str) -> bool:
    lines = [line.strip().lower() for line in text.splitlines()]
    first = next((i for i, line in enumerate(lines) if line.startswith(("user-agent", "useragent"))), len(lines))
    return any(line.startswith(("allow", "disallow")) for line in lines[:first]) or "user-agent:" in lines


def _read_answers(path: Path) -> None:
    agree, asked = 0, 0
    for row in _rows(path):
        expected, body = row["expected"], row["text"].encode()
        checks: list[tuple[Any, Any]] = []
        if row["path"].endswith("tdmrep.json"):
            found = [one.value for one in tdmrep.of_file(body, "/")]
            reserved = bool(found) and found[0] in {"deny", "conditional"}
            wanted = expected["root_reserved"]
            checks.append(
                ("unknown" if found == ["unknown"] else reserved, "unknown" if isinstance(wanted, str) else wanted)
            )
            checks += [(tdmrep.of_file(body, one)[0].value in {"deny", "conditional"}, True)
                       for one in expected.get("reserved_paths", ())]  # fmt: skip
        elif row["path"].endswith("ai.txt"):
            checks.append(("deny" in {one.value for one in aitxt.of_file(body, "/")}, expected["training_disallowed"]))
        else:
            for key, where in (("can_fetch_root", "/"), ("can_fetch_cart", "/cart")):
                checks += [(_ours(body, agent, where), allowed) for agent, allowed in expected.get(key, {}).items()]
        asked += len(checks)
        agree += sum(one == other for one, other in checks)
        for one, other in checks:
            if one != other:
                print(f"    {row['repo']} {row['path']}: ours {one!r}, read {other!r}")
    print(f"ai_optout_files: {agree} of {asked} answers as read by people")
    assert agree == asked, "goal: every file read as people read it"


def _speed(rows: list[dict[str, Any]]) -> None:
    """Evaluate 50,000 pages over these hosts, 5 kB of text each, one in ten with a header that speaks."""
    n, day = 50_000, datetime(2026, 3, 1, tzinfo=UTC)
    rules = load_pack("common.optout")
    hosts = [f"h{i}.example" for i in range(min(len(rows), 1_000))]
    held = [{"source_id": "s", "host": host, "kind": "robots", "fetched_at": day, "http_status": 200,
             "digest": host, "body": row["robots_txt"].encode("utf-8", "replace")}
            for host, row in zip(hosts, rows, strict=False)]  # fmt: skip
    markup = [f"notice@1/9: {'x' * 200}" + ("\nmeta:robots: noai" if i % 10 == 0 else "") for i in range(n)]
    documents = pa.table({
        "doc_id": [f"{i:032x}" for i in range(n)],
        "uri": pa.array([f"https://{hosts[i % len(hosts)]}/page/{i}.html" for i in range(n)], pa.large_string()),
        "host": [hosts[i % len(hosts)] for i in range(n)],
        "fetched_at": pa.array([day] * n, TIME),
        "markup": pa.array(markup, pa.large_string()),
    })  # fmt: skip
    snapshots = pa.Table.from_pylist(held, schema=SNAPSHOTS)
    seconds = min(_timed(documents, snapshots, rules) for _ in range(3))
    print(f"{n:,} pages of {len(hosts):,} hosts: {seconds:.2f} s of CPU, {n / seconds:,.0f} pages/s, "
          f"{n * 5_000 / 1e6 / seconds:.0f} MB/s at 5 kB of text a page")  # fmt: skip
    assert n * 5_000 / 1e6 / seconds >= LEAST_MB, "goal: 50 MB/s on one core"


def _timed(documents: pa.Table, snapshots: pa.Table, rules: Any) -> float:
    started = time.process_time()
    evaluate(documents, snapshots, rules)
    return time.process_time() - started


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        for line in zstandard.ZstdDecompressor().stream_reader(file).read().decode().split("\n"):
            if line:
                yield json.loads(line)


if __name__ == "__main__":
    main()
