"""What changed between two packs of word lists, as words to look for: whoever has none of them has the same findings.

A rule finds something only where a list that it looks for has an entry in the text, and everything else that it asks is
about the places of entries of its lists in that text. So a document can have other findings only where an entry stands
that came to a list or left it or, of a rule that is new, gone or asks something else, an entry that it looks for.
"""

import json
from collections.abc import Iterable, Mapping
from hashlib import sha256
from json.encoder import encode_basestring_ascii
from typing import Any, Final, TypeAlias

from corpus_gov import wordlists
from corpus_gov.rules import Params, Rule, RulePack

VERSION: Final = 1
"""Of Outline; raised when it would leave out something that findings depend on."""

Outline: TypeAlias = Mapping[str, Mapping[str, Any]]
"""A JSON object. `lists`: entries by digest. `rules`: by id what a rule asks (`asks`, a digest), its `columns`, the
names of the lists that it looks for (`words`), and the digest of each of its lists by name (`lists`)."""

Changes: TypeAlias = Mapping[tuple[str, ...], tuple[Any, ...]]
"""Columns to entries that are to be looked for in them, ascending."""


def outline(pack: RulePack) -> Outline:
    """Write down what findings of a pack of `screen: keywords` depend on, so that packs can be compared.

    Why a rule is there, its cases and where its variants come from do not count.

    Args:
        pack: of `rules.concern`, checked by the screen.
    """
    lists: dict[str, list[Any]] = {}
    rules: dict[str, dict[str, Any]] = {}
    # Rules share the lists of a file; the packs keep them alive, so that an address stands for one list.
    known: dict[int, str] = {}
    for rule in pack.rules:
        digests = {}
        for name, words in rule.params["words"].items():
            if id(words) not in known:
                entries = _entries(words)
                known[id(words)] = _digest(entries)
                lists[known[id(words)]] = entries
            digests[name] = known[id(words)]
        rules[rule.id] = {
            "asks": _digest(_asks(rule)),
            "columns": list(rule.params["columns"]),
            "words": sorted({way["word"] for way in rule.params["find"]}.intersection(digests)),
            "lists": digests,
        }
    return {"lists": lists, "rules": rules}


def changes(before: Outline, after: Outline) -> Changes:
    """Return the entries that every document has one of whose findings may differ."""
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    for rule_id in sorted({*before["rules"], *after["rules"]}):
        of = [(one["lists"], one["rules"][rule_id]) for one in (before, after) if rule_id in one["rules"]]
        if len(of) == 2 and of[0][1]["asks"] == of[1][1]["asks"]:
            entries = _between(*of)
        else:
            entries = {
                key: entry
                for lists, rule in of
                for name in rule["words"]
                for key, entry in _keyed(lists[rule["lists"][name]]).items()
            }
        for _, rule in of:
            if entries:
                found.setdefault(tuple(sorted(rule["columns"])), {}).update(entries)
    return {columns: tuple(entries[key] for key in sorted(entries)) for columns, entries in sorted(found.items())}


def size(written: Outline) -> int:
    """Count the entries of all lists; one that stands in several counts in each."""
    return sum(map(len, written["lists"].values()))


def probe(wanted: Changes) -> RulePack:
    """Make the pack that finds something, and no more than once a column, in every document with one of the entries."""
    rules = tuple(_probe(number, columns, entries) for number, (columns, entries) in enumerate(wanted.items()))
    return RulePack(name="keywords", version=1, rules=rules)


def _entries(words: Iterable[Any]) -> list[Any]:
    """Return entries and variants once each, ascending; sealed ones as they are."""
    listed = list(words)
    sealed = [dict(word) for word in listed if wordlists.is_sealed(word)]
    found = _keyed([*sealed, *wordlists.entries([word for word in listed if not wordlists.is_sealed(word)])])
    return [found[key] for key in sorted(found)]


def _keyed(entries: Iterable[Any]) -> dict[str, Any]:
    # Text is written as `dumps` writes it, without the encoder that each of its calls makes.
    return {
        encode_basestring_ascii(entry) if isinstance(entry, str) else json.dumps(entry, sort_keys=True): entry
        for entry in entries
    }


def _asks(rule: Rule) -> Any:
    params = {key: value for key, value in rule.params.items() if key not in ("words", "files", "slot")}
    return [rule.id, rule.version, rule.category, rule.normaliser, sorted(rule.params["words"]), params]


def _digest(value: Any) -> str:
    return sha256(json.dumps(value, sort_keys=True, default=dict).encode()).hexdigest()


def _between(before: Any, after: Any) -> dict[str, Any]:
    """Return the entries of a rule's lists that only one of two outlines has in that list."""
    (old_lists, old), (new_lists, new) = before, after
    found: dict[str, Any] = {}
    for name in old["lists"]:
        if old["lists"][name] != new["lists"][name]:
            was, now = _keyed(old_lists[old["lists"][name]]), _keyed(new_lists[new["lists"][name]])
            found |= {key: (was | now)[key] for key in was.keys() ^ now.keys()}
    return found


def _probe(number: int, columns: tuple[str, ...], entries: tuple[Any, ...]) -> Rule:
    words = tuple(Params(tuple(entry.items())) if isinstance(entry, Mapping) else entry for entry in entries)
    params = {
        "columns": columns,
        "words": Params((("changed", words),)),
        "find": (Params((("word", "changed"), ("whole", True))),),
    }
    return Rule(
        id=f"changed.words_{number}",
        version=1,
        screen="keywords",
        params=Params(tuple(params.items())),
        category="A5b",
        why="Says which documents have an entry that came or went.",
        legal=(),
        source="corpus_gov/wordchanges.py",
        status="stable",
        hits=(),
        misses=(),
    )
