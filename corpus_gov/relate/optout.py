"""What the hosts of documents said about machines: robots.txt as it stood when a page was fetched (RFC 9309).

A page is denied when any training agent, or every robot, was kept from it. Silence is not consent: without a
snapshot the state is `not_evaluated`, and an answer that cannot be read is `unknown`. Other signals are recognised
and not evaluated: where one is present, what is not denied is `unknown`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from protego import Protego

from corpus_gov.errors import RuleError
from corpus_gov.rules import RulePack
from corpus_gov.schemas import TIME, field, table

VERSION: Final = 1
LIBRARIES: Final = ("protego",)
RULE: Final = "optout.robots"

MAX_BYTES: Final = 500 * 1024
"""How much of a robots.txt counts (RFC 9309, 2.5)."""

OPTOUTS: Final = table(
    "optouts",
    1,
    "What the snapshot in force said about each document.",
    field("doc_id", pa.string(), "The document."),
    field("state", pa.string(), "One of OPTOUT_STATES."),
    field("digest", pa.string(), "SHA-256 of the snapshot that was evaluated.", null=True),
)

SIGNALS: Final = ("ai_txt", "tdmrep")
"""Kinds of snapshot that speak of training and that nothing evaluates yet."""

# Lines of DOCUMENTS.markup: TDM Reservation Protocol, AI Preferences (Content-Usage), "noai" to robots.
_MARKUP_SIGNAL: Final = (
    r"(?im)^(?:(?:http|meta):(?:tdm-reservation|tdm-policy|content-usage): "
    r"|(?:http:x-robots-tag|meta:\S+): (?:.*[^a-z])?no(?:image)?ai(?:[^a-z]|$))"
)
# Lines of robots.txt that say what may be done with a page rather than who may fetch it.
_ROBOTS_SIGNAL = re.compile(rb"(?im)^[ \t]*content-(?:signal|usage)[ \t]*:[ \t]*[^\s#]")

_TOO_MANY_REQUESTS: Final = 429

_PORT: Final = r"^(?P<scheme>[A-Za-z]+)://(?:[^/?#@\\]*@)?(?:\[[^\]]*\]|[^/?#@:\\\[\]\s]+):0*(?P<port>[0-9]+)"
_OWN_PORTS: Final = ("http:80", "https:443")
_AGENT_LINE = re.compile(r"\s*user[\s-]*agent[\s:]*([^#]*)", re.IGNORECASE)


def denies(body: bytes, uri: str, agents: Iterable[str]) -> bool:
    """Say whether a robots.txt keeps any of the agents, or every robot, from a URI.

    Groups, longest match, wildcards and tolerance of misspelt directives are protego's. A group for a product
    that an agent's name starts with counts for that agent as well.

    Args:
        body: the file; bytes that are no UTF-8 are replaced, and what is beyond MAX_BYTES is ignored.
        uri: absolute.
        agents: product tokens; "*" need not be among them.

    Raises:
        ValueError: the URI cannot be parsed.
    """
    robots, named = _parsed(body, tuple(agents))
    return any(not robots.can_fetch(uri, agent) for agent in named)


def optout(documents: pa.Table, snapshots: pa.Table, rules: RulePack) -> pa.Table:
    """Evaluate the snapshot in force for every document.

    In force is the host's latest answer at or before the fetch, or else the earliest after it. A document without
    a time takes the latest, a snapshot without one counts as the oldest, and redirects are no answer. Served with
    4xx, everything is allowed (RFC 9309, 2.3.1.3); with 5xx or 429, or as a page instead of a robots.txt, the state
    is `unknown`. So it is where a signal that is not evaluated was in force beside a robots.txt that does not deny:
    an ai.txt or tdmrep.json, a Content-Signal or Content-Usage line, a header or tag of the page that reserves text
    and data mining or says "noai".

    Args:
        documents: n rows of doc_id, uri, host, fetched_at and, where it is known, markup.
        snapshots: SNAPSHOTS; those of kind robots and SIGNALS are read.
        rules: a pack with the rule optout.robots, whose params.agents are product tokens; without that rule nothing
            is evaluated.

    Returns:
        OPTOUTS, n rows in the order of `documents`.

    Raises:
        RuleError: params.agents is missing or no list of names.
    """
    agents = _agents(rules)
    answers = _answers(snapshots if agents else snapshots.slice(0, 0), "robots")
    chosen = _in_force(documents, answers)
    states = np.full(len(documents), "not_evaluated", object)
    for number in np.unique(chosen[chosen >= 0]):
        rows = np.flatnonzero(chosen == number)
        answer = answers.slice(number, 1).to_pylist()[0]
        states[rows] = _states(answer, documents["uri"].take(pa.array(rows)).to_pylist(), agents)
    if agents:
        states[_signalled(documents, snapshots) & (states != "denied")] = "unknown"
    digest = answers["digest"].cast(pa.string()).take(pa.array(chosen, mask=chosen < 0))
    return pa.table([documents["doc_id"].cast(pa.string()), pa.array(states, pa.string()), digest], schema=OPTOUTS)


def _agents(rules: RulePack) -> tuple[str, ...]:
    for rule in rules.rules:
        if rule.id == RULE:
            agents = rule.params.get("agents")
            if not isinstance(agents, tuple | list) or not all(isinstance(agent, str) for agent in agents):
                raise RuleError(
                    f"{rule.file}:{rule.line}: rule {rule.id!r}: found no list in params.agents, expected product "
                    "tokens; write them as [GPTBot, CCBot]"
                )
            return tuple(agents)
    return ()


def _answers(snapshots: pa.Table, kind: str) -> pa.Table:
    """Return the snapshots of one kind without redirects."""
    answers = snapshots.filter(pc.equal(snapshots["kind"], kind))
    status = pc.fill_null(answers["http_status"], 200)
    redirect = pc.and_(pc.greater_equal(status, 300), pc.less(status, 400))
    return answers.filter(pc.invert(redirect)).combine_chunks()


def _signalled(documents: pa.Table, snapshots: pa.Table) -> np.ndarray:
    """Mark the documents beside which a signal stands that nothing evaluates."""
    marked = np.zeros(len(documents), bool)
    if "markup" in documents.schema.names:
        found = pc.match_substring_regex(documents["markup"], _MARKUP_SIGNAL)
        marked |= np.asarray(pc.fill_null(found, False))  # noqa: FBT003 - pyarrow's own signature
    for kind in SIGNALS:
        answers = _answers(snapshots, kind)
        chosen = _in_force(documents, answers)
        # Hosts without such a file answer with an error, with nothing or with a page.
        speaks = [_served(row) and row["body"].strip() != b"" and not _is_page(row["body"]) for row in _rows(answers)]
        marked |= np.array([*speaks, False])[chosen]
    return marked


def _rows(answers: pa.Table) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = answers.select(["http_status", "body"]).to_pylist()
    return rows


def _served(answer: Mapping[str, Any]) -> bool:
    return 200 <= (answer["http_status"] or 200) < 300


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


def _states(answer: Mapping[str, Any], uris: Sequence[str], agents: tuple[str, ...]) -> list[str]:
    """Return the state of each address under one snapshot."""
    status, body = answer["http_status"] or 200, answer["body"]
    # Who was asked too often did not say that there is no robots.txt.
    if 400 <= status < 500 and status != _TOO_MANY_REQUESTS:
        return ["allowed"] * len(uris)
    if not _served(answer) or _is_page(body):
        return ["unknown"] * len(uris)
    known: dict[str, str] = {}
    for uri in uris:
        if uri not in known:
            known[uri] = _state(body, uri, agents)
    return [known[uri] for uri in uris]


def _state(body: bytes, uri: str, agents: tuple[str, ...]) -> str:
    try:
        if denies(body, uri, agents):
            return "denied"
        return "unknown" if _ROBOTS_SIGNAL.search(body[:MAX_BYTES]) else "allowed"
    except ValueError:
        return "unknown"


def _is_page(body: bytes) -> bool:
    """Recognise the page that many hosts serve, with status 200, for a robots.txt that they do not have."""
    return body.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<") or b"\0" in body


@lru_cache(maxsize=64)
def _parsed(body: bytes, agents: tuple[str, ...]) -> tuple[Protego, tuple[str, ...]]:
    """Parse a file, and pick the agents that it can mean: for all others, "*" gives the same answer."""
    text = body[:MAX_BYTES].decode("utf-8-sig", "replace")
    lines = (_AGENT_LINE.match(line) for line in text.splitlines())
    tokens = {line[1].strip().lower().replace("*", "") for line in lines if line} - {""}
    named = [agent for agent in agents if any(token in agent.lower() for token in tokens)]
    return Protego.parse(text), (*named, "*")
