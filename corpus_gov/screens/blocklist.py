"""Hosts and pages that somebody chose to keep out, by category; lists come from the operator.

An entry is a domain, which stands for all hosts below it, `=host` for that host alone, or a domain and the beginning
of a path. A public suffix such as co.uk is refused: nobody can mean all that is registered under it.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, partial
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import pyarrow as pa

from corpus_gov import wordlists, wordseals
from corpus_gov.errors import ConfigError
from corpus_gov.rules import Rule, RulePack, check_params
from corpus_gov.screens import Hit, everywhere, findings
from corpus_gov.sources.hosts import name_of, registered_domain

VERSION: Final = 1
LIBRARIES: Final = ("tldextract",)

_NEEDED: Final = {"words": Mapping}
_OPTIONAL: Final = {"columns": tuple, "files": tuple, "slot": str}
_AUTHORITY = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://(?:[^/?#@\\]*@)?(\[[0-9A-Fa-f:.]+\]|[^/?#@:\\\[\]\s]+)(?::[0-9]*)?")
_RESERVED: Final = ("invalid", "localhost", "test", "onion")
"""Top labels without a registry, which an entry may name by themselves."""


def screen(documents: pa.RecordBatch, rules: RulePack) -> pa.RecordBatch:
    """Find documents of listed hosts and pages.

    Args:
        documents: DOCUMENTS, n rows; reads uri.
        rules: those with `screen: blocklist`. params: `words`, lists of entries by name, from the pack or from the
            `files` and the `slot` beside it, any of them sealed (`sealed`).

    Returns:
        FINDINGS, 0 or more rows, by document and rule: the span is the host, or the host and the path that is listed;
        score is null, note the names of the lists.

    Raises:
        RuleError: a rule has params that this screen does not read, or an entry that is no domain.

    Source: publicsuffix.org, the list that tldextract ships.
    """
    return findings(documents, _hits(documents, rules))


def sealed(entries: Sequence[str], key: bytes) -> list[str]:
    """Return the line of each entry of a sealed list: its number of labels and its digest.

    Args:
        entries: domains; one host alone and pages cannot be sealed.
        key: of the list.

    Raises:
        ValueError: says what is wrong with an entry, and does not quote it.
    """
    digests = {}
    for entry in entries:
        domain, path = _entry(entry)
        if path or entry.startswith("="):
            raise ValueError("is one host alone or a page, expected a domain, such as example.com")
        digests[wordseals.host_digest(domain, key)] = domain.count(".") + 1
    return [f"{labels} {digest}" for digest, labels in sorted(digests.items())]


class _Lists(NamedTuple):
    """Entries of a rule, by what is compared."""

    rule: Rule
    domains: Mapping[str, frozenset[str]]
    """Names of lists by domain."""
    exact: Mapping[str, frozenset[str]]
    paths: Mapping[str, tuple[tuple[str, str], ...]]
    """Beginnings of paths, and the list of each, by domain."""
    sealed: Mapping[tuple[bytes, int], Mapping[str, str]]
    """Lists by digest, by key and number of labels."""


def _hits(documents: pa.RecordBatch, rules: RulePack) -> Iterator[Hit]:
    yield from everywhere(documents, "uri", partial(_found, _compiled(rules)))


def _found(lists: tuple[_Lists, ...], texts: pa.Array) -> Iterator[Hit]:
    for row, uri in enumerate(texts.to_pylist() if lists else ()):
        match = _AUTHORITY.search(uri or "")
        host = name_of(match[1]) if match else None
        if match and host:
            for one in lists:
                length, names = _listed(one, host, uri[match.end() :])
                if names:
                    end = match.end(1) if length < 0 else match.end() + length
                    yield Hit(row, "uri", match.start(1), end, one.rule, note="+".join(sorted(names)))


def _listed(lists: _Lists, host: str, rest: str) -> tuple[int, set[str]]:
    """Return the length of the path that is listed, -1 where it is the host, and the names of the lists."""
    names = set(lists.exact.get(host, ()))
    length = -1
    labels = host.split(".")
    for first in range(len(labels)):
        domain = ".".join(labels[first:])
        names |= lists.domains.get(domain, frozenset())
        for (key, count), digests in lists.sealed.items():
            if count == len(labels) - first and (name := digests.get(wordseals.host_digest(domain, key))):
                names.add(name)
        if not names:
            for path, name in lists.paths.get(domain, ()):
                # The beginning of a path ends where a part of it ends.
                if rest.startswith(path) and (path.endswith("/") or rest[len(path) :][:1] in ("", "/", "?", "#")):
                    names.add(name)
                    length = len(path)
    return length, names


@cache
def _compiled(rules: RulePack) -> tuple[_Lists, ...]:
    return tuple(_lists(rule) for rule in rules.rules)


def _lists(rule: Rule) -> _Lists:
    check_params(rule, _NEEDED, _OPTIONAL)
    if rule.params.get("columns", ("uri",)) != ("uri",):
        raise rule.error(f"params.columns is {rule.params['columns']!r}, expected [uri]; this screen reads no other")
    domains: defaultdict[str, set[str]] = defaultdict(set)
    exact: defaultdict[str, set[str]] = defaultdict(set)
    paths: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for name, words in rule.params["words"].items():
        for entry in wordlists.entries([word for word in words if not wordlists.is_sealed(word)]):
            try:
                domain, path = _entry(entry)
            except ValueError as error:
                raise rule.error(f"the entry {entry!r} {error}") from error
            if entry.startswith("="):
                exact[domain].add(name)
            elif path:
                paths[domain].append((path, name))
            else:
                domains[domain].add(name)
    return _Lists(
        rule, _frozen(domains), _frozen(exact), {key: tuple(one) for key, one in paths.items()}, _sealed(rule)
    )


def _sealed(rule: Rule) -> dict[tuple[bytes, int], dict[str, str]]:
    lists: defaultdict[tuple[bytes, int], dict[str, str]] = defaultdict(dict)
    for name, words in rule.params["words"].items():
        for word in filter(wordlists.is_sealed, words):
            if word["way"] != wordlists.HOSTS:
                raise rule.error(
                    f"the list {name!r} is sealed as {word['way']!r}, expected {wordlists.HOSTS!r}; seal it as that"
                )
            try:
                key = wordseals.load_key(word["key"])
            except ConfigError as error:
                raise rule.error(f"a list of sealed entries cannot be used: {error}") from error
            lists[key, int(word["tokens"])][word["sealed"]] = name
    return dict(lists)


def _frozen(names: Mapping[str, set[str]]) -> dict[str, frozenset[str]]:
    return {key: frozenset(one) for key, one in names.items()}


def _entry(entry: str) -> tuple[str, str]:
    """Return the domain and the path of an entry; ValueError says what it is instead."""
    try:
        parts = urlsplit("//" + entry.removeprefix("="))
        host = name_of(parts.netloc)
    except ValueError:
        host = None
    if not host or not re.fullmatch(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\]|[0-9.]+", host):
        raise ValueError("is no domain, expected one such as 'example.com'; correct it")
    named = entry.startswith("=") or host in _RESERVED or re.fullmatch(r"[0-9.]+|\[.*", host)
    if not named and registered_domain(host) is None:
        raise ValueError("is a public suffix, under which anybody can register; name a domain below it")
    return host, entry.removeprefix("=")[len(parts.netloc) :]
