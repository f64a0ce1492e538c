"""Every protocol of opting out by its own rules: what a file, a header or a tag says about one page."""

from datetime import timedelta
from typing import Any

import pytest
from documents import rule
from optout_cases import DAY, SHIPPED, pages, said, snapshots

from corpus_gov.errors import RuleError
from corpus_gov.optouts import PROTOCOLS, Statement, aitxt, assets, directives, preferences, rsl, tdmrep
from corpus_gov.optouts.paths import matches, path_of
from corpus_gov.relate.optout import denies, evaluate, question
from corpus_gov.rules import Params, RulePack

HOST = "https://a.example"
TRAINING = ("train-genai", "train-ai", "bots")
OTHERS = {"search": "index"}
USES = {"ai-train": "train", "ai-input": "ai_input", "search": "index"}


def values(statements: list[Statement]) -> list[tuple[str, str]]:
    return [(one.use, one.value) for one in statements]


def state(markup: str, *rows: dict[str, Any], uri: str = f"{HOST}/page") -> str:
    return said(markup, snapshots(*rows), uri)[0]["state"][0].as_py()


@pytest.mark.parametrize(
    ("body", "path", "agents", "denied"),
    [
        # RFC 9309, 2.2.1: the group of the agent holds, and that for every robot only where there is none.
        ("User-agent: foobot\nAllow: /a/\nDisallow: /\n\nUser-agent: *\nDisallow: /a/", "/a/x", ("foobot",), True),
        ("User-agent: FooBot\nDisallow: /a/\nUser-agent: *\nAllow: /", "/a/x", ("foobot",), True),
        # two groups of one agent are one group
        ("User-agent: foo\nDisallow: /a/\n\nUser-agent: bar\nAllow: /\n\nUser-agent: foo\nDisallow: /b/", "/b/x",
         ("foo",), True),
        # several agents share the lines that follow them
        ("User-agent: foo\nUser-agent: bar\nDisallow: /a/", "/a/x", ("bar",), True),
        # 2.2.2: the longest match holds, and Allow where two are equal
        ("User-agent: *\nAllow: /a/page\nDisallow: /a/", "/a/page.html", (), False),
        ("User-agent: *\nAllow: /a/\nDisallow: /a/page", "/a/page.html", (), True),
        ("User-agent: *\nDisallow: /a\nAllow: /a", "/a", (), False),
        # no line matches: allowed; /robots.txt itself is always allowed
        ("User-agent: *\nDisallow: /a/", "/b", (), False),
        # 2.2.3: `*` and `$`
        ("User-agent: *\nDisallow: *.gif$", "/pictures/a.gif", (), True),
        ("User-agent: *\nDisallow: *.gif$", "/pictures/a.gif?x=1", (), False),
        ("User-agent: *\nDisallow: /*/private$", "/x/y/private", (), True),
        # comments and unknown lines change nothing
        ("User-agent: * # all\nCrawl-delay: 3\nDisallow: /a # not this", "/a", (), True),
        # 2.2.2: octets and characters that stand for the same
        ("User-agent: *\nDisallow: /bar/%62%61%7A", "/bar/baz", (), True),
        ("User-agent: *\nDisallow: /bar/\N{KATAKANA LETTER TU}", "/bar/%E3%83%84", (), True),
        # 2.2.4: records that are no rules do not part the agents of a group
        ("User-agent: foo\nCrawl-delay: 3\n\nUser-agent: bar\nDisallow: /a", "/a", ("foo",), True),
        # an empty Disallow allows everything
        ("User-agent: *\nDisallow:", "/a", (), False),
    ],
)  # fmt: skip
def test_robots_txt(body: str, path: str, agents: tuple[str, ...], *, denied: bool) -> None:
    """What RFC 9309 says of groups, matches and special characters holds."""
    assert denies(body.encode(), HOST + path, agents) is denied


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("/", "/a", True),
        ("/a", "/ab", True),
        ("/a$", "/ab", False),
        ("/a$", "/a", True),
        ("/*.php", "/folder/x.php?y", True),
        ("/*.php$", "/x.phpz", False),
        ("/a*b*c", "/axxbyyc", True),
        ("/a*b*c$", "/abcb", False),
        ("/a*a$", "/a", False),
        ("*", "/x", True),
        ("", "/x", False),
        ("/caf\N{LATIN SMALL LETTER E WITH ACUTE}", "/caf%c3%a9/x", True),
        ("/%7Ejoe", "/~joe/x", True),
        ("/a%2Fb", "/a/b", False),
    ],
)
def test_paths(pattern: str, path: str, *, expected: bool) -> None:
    """Prefixes, `*`, `$` and percent-encoding are those of robots.txt."""
    assert matches(pattern, path_of(HOST + path)) is expected


def test_many_stars_cost_no_more_than_length() -> None:
    """A pattern of many `*` is read in time that grows with its length, not with its number of ways."""
    assert not matches("/" + "*a" * 2_000 + "b$", path_of(HOST + "/" + "a" * 4_000))


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        ("train-ai=n", "/", [("train", "deny")]),
        ("train-ai=y, search=n", "/", [("train", "allow"), ("index", "deny")]),
        ("search=y", "/", [("index", "allow")]),
        # the last of two values of a key counts
        ("train-ai=n, train-ai=y", "/", [("train", "allow")]),
        # the more specific use is the one that holds
        ("bots=n, train-ai=y", "/", [("train", "allow")]),
        ("train-ai=y, train-genai=n", "/", [("train", "deny")]),
        # tokens are exact; others, and a key alone, say nothing that can be read
        ("train-ai=N", "/", [("train", "unknown")]),
        ("train-ai", "/", [("train", "unknown")]),
        ('train-ai="n"', "/", [("train", "unknown")]),
        # parameters are read over, unknown keys too
        ("train-ai=n;since=2026;x, other=(1 2)", "/", [("train", "deny")]),
        ("train-ai=n;since=2026;x, other=1", "/", [("train", "deny")]),
        ("train-ai=n,", "/", [("train", "unknown")]),
        ("=n", "/", [("train", "unknown")]),
        ("", "/", []),
    ],
)
def test_content_usage(text: str, path: str, expected: list[tuple[str, str]]) -> None:
    """A field of AI Preferences is a dictionary of RFC 9651; what is none is unknown, and not silence."""
    body = f"User-agent: *\nAllow: /\nContent-Usage: {text}\n".encode()

    assert values(preferences.usage([text], "header", "url", TRAINING, OTHERS)) == expected
    assert values(preferences.usage_of_robots(body, path, (), TRAINING, OTHERS)) == expected


@pytest.mark.parametrize(
    ("path", "agents", "expected"),
    [
        ("/x", (), "deny"),
        ("/blog/x", (), "allow"),
        ("/blog/drafts/x", (), "deny"),
        ("/blog/x", ("GPTBot",), "deny"),
    ],
)
def test_content_usage_of_paths(path: str, agents: tuple[str, ...], expected: str) -> None:
    """Of the lines of a group the one with the longest path holds; any agent's refusal refuses."""
    body = (
        b"User-agent: *\nContent-Usage: train-ai=n\nContent-Usage: /blog/ train-ai=y\n"
        b"Content-Usage: /blog/drafts/ train-ai=n\nDisallow: /x\n\nUser-agent: GPTBot\nContent-Usage: train-ai=n\n"
    )

    found = preferences.usage_of_robots(body, path, agents, TRAINING, OTHERS)

    assert ("deny" if "deny" in {one.value for one in found} else "allow") == expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("User-agent: *\nContent-Signal: search=yes, ai-train=no", [("index", "allow"), ("train", "deny")]),
        ("User-agent: *\nDisallow: /x\nContent-Signal: ai-train=yes", [("train", "allow")]),
        ("Content-Signal: ai-train=no", [("train", "deny")]),
        ("User-agent: *\nContent-Signal: ai-train=maybe", [("train", "unknown")]),
        ("User-agent: *\nContent-Signal: ai-train", [("train", "unknown")]),
        ("User-agent: *\nContent-Signal: other=no", []),
        ("User-agent: SearchBot\nContent-Signal: ai-train=no", []),
        ("User-agent: GPTBot/1.2\nContent-Signal: ai-train=no", [("train", "deny")]),
        ("User-agent: *\nSitemap: /s.xml\nUser-agent: GPTBot\nContent-Signal: ai-train=no",
         [("train", "deny"), ("train", "deny")]),
    ],
)  # fmt: skip
def test_content_signal(lines: str, expected: list[tuple[str, str]]) -> None:
    """A signal holds for the agents of its group; Sitemap between agents parts no group; other signals say nothing."""
    assert values(preferences.signals(lines.encode(), "/", ("GPTBot",), USES)) == expected


@pytest.mark.parametrize(
    ("body", "path", "expected"),
    [
        ('[{"location":"/","tdm-reservation":1}]', "/x", "deny"),
        ('[{"location":"/*","tdm-reservation":0}]', "/x", "allow"),
        ('[{"location":"/","tdm-reservation":1,"tdm-policy":"https://a.example/p"}]', "/x", "conditional"),
        # the first entry that matches holds, not the longest
        ('[{"location":"/","tdm-reservation":0},{"location":"/x","tdm-reservation":1}]', "/x", "allow"),
        ('[{"location":"*.html$","tdm-reservation":1},{"location":"/","tdm-reservation":0}]', "/x.html", "deny"),
        ('[{"location":"/y","tdm-reservation":1}]', "/x", None),
        ('[{"location":"/","tdm-reservation":"1"}]', "/x", "deny"),
        ('[{"location":"/","tdm-reservation":true}]', "/x", "unknown"),
        ('[{"location":"/","tdm-reservation":2}]', "/x", "unknown"),
        ('[{"tdm-reservation":1}]', "/x", "unknown"),
        ('{"policy": "all-rights-reserved"}', "/x", "unknown"),
        ("reserved", "/x", "unknown"),
        ("[]", "/x", None),
    ],
)
def test_tdmrep_file(body: str, path: str, expected: str | None) -> None:
    """The first location that matches holds; a policy makes a reservation conditional; another form is unknown."""
    assert [one.value for one in tdmrep.of_file(body.encode(), path)] == ([expected] if expected else [])


@pytest.mark.parametrize(
    ("markup", "body", "expected"),
    [
        ("", "[]", "allowed"),
        ("http:tdm-reservation: 0", '[{"location":"/","tdm-reservation":1}]', "denied"),
        ("http:tdm-reservation: 1\nmeta:tdm-reservation: 0", "[]", "allowed"),
        ("http:tdm-reservation: 1", "[]", "denied"),
        ("meta:tdm-reservation: 1\nmeta:tdm-policy: https://a.example/p", "[]", "conditional"),
        ("http:tdm-policy: https://a.example/p", "[]", "unknown"),
        ("meta:tdm-reservation: yes", "[]", "unknown"),
    ],
)
def test_tdmrep_of_a_page(markup: str, body: str, expected: str) -> None:
    """Tags come before headers; against the file of the host the stricter of both holds for the document."""
    assert state(markup, {}, {"kind": "tdmrep", "body": body.encode()}) == expected


def licence(*content: str, url: str = "/") -> bytes:
    inner = "".join(content)
    return f'<rsl xmlns="https://rslstandard.org/rsl"><content url="{url}">{inner}</content></rsl>'.encode()


PERMITS = '<permits type="usage">{}</permits>'
PROHIBITS = '<prohibits type="usage">{}</prohibits>'


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (licence(f"<license>{PROHIBITS.format('ai-train')}</license>"), "deny"),
        (licence(f"<license>{PERMITS.format('all')}{PROHIBITS.format('ai-all')}</license>"), "deny"),
        (licence(f"<license>{PERMITS.format('search, ai-index')}</license>"), "deny"),
        (licence(f"<license>{PERMITS.format('search ai-train')}</license>"), "allow"),
        (licence('<license><payment type="free"/></license>'), "allow"),
        (licence('<license><payment type="purchase"/></license>'), "conditional"),
        (licence(f'<license>{PERMITS.format("ai-train")}<permits type="user">education</permits></license>'),
         "conditional"),
        # of several licences the mildest may be taken
        (licence(f"<license>{PROHIBITS.format('all')}</license>", '<license><payment type="crawl"/></license>'),
         "conditional"),
        (licence(), "unknown"),
        (licence("<license/>", url="/other/"), None),
        (b"<html/>", None),
        (b"<rsl", "unknown"),
        (b'<!DOCTYPE r [<!ENTITY a "b">]><rsl>&a;</rsl>', "unknown"),
    ],
)  # fmt: skip
def test_rsl_file(body: bytes, expected: str | None) -> None:
    """Prohibited beats permitted, uses that are not named are not permitted, and payment is a condition."""
    assert [one.value for one in rsl.of_file(body, "/page")] == ([expected] if expected else [])


def test_rsl_that_is_named_and_not_read_is_unknown() -> None:
    """A page or robots.txt that names a licence file leaves terms to read; with the file at hand they are read."""
    naming = b"User-agent: *\nAllow: /\nLicense: https://a.example/license.xml\n"
    paid = licence('<license><payment type="purchase"/></license>')

    assert state("link:rsl: /license.xml", {}) == "unknown"
    assert state('http:link: <https://a.example/l>; rel="license"; type="application/rsl+xml"', {}) == "unknown"
    assert state("", {"body": naming}) == "unknown"
    assert state("", {"body": naming}, {"kind": "rsl", "body": paid}) == "conditional"
    assert state("link:rsl: https://other.example/l", {}, {"kind": "rsl", "body": paid}) == "unknown"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("meta:robots: index, noai", [("train", "deny")]),
        ("meta:robots: noai, noimageai", [("train", "deny"), ("images", "deny")]),
        ("meta:robots: noimageai", [("images", "deny")]),
        ("meta:gptbot: noindex", [("train", "deny")]),
        ("meta:googlebot: noindex", []),
        ("meta:bingbot: nocache", [("ai_input", "deny")]),
        ("meta:kangaroo_bot: noai", [("train", "deny")]),
        ("http:x-robots-tag: noai", [("train", "deny")]),
        ("http:x-robots-tag: gptbot: none", [("train", "deny")]),
        ("http:x-robots-tag: otherbot: noai", [("train", "deny")]),
        ("http:x-robots-tag: unavailable_after: 25 Jun 2030, noai", [("train", "deny")]),
        ("http:x-robots-tag: noindex", []),
        ("meta:description: noai and other tags", []),
    ],
)
def test_directives(line: str, expected: list[tuple[str, str]]) -> None:
    """The word noai refuses training to whomever it is said; noindex does so for agents that do nothing else."""
    kind, _, value = line.partition(": ")

    assert values(directives.of_page({kind: [value]}, ("GPTBot", "Kangaroo Bot"))) == expected


@pytest.mark.parametrize(
    ("body", "path", "expected"),
    [
        ("User-Agent: *\nDisallow: /\nDisallow: *", "/x", "deny"),
        ("User-Agent: *\nAllow: /", "/x", "allow"),
        ("User-Agent: *\nDisallow: *.txt", "/a.txt", "deny"),
        ("User-Agent: *\nDisallow: *.txt", "/a.txt.html", None),
        ("User-Agent: *\nDisallow: *.html", "/a/", "deny"),
        ("User-Agent: *\nDisallow: *.html\nAllow: /free/articles/", "/free/articles/a.html", "allow"),
        ("Owner: somebody", "/x", "unknown"),
        ("# nothing yet\n", "/x", None),
    ],
)
def test_ai_txt(body: str, path: str, expected: str | None) -> None:
    """Paths and suffixes are matched, the longest holds, and an address without a suffix leads to a page."""
    assert [one.value for one in aitxt.of_file(body.encode(), path)] == ([expected] if expected else [])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("DMI-PROHIBITED", [("all", "deny")]),
        ("DMI-PROHIBITED-GENAIMLTRAINING", [("train", "deny")]),
        ("DMI-PROHIBITED-SEECONSTRAINT", [("all", "conditional")]),
        ("DMI-ALLOWED", [("all", "allow")]),
        ("DMI-UNSPECIFIED", []),
        ("DMI-OTHER", [("all", "unknown")]),
    ],
)
def test_data_mining(name: str, expected: list[tuple[str, str]]) -> None:
    """The property of the PLUS vocabulary is read by the last part of its address; unspecified is silence."""
    assert values(assets.of_page({"meta:plus:datamining": [f"http://ns.useplus.org/ldf/vocab/{name}"]})) == expected


def test_silence_and_permission_without_robots_txt_allow_nothing() -> None:
    """A page that permits training is not evaluated as long as nobody asked the host."""
    assert state("http:content-usage: train-ai=y") == "not_evaluated"
    assert state("http:content-usage: train-ai=y", {}) == "allowed"
    assert state("http:content-usage: train-ai=n") == "denied"


def test_strictest_statement_holds() -> None:
    """Refused beats unknown beats conditional beats allowed, whatever the protocol."""
    paid = {"kind": "rsl", "body": licence('<license><payment type="purchase"/></license>')}

    assert state("http:content-usage: train-ai=n\nmeta:tdm-reservation: x", {}, paid) == "denied"
    assert state("meta:tdm-reservation: x", {}, paid) == "unknown"
    assert state("meta:tdm-reservation: 0", {}, paid) == "conditional"


def test_own_agent_that_is_kept_out_is_denied() -> None:
    """Where the robots.txt keeps the crawler itself out, the page is denied even if all others may come."""
    answers = snapshots({"body": b"User-agent: teabot\nDisallow: /\n\nUser-agent: *\nAllow: /\n"})
    asked = pages({"uri": f"{HOST}/page"})

    assert evaluate(asked, answers, SHIPPED)[0]["state"].to_pylist() == ["allowed"]
    assert evaluate(asked, answers, SHIPPED, "TeaBot/1.0 (+https://tea.example)")[0]["state"].to_pylist() == ["denied"]


def test_statements_name_their_evidence() -> None:
    """Each statement has protocol, scope, use, value, digest and time of the evidence, and terms where named."""
    answers = snapshots(
        {"body": b"User-agent: GPTBot\nDisallow: /\n"},
        {"kind": "tdmrep", "fetched_at": DAY - timedelta(days=1),
         "body": b'[{"location":"/","tdm-reservation":1,"tdm-policy":"https://a.example/p"}]'},
    )  # fmt: skip

    table, statements = said("meta:robots: noai", answers)

    rows = {row["protocol"]: row for row in statements.to_pylist()}
    assert set(rows) == {"robots", "tdmrep", "noai"}
    assert rows["robots"]["said"] == "GPTBot"
    assert rows["robots"]["digest"] == table["digest"][0].as_py() == answers["digest"][0].as_py()
    assert (rows["tdmrep"]["condition"], rows["tdmrep"]["value"]) == ("https://a.example/p", "conditional")
    assert rows["tdmrep"]["fetched_at"] == DAY - timedelta(days=1)
    assert rows["noai"]["fetched_at"] == DAY
    assert [table[name][0].as_py() for name in ("robots", "tdmrep", "noai", "rsl")] == [
        "deny", "conditional", "deny", None,
    ]  # fmt: skip


def test_a_host_that_asks_for_payment_is_conditional() -> None:
    """402 on robots.txt is neither a permission nor a refusal."""
    assert state("", {"http_status": 402}) == "conditional"


def test_every_protocol_has_a_rule() -> None:
    """The shipped pack evaluates every protocol that is known."""
    asked = question(SHIPPED)

    assert asked is not None
    assert asked.in_force == set(PROTOCOLS)


def test_rule_of_no_protocol_is_an_error() -> None:
    """A misspelt protocol, or params that nobody reads, stop the run with file and line."""
    for wrong in (rule("optout.robot", screen="optout"),
                  rule("optout.noai", screen="optout", params=Params((("x", 1),)))):  # fmt: skip
        with pytest.raises(RuleError, match=r"^tests.yaml:1: rule 'optout\."):
            question(RulePack("optout", 1, (wrong,)))
