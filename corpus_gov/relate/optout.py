"""What hosts and pages said about machines, as it stood when a page was fetched: one state a document, and all of it.

A page is denied when any protocol refuses training for it; for robots.txt, when any training agent, or every robot,
was kept from it. Silence is not consent: without a robots.txt the state is `not_evaluated`, whatever else permits, and
what cannot be read, or is of a protocol without a rule in force, is `unknown`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov.optouts import (
    PROTOCOLS,
    TRAINING,
    VALUES,
    Lines,
    Statement,
    aitxt,
    assets,
    directives,
    lines_of,
    preferences,
    robots,
    rsl,
    strictest,
    tdmrep,
)
from corpus_gov.optouts.paths import path_of
from corpus_gov.rules import RulePack, check_params
from corpus_gov.schemas import TIME, field, table
from corpus_gov.sources.hosts import origin

VERSION: Final = 2
LIBRARIES: Final = ("protego",)
RULE: Final = "optout.robots"
PREFIX: Final = "optout."

OPTOUTS: Final = table(
    "optouts",
    2,
    "What was in force for each document, in one word and by protocol.",
    field("doc_id", pa.string(), "The document."),
    field("state", pa.string(), "One of OPTOUT_STATES."),
    field("digest", pa.string(), "SHA-256 of what decided: a snapshot, or a line of markup.", null=True),
    *(
        field(name, pa.string(), f"Strictest value of {name} for training; null where it says nothing.", null=True)
        for name in PROTOCOLS
    ),
)

STATEMENTS: Final = table(
    "statements",
    1,
    "Everything that was said about each document, one row a statement.",
    field("doc_id", pa.string(), "The document."),
    field("protocol", pa.string(), "One of optouts.PROTOCOLS."),
    field("place", pa.string(), "robots.txt, ai.txt, tdmrep.json, rsl, header, meta, jsonld."),
    field("scope", pa.string(), "What it speaks for: host, path, url or asset."),
    field("use", pa.string(), "train, tdm, all; or index, ai_input, images, which decide nothing."),
    field("value", pa.string(), "deny, unknown, conditional or allow."),
    field("said", pa.string(), "The words that decided; of robots.txt the agents that are kept out."),
    field("condition", pa.string(), "Address of the terms.", null=True),
    field("digest", pa.string(), "SHA-256 of the evidence: a snapshot, or a line of markup."),
    field("fetched_at", TIME, "When the evidence was fetched.", null=True),
)

KINDS: Final = ("robots", "ai_txt", "tdmrep", "rsl")
"""Kinds of snapshot that are evaluated."""

STATES: Final = dict(zip(VALUES, ("denied", "unknown", "conditional", "allowed"), strict=True))

# Lines of DOCUMENTS.markup that a protocol may read; what they say is for the protocols.
_MARKUP: Final = (
    r"(?im)^(?:(?:http|meta):(?:tdm-reservation|tdm-policy|content-usage): |link:rsl: "
    r"|http:link: .*rsl|(?:meta|jsonld):(?:plus:)?datamining: "
    r"|(?:http:x-robots-tag|meta:\S+): (?:.*[^a-z])?(?:no(?:image)?ai|noindex|none|nocache|noarchive)(?:[^a-z]|$))"
)

_PAYMENT_REQUIRED: Final = 402
_TOO_MANY_REQUESTS: Final = 429

_PORT: Final = r"^(?P<scheme>[A-Za-z]+)://(?:[^/?#@\\]*@)?(?:\[[^\]]*\]|[^/?#@:\\\[\]\s]+):0*(?P<port>[0-9]+)"
_OWN_PORTS: Final = ("http:80", "https:443")


class Spoken(NamedTuple):
    """A statement about one row, with its evidence."""

    row: int
    statement: Statement
    digest: str
    fetched_at: Any


@dataclass(frozen=True)
class Question:
    """What the rules in force ask of all protocols."""

    agents: tuple[str, ...]
    signals: Mapping[str, str]
    training: tuple[str, ...]
    others: Mapping[str, str]
    in_force: frozenset[str]


def denies(body: bytes, uri: str, agents: Iterable[str]) -> bool:
    """Say whether a robots.txt keeps any of the agents, or every robot, from a URI; see `robots.kept_out`."""
    return bool(robots.kept_out(body, uri, agents))


def question(rules: RulePack, own: str | None = None) -> Question | None:
    """Read the rules: None where optout.robots is not among them, and nothing is evaluated.

    Args:
        rules: of the screen optout.
        own: name of the agent that fetched the pages; only its product token counts.

    Raises:
        RuleError: a rule is of no protocol, or has params that its protocol does not read.
    """
    by_name = {}
    for rule in rules.rules:
        name = rule.id.removeprefix(PREFIX)
        if name not in PROTOCOLS:
            raise rule.error(f"found the protocol {name!r}, expected one of {PROTOCOLS!r}; correct the id")
        check_params(rule, *_PARAMS.get(name, ({}, {})))
        by_name[name] = rule
    if "robots" not in by_name:
        return None
    agents = by_name["robots"].params["agents"]
    token = robots.token(own) if own else ""
    signals = by_name["content_signal"].params["uses"] if "content_signal" in by_name else {}
    usage: Mapping[str, Any] = by_name["content_usage"].params if "content_usage" in by_name else {}
    return Question(
        agents=(*agents, *([token] if token and token not in {one.lower() for one in agents} else [])),
        signals=signals or {"ai-train": "train"},
        training=usage.get("training", ("train-ai",)),
        others=usage.get("others", {}),
        in_force=frozenset(by_name),
    )


_PARAMS: Final[Mapping[str, tuple[Mapping[str, type], Mapping[str, type]]]] = {
    "robots": ({"agents": tuple}, {"evaluated_as": str}),
    "content_signal": ({"uses": Mapping}, {}),
    "content_usage": ({"training": tuple}, {"others": Mapping}),
}
"""Params that rules need, and may have, by protocol; other rules have none."""


def optout(documents: pa.Table, snapshots: pa.Table, rules: RulePack, own: str | None = None) -> pa.Table:
    """Return the states alone; see `evaluate`."""
    return evaluate(documents, snapshots, rules, own)[0]


def evaluate(
    documents: pa.Table, snapshots: pa.Table, rules: RulePack, own: str | None = None
) -> tuple[pa.Table, pa.Table]:
    """Evaluate what was in force for every document.

    In force is the host's latest answer at or before the fetch, or else the earliest after it. A document without
    a time takes the latest, a snapshot without one counts as the oldest, and redirects are no answer. A robots.txt
    served with 4xx allows everything (RFC 9309, 2.3.1.3), but 402 asks for payment; with 5xx or 429, or as a page
    instead, it is `unknown`. Other files count where they were served; what pages say in headers and tags is theirs.

    Args:
        documents: n rows of doc_id, uri, host, fetched_at and, where it is known, markup.
        snapshots: SNAPSHOTS; those of KINDS are read.
        rules: of the screen optout; without optout.robots nothing is evaluated.
        own: name of the agent that fetched the pages, where it is known.

    Returns:
        OPTOUTS, n rows in the order of `documents`, and STATEMENTS in that order.

    Raises:
        RuleError: as for `question`.
    """
    asked = question(rules, own)
    spoken = _heard(documents, snapshots, asked) if asked else []
    spoken.sort(key=lambda one: (one.row, PROTOCOLS.index(one.statement.protocol), one.statement[1:6]))
    return _states(documents, spoken), _statements(documents, spoken)


def _heard(documents: pa.Table, snapshots: pa.Table, asked: Question) -> list[Spoken]:
    spoken: list[Spoken] = []
    for kind in KINDS:
        answers = _answers(snapshots, kind)
        chosen = _in_force(documents, answers)
        for number in np.unique(chosen[chosen >= 0]).tolist():
            rows = np.flatnonzero(chosen == number)
            answer = answers.slice(number, 1).to_pylist()[0]
            uris = documents["uri"].take(pa.array(rows)).to_pylist()
            said = _of_answer(kind, answer, asked)
            known = {uri: said(uri) for uri in dict.fromkeys(uris)}
            spoken += [
                Spoken(row, statement, answer["digest"], answer["fetched_at"])
                for row, uri in zip(rows.tolist(), uris, strict=True)
                for statement in known[uri]
            ]
    read = {one.row for one in spoken if one.statement.place == rsl.FILE}
    spoken = [one for one in [*spoken, *_of_pages(documents, asked)] if not _is_read(one, read, documents)]
    return [one._replace(statement=_if_ruled(one.statement, asked)) for one in spoken]


def _if_ruled(statement: Statement, asked: Question) -> Statement:
    """Turn what a protocol without a rule in force says into what nobody evaluated."""
    ruled = statement.protocol in asked.in_force
    return statement if ruled else statement._replace(value="unknown", said=f"no rule: {statement.said}")


def _is_read(one: Spoken, read: set[int], documents: pa.Table) -> bool:
    """Say whether a statement only names the licence file of the host, which was read."""
    statement = one.statement
    if statement.protocol != "rsl" or statement.place == rsl.FILE or one.row not in read:
        return False
    address = statement.condition or ""
    return "://" not in address or origin(address) == origin(documents["uri"][one.row].as_py())


def _of_answer(kind: str, answer: Mapping[str, Any], asked: Question) -> Callable[[str], list[Statement]]:
    """Return what tells the statements of one snapshot about an address."""
    status, body = answer["http_status"] or 200, answer["body"]
    if kind != "robots":
        of_file = {"ai_txt": aitxt.of_file, "tdmrep": tdmrep.of_file, "rsl": rsl.of_file}[kind]
        # Hosts without such a file answer with an error, with nothing or with a page.
        silent = not 200 <= status < 300 or not body.strip() or (kind != "rsl" and robots.is_page(body))
        return lambda uri: [] if silent else _by_path(kind, uri, lambda path: of_file(body, path))
    if status == _PAYMENT_REQUIRED:
        return lambda _: [_host("payment", "conditional", status)]
    # Who was asked too often did not say that there is no robots.txt.
    if 400 <= status < 500 and status != _TOO_MANY_REQUESTS:
        return lambda _: [_host("robots", "allow", status)]
    if not 200 <= status < 300 or robots.is_page(body):
        return lambda _: [_host("robots", "unknown", status)]
    return lambda uri: _by_path("robots", uri, lambda path: _of_robots(body, uri, path, asked))


def _by_path(protocol: str, uri: str, said: Callable[[str], list[Statement]]) -> list[Statement]:
    try:
        return said(path_of(uri))
    except ValueError:
        # An address that nobody can parse gives no answer, rather than a permission.
        return [Statement(protocol, "address", "url", "train", "unknown", "not parsed")]


def _host(protocol: str, value: str, status: int) -> Statement:
    said = f"status {status}" if not 200 <= status < 300 else "a page"
    return Statement(protocol, robots.PLACE, "host", "train", value, said)


def _of_robots(body: bytes, uri: str, path: str, asked: Question) -> list[Statement]:
    found = [robots.statement(body, uri, asked.agents)]
    if robots.groups(body):
        found += preferences.signals(body, path, asked.agents, asked.signals)
        found += preferences.usage_of_robots(body, path, asked.agents, asked.training, asked.others)
        found += rsl.named(body)
    return found


def of_page(lines: Lines, asked: Question) -> list[Statement]:
    """Return what the headers and tags of a page say."""
    return [
        *preferences.usage_of_page(lines, asked.training, asked.others),
        *tdmrep.of_page(lines),
        *rsl.of_page(lines),
        *directives.of_page(lines, asked.agents),
        *assets.of_page(lines),
    ]


def _of_pages(documents: pa.Table, asked: Question) -> Iterator[Spoken]:
    if "markup" not in documents.schema.names:
        return
    found = pc.fill_null(pc.match_substring_regex(documents["markup"], _MARKUP), False)  # noqa: FBT003 - pyarrow's own
    for row in np.flatnonzero(np.asarray(found)).tolist():
        lines = lines_of(documents["markup"][row].as_py())
        for statement in of_page(lines, asked):
            digest = sha256(_evidence(lines, statement).encode()).hexdigest()
            yield Spoken(row, statement, digest, documents["fetched_at"][row].as_py())


def _evidence(lines: Lines, statement: Statement) -> str:
    """Return the lines of a page that can have led to a statement: those of its place, in page order."""
    prefixes = {"header": ("http:",), "meta": ("meta:", "link:")}.get(statement.place, (f"{statement.place}:",))
    chosen = ((kind, value) for kind, values in lines.items() if kind.startswith(prefixes) for value in values)
    return "\n".join(f"{kind}: {value}" for kind, value in chosen)


def _states(documents: pa.Table, spoken: Sequence[Spoken]) -> pa.Table:
    """Put statements together: the strictest on training holds, and without a robots.txt nothing is allowed."""
    n = len(documents)
    by_row: dict[int, list[Spoken]] = {}
    for one in spoken:
        if one.statement.use in TRAINING:
            by_row.setdefault(one.row, []).append(one)
    state: list[str] = ["not_evaluated"] * n
    digest: list[str | None] = [None] * n
    columns: dict[str, list[str | None]] = {name: [None] * n for name in PROTOCOLS}
    for row, said in by_row.items():
        value = strictest(one.statement.value for one in said)
        asked_host = any(one.statement.place == robots.PLACE for one in said)
        if value is not None and (value != "allow" or asked_host):
            state[row] = STATES[value]
            digest[row] = next(one.digest for one in said if one.statement.value == value)
        for one in said:
            columns[one.statement.protocol][row] = strictest(
                {one.statement.value, columns[one.statement.protocol][row] or "allow"}
            )
    return pa.table(
        [documents["doc_id"].cast(pa.string()), pa.array(state, pa.string()), pa.array(digest, pa.string())]
        + [pa.array(columns[name], pa.string()) for name in PROTOCOLS],
        schema=OPTOUTS,
    )


def _statements(documents: pa.Table, spoken: Sequence[Spoken]) -> pa.Table:
    ids = documents["doc_id"].cast(pa.string()).take(pa.array([one.row for one in spoken], pa.int64()))
    columns: dict[str, Any] = {name: [getattr(one.statement, name) for one in spoken] for name in Statement._fields}
    columns |= {"digest": [one.digest for one in spoken], "fetched_at": [one.fetched_at for one in spoken]}
    return pa.table([ids, *(pa.array(columns[one.name], one.type) for one in list(STATEMENTS)[1:])], schema=STATEMENTS)


def _answers(snapshots: pa.Table, kind: str) -> pa.Table:
    """Return the snapshots of one kind without redirects."""
    answers = snapshots.filter(pc.equal(snapshots["kind"], kind))
    status = pc.fill_null(answers["http_status"], 200)
    redirect = pc.and_(pc.greater_equal(status, 300), pc.less(status, 400))
    return answers.filter(pc.invert(redirect)).combine_chunks()


def _in_force(documents: pa.Table, snapshots: pa.Table) -> np.ndarray:
    """Return the row of each document's snapshot, -1 where its host has none."""
    n, m = len(documents), len(snapshots)
    if m == 0:
        return np.full(n, -1, np.int64)
    hosts = pc.unique(snapshots["host"]).cast(pa.string())
    host = np.concatenate([_codes(snapshots["host"], hosts), _codes(origins(documents), hosts)])
    latest, oldest = np.iinfo(np.int64).max, np.iinfo(np.int64).min
    time = np.concatenate([_micros(snapshots["fetched_at"], oldest), _micros(documents["fetched_at"], latest)])
    asks = np.arange(m + n) >= m
    # Of answers at one time the largest digest counts, so that the order of the rows does not matter.
    tie = np.concatenate([np.asarray(pc.rank(snapshots["digest"])).astype(np.int64), np.zeros(n, np.int64)])
    order = np.lexsort((tie, asks, time, host))
    host, asks, place = host[order], asks[order], np.arange(m + n)
    before = np.maximum.accumulate(np.where(asks, 0, place))
    after = np.minimum.accumulate(np.where(asks, m + n - 1, place)[::-1])[::-1]
    answer = np.where((host[before] == host) & ~asks[before], before, after)
    answer = np.where((host[answer] == host) & ~asks[answer], order[answer], -1)
    chosen = np.empty(m + n, np.int64)
    chosen[order] = answer
    # Without an address there is nothing to look up in the answer.
    return np.where(np.asarray(pc.is_valid(documents["uri"])), chosen[m:], -1)


def origins(documents: pa.Table) -> pa.ChunkedArray:
    """Name where each document's robots.txt lies as SNAPSHOTS does: host, and port where it is not the scheme's own.

    A robots.txt speaks for its own scheme, host and port (RFC 9309, 2.3). The scheme is left out here: with their own
    ports, http and https of a host are one. Nearly all hosts serve the same file under both, and crawlers that follow
    the redirect between them keep it under one only; to go by the scheme would lose the refusals of the others.

    Args:
        documents: n rows of uri and host.
    """
    authority = pc.extract_regex(documents["uri"].cast(pa.string()), _PORT)
    scheme, port = (pc.struct_field(authority, name) for name in ("scheme", "port"))
    own = pc.is_in(pc.binary_join_element_wise(pc.utf8_lower(scheme), port, ":"), value_set=pa.array(_OWN_PORTS))
    host = documents["host"].cast(pa.string())
    return pc.if_else(pc.or_(pc.is_null(port), own), host, pc.binary_join_element_wise(host, port, ":"))


def _codes(column: pa.ChunkedArray, hosts: pa.Array) -> np.ndarray:
    codes = pc.index_in(column.cast(pa.string()), value_set=hosts, skip_nulls=True)
    return np.asarray(pc.fill_null(codes, -1)).astype(np.int64)


def _micros(column: pa.ChunkedArray, missing: int) -> np.ndarray:
    return np.asarray(pc.fill_null(column.cast(TIME).cast(pa.int64()), missing))
