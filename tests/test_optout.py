"""robots.txt as it stood: which snapshot counts, and what it says about a page."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import tiny_crawl
from documents import rule
from hypothesis import given
from hypothesis import strategies as st

from corpus_gov import pipeline
from corpus_gov.engine import Engine
from corpus_gov.errors import RuleError
from corpus_gov.relate.optout import OPTOUTS, denies, optout
from corpus_gov.rules import Params, RulePack, load_pack
from corpus_gov.schemas import SNAPSHOTS, check

DAY = datetime(2026, 3, 1, tzinfo=UTC)
AGENTS = ("GPTBot", "CCBot")
ROBOTS = RulePack("optout", 1, (rule("optout.robots", screen="optout", params=Params((("agents", AGENTS),))),))
DENY = b"User-agent: *\nDisallow: /private/\n"
ALLOW = b"User-agent: *\nDisallow:\n"


def asked(*rows: Mapping[str, Any]) -> pa.Table:
    base = {"uri": "https://a.example/private/1", "host": "a.example", "fetched_at": DAY}
    schema = pa.schema(
        [("doc_id", pa.string()), ("uri", pa.large_string()), ("host", pa.string()), ("fetched_at", OPTOUT_TIME)]
    )
    return pa.Table.from_pylist([base | {"doc_id": f"d{i}"} | row for i, row in enumerate(rows)], schema=schema)


OPTOUT_TIME = pa.timestamp("us", tz="UTC")


def answers(*rows: Mapping[str, Any]) -> pa.Table:
    base = {
        "source_id": "s",
        "host": "a.example",
        "kind": "robots",
        "fetched_at": DAY,
        "http_status": 200,
        "body": DENY,
    }
    filled = [base | row for row in rows]
    return pa.Table.from_pylist(
        [row | {"digest": sha256(row["body"] + str(row["http_status"]).encode()).hexdigest()} for row in filled],
        schema=SNAPSHOTS,
    )


def states(documents: pa.Table, snapshots: pa.Table, rules: RulePack = ROBOTS) -> list[str]:
    table = optout(documents, snapshots, rules)
    check(table, OPTOUTS, "optout")
    return table["state"].to_pylist()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"User-agent: *\nDisallow: /\n", True),
        (b"User-agent: GPTBot\nDisallow: /\n\nUser-agent: *\nAllow: /\n", True),
        (b"\xef\xbb\xbfuser-agent: gptbot\r\ndisallow: /private\r\n", True),
        (b"User-agent: OAI-SearchBot\nDisallow: /\n", False),
        (b"User-agent: *\nDisallow: /\nAllow: /private/\n", False),
        (b"User-agent: *\nDisallow: /*.pdf$\n", False),
        (b"User-agent: *\nDisallow: /other\n", False),
        (b"", False),
        (b"\xff\xfe nonsense", False),
    ],
)
def test_denies(*, body: bytes, expected: bool) -> None:
    """A page is denied when a training agent, or every robot, is kept from its path."""
    assert denies(body, "https://a.example/private/1", AGENTS) is expected


@pytest.mark.parametrize("kind", ["hits", "misses"])
def test_shipped_rule_holds_its_examples(kind: str) -> None:
    """The shipped agents are found in the rule's hits, and the rule's misses deny nothing."""
    shipped = next(rule for rule in load_pack("common.optout").rules if rule.id == "optout.robots")

    found = {
        denies(body.encode(), "https://a.example/page", shipped.params["agents"]) for body in getattr(shipped, kind)
    }

    assert found == {kind == "hits"}


def test_latest_answer_before_the_fetch_counts() -> None:
    """What a host said later does not change what it said when the page was fetched."""
    snapshots = answers(
        {"fetched_at": DAY - timedelta(days=2), "body": ALLOW},
        {"fetched_at": DAY - timedelta(days=1)},
        {"fetched_at": DAY + timedelta(days=1), "body": ALLOW},
    )

    table = optout(asked({}), snapshots, ROBOTS)

    assert table["state"].to_pylist() == ["denied"]
    assert table["digest"].to_pylist() == [snapshots["digest"][1].as_py()]


def test_earliest_later_answer_counts_without_an_earlier_one() -> None:
    """Without an answer before the fetch, the first one after it is the nearest evidence."""
    snapshots = answers({"fetched_at": DAY + timedelta(days=2), "body": ALLOW}, {"fetched_at": DAY + timedelta(days=1)})

    assert states(asked({}), snapshots) == ["denied"]


def test_unknown_times() -> None:
    """A page without a time takes the latest answer; an answer without a time counts as the oldest."""
    snapshots = answers({"fetched_at": None, "body": ALLOW}, {"fetched_at": DAY})

    assert states(asked({"fetched_at": None}, {"fetched_at": DAY - timedelta(days=1)}), snapshots) == [
        "denied",
        "allowed",
    ]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"http_status": 404}, "allowed"),
        ({"http_status": 403}, "allowed"),
        ({"http_status": 429}, "unknown"),
        ({"http_status": 503}, "unknown"),
        ({"http_status": None}, "denied"),
        ({"http_status": 301}, "not_evaluated"),
        ({"body": b"\n<!doctype html><title>404</title>"}, "unknown"),
        ({"body": b"\0\1\2"}, "unknown"),
        ({"kind": "licence"}, "not_evaluated"),
        ({"kind": "ai_txt"}, "unknown"),
        ({"kind": "tdmrep", "body": b'[{"location": "/", "tdm-reservation": 1}]'}, "unknown"),
        ({"kind": "tdmrep", "http_status": 404}, "not_evaluated"),
        ({"kind": "ai_txt", "body": b"<!doctype html><title>404</title>"}, "not_evaluated"),
        ({"kind": "ai_txt", "body": b" \n"}, "not_evaluated"),
        ({"kind": "ai_txt", "host": "b.example"}, "not_evaluated"),
        ({"body": ALLOW + b"Content-Signal: search=yes, ai-train=no\n"}, "unknown"),
        ({"body": ALLOW + b"content-usage: train-ai=n\n"}, "unknown"),
        ({"body": ALLOW + b"# Content-Signal: ai-train=no\n"}, "allowed"),
        ({"body": DENY + b"Content-Signal: ai-train=yes\n"}, "denied"),
        ({"host": "b.example"}, "not_evaluated"),
    ],
)
def test_state_of_an_answer(answer: Mapping[str, Any], expected: str) -> None:
    """4xx allows; 429, 5xx, pages and signals that nobody evaluates are unknown; redirects say nothing."""
    assert states(asked({}), answers(answer)) == [expected]


@pytest.mark.parametrize(
    ("line", "signal"),
    [
        ("http:tdm-reservation: 1", True),
        ("http:tdm-policy: https://a.example/policy.json", True),
        ("http:content-usage: train-ai=n", True),
        ("http:x-robots-tag: noai, noimageai", True),
        ("http:x-robots-tag: gptbot: NOAI", True),
        ("meta:robots: index,noimageai", False),
        ("link:rsl: https://a.example/license.xml", True),
        ("meta:plus:datamining: http://ns.useplus.org/ldf/vocab/DMI-PROHIBITED", True),
        ("meta:tdm-reservation: 1", True),
        ("http:x-robots-tag: noindex", False),
        ("meta:robots: noindex, noarchive", False),
        ("meta:robots: noaim", False),
        ("notice: http:tdm-reservation: noai", False),
        ("link:license: https://a.example/noai", False),
    ],
)
def test_signals_in_the_page_are_not_overlooked(*, line: str, signal: bool) -> None:
    """A reservation of a protocol without a rule turns allowed and not evaluated into unknown, and leaves a denial."""
    lines = pa.array([f"notice: x\n{line}\nnotice: y"] * 3 + [None], pa.large_string())
    uris = ["https://a.example/open", "https://a.example/private/1", None, "https://a.example/open"]
    documents = asked(*({"uri": uri} for uri in uris)).append_column("markup", lines)

    found = states(documents, answers({}))

    changed = ["unknown", "denied", "unknown", "allowed"]
    assert found == (changed if signal else ["allowed", "denied", "not_evaluated", "allowed"])
    assert states(documents, answers({}), RulePack("optout", 1, ())) == ["not_evaluated"] * 4


def test_signals_count_as_of_the_fetch() -> None:
    """An ai.txt that came after the last known state without one does not change what held before."""
    snapshots = answers(
        {"body": ALLOW},
        {"kind": "ai_txt", "http_status": 404, "fetched_at": DAY - timedelta(days=1)},
        {"kind": "ai_txt", "fetched_at": DAY + timedelta(days=1)},
    )

    found = states(asked({}, {"fetched_at": DAY + timedelta(days=2)}), snapshots)

    assert found == ["allowed", "unknown"]


def test_page_without_address_or_rule_is_not_evaluated() -> None:
    """Without an address, or without the rule in force, nothing was looked up and no digest is named."""
    without = optout(asked({"uri": None, "host": None}), answers({}), ROBOTS)
    unruled = optout(asked({}), answers({}), RulePack("optout", 1, ()))

    assert without.select(["state", "digest"]).to_pylist() == [{"state": "not_evaluated", "digest": None}]
    assert unruled.select(["state", "digest"]).to_pylist() == [{"state": "not_evaluated", "digest": None}]


def test_port_is_part_of_the_host() -> None:
    """A robots.txt speaks for its own port only; the scheme's own port is not written."""
    documents = asked(
        {"uri": "http://a.example:8080/private/1"},
        {"uri": "HTTPS://a.example:443/private/1"},
        {"uri": "http://a.example/private/1"},
    )

    assert states(documents, answers({"host": "a.example:8080"})) == ["denied", "not_evaluated", "not_evaluated"]
    assert states(documents, answers({})) == ["not_evaluated", "denied", "denied"]


def test_a_run_finds_the_robots_txt_of_a_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From crawl to manifest: a refusal on port 8080 holds there, and not on the scheme's own port."""
    monkeypatch.setenv("CORPUS_GOV_KEYS", str(tmp_path / "keys"))
    own, other = "http://tea.example", "http://tea.example:8080"
    pages = [
        (f"{other}/robots.txt", "text/plain", b"User-agent: *\nDisallow: /\n"),
        *((f"{base}/a", "text/html", tiny_crawl.page(base, tiny_crawl.BRIDGE)) for base in (own, other)),
    ]
    monkeypatch.setattr(tiny_crawl, "captures", lambda: [(uri, "200 OK", kind, body) for uri, kind, body in pages])
    workspace = tiny_crawl.make(tmp_path / "w")

    with Engine(workers=1) as engine:
        pipeline.run(workspace, engine=engine, as_of=date(2026, 11, 1))

    rows = workspace.release().table("manifest").to_pylist()
    assert {row["uri"]: row["optout_state"] for row in rows} == {f"{own}/a": "not_evaluated", f"{other}/a": "denied"}


def test_address_that_cannot_be_parsed_is_unknown() -> None:
    """An address that no parser reads gives no answer, rather than a permission."""
    assert states(asked({"uri": "https://a.example]/x y%"}), answers({})) == ["unknown"]


def test_agents_must_be_a_list() -> None:
    """A rule without a list of agents is an error of the pack, with file and line."""
    pack = RulePack("optout", 1, (rule("optout.robots", screen="optout", params=Params((("agents", "GPTBot"),))),))

    with pytest.raises(RuleError, match=r"^tests.yaml:1: rule 'optout.robots'"):
        optout(asked({}), answers({}), pack)


def test_empty_tables() -> None:
    """Nothing in, nothing out."""
    assert states(asked(), answers({})) == []
    assert states(asked({}), answers()) == ["not_evaluated"]


@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "b", "c"]), st.one_of(st.none(), st.integers(0, 6))), min_size=1, max_size=8
    ),
    st.lists(
        st.tuples(st.sampled_from(["a", "b"]), st.one_of(st.none(), st.integers(0, 6)), st.booleans()), max_size=8
    ),
    st.randoms(use_true_random=False),
)
def test_same_as_looking_one_by_one(
    pages: list[tuple[str, int | None]], said: list[tuple[str, int | None, bool]], random: Any
) -> None:
    """The joined result is that of a search document by document, for any order of both tables."""

    def at(day: int | None) -> datetime | None:
        return None if day is None else DAY + timedelta(days=day)

    documents = asked(*({"host": host, "uri": f"https://{host}/private/1", "fetched_at": at(t)} for host, t in pages))
    rows = [{"host": host, "fetched_at": at(t), "body": DENY if deny else ALLOW} for host, t, deny in said]
    random.shuffle(rows)

    def one(host: str, day: int | None) -> str:
        mine = sorted(
            (-1 if t is None else t, sha256((DENY if d else ALLOW) + b"200").hexdigest(), d)
            for h, t, d in said
            if h == host
        )
        earlier = [answer for answer in mine if day is None or answer[0] <= day]
        later = [answer for answer in mine if answer not in earlier]
        answer = earlier[-1:] or later[:1]
        return "not_evaluated" if not answer else "denied" if answer[0][2] else "allowed"

    assert states(documents, answers(*rows)) == [one(host, day) for host, day in pages]
