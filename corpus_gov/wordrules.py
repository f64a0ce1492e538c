"""Rules about words of lists, checked and compiled: which entries are looked for, and in which ways they count."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa

from corpus_gov import wordlists, wordseals
from corpus_gov.errors import ConfigError
from corpus_gov.kernels import multimatch, wordneeds, wordtokens
from corpus_gov.rules import Params, Rule, check_params
from corpus_gov.schemas import TEXT_COLUMNS

WITHIN: Final = 20
"""Code points between two words that count as near, where a rule does not say."""
MAX_WITHIN: Final = 1000

_NEEDED: Final = {"columns": tuple, "words": Mapping, "find": tuple}
_OPTIONAL: Final = {"allow": tuple, "files": tuple, "slot": str}
_KEYS: Final = {
    "word": str, "near": str, "within": int, "without": str, "least": int, "distinct": int, "per": float,
    "score": float, "always": bool, "whole": bool,
}  # fmt: skip
_ALLOWED: Final = {"word": str, "within": int, "per": float, "then": str}
MENTION, SUPPRESS = "mention", "suppress"


class Way(NamedTuple):
    """One way in which a rule applies; lists are numbers, -1 is none."""

    rule: Rule
    word: int
    near: int
    without: int
    within: int
    least: int
    distinct: int
    per: float
    score: float
    always: bool
    whole: bool
    note: str


class Allow(NamedTuple):
    """Words that mean that a text reports."""

    word: int
    within: int
    per: float
    then: str


class Rules(NamedTuple):
    """Rules of one column, compiled together."""

    automaton: multimatch.Automaton
    sealed: tuple[wordseals.Sealed, ...]
    """Entries that nobody can read, by key; they are numbered after those of the automaton."""
    lists: np.ndarray
    """int64 (m, 2): entry and list that it stands in, ascending."""
    ways: tuple[Way, ...]
    allows: Mapping[str, tuple[Allow, ...]]
    needs: wordneeds.Needs | None
    """What a text must have so that it is worth to be read, where there are few entries."""

    def places(self, texts: pa.Array) -> multimatch.Places:
        """Find the places of all entries, plain and sealed; texts in which none can stand have no code points."""
        if self.needs is not None:
            return _of_some(texts, wordneeds.rows(texts, self.needs), self.automaton)
        plain = multimatch.find(texts, self.automaton)
        if not self.sealed:
            return plain
        all_ = [plain, *(wordseals.find(texts, one) for one in self.sealed)]
        found, more = (np.concatenate(parts) for parts in zip(*((one.found, one.more) for one in all_), strict=True))
        return multimatch.Places(found, more, plain.points)


def _of_some(texts: pa.Array, rows: np.ndarray, automaton: multimatch.Automaton) -> multimatch.Places:
    """Find the places in some of the texts, under the numbers that these have among all."""
    places = multimatch.find(texts.take(pa.array(rows)), automaton)
    for found in (places.found, places.more):
        found[:, 0] = rows[found[:, 0]]
    points = np.zeros(len(texts), np.int64)
    points[rows] = places.points
    return multimatch.Places(places.found, places.more, points)


def check(rule: Rule) -> None:
    """Fail unless a rule's params are what the screen reads.

    Raises:
        RuleError: they are not.
    """
    check_params(rule, _NEEDED, _OPTIONAL)
    if unknown := set(rule.params["columns"]).difference(TEXT_COLUMNS):
        raise rule.error(f"unknown columns {sorted(map(str, unknown))!r}; expected some of {TEXT_COLUMNS!r}")
    if not rule.params["find"]:
        raise rule.error("params.find is empty, expected one way or more; say which list is looked for")
    for key, known in (("find", _KEYS), ("allow", _ALLOWED)):
        for way in rule.params.get(key, ()):
            _check_way(rule, key, way, known)


def _check_way(rule: Rule, key: str, way: object, known: Mapping[str, type]) -> None:
    if not isinstance(way, Mapping) or "word" not in way:
        raise rule.error(f"params.{key} has {way!r}, expected keys with `word`; name a list")
    for name, value in way.items():
        if name not in known:
            raise rule.error(f"unknown key {name!r} in params.{key}; screens.keywords reads {sorted(known)!r}")
        right = isinstance(value, int | float) if known[name] is float else isinstance(value, known[name])
        if not right or (isinstance(value, bool) and known[name] is not bool):
            raise rule.error(f"params.{key}: {name} is a {type(value).__name__}, expected {known[name].__name__}")
    for name in ("word", "near", "without"):
        # An operator need not fill every list of a slot.
        if name in way and way[name] not in rule.params["words"] and "slot" not in rule.params:
            raise rule.error(f"params.{key} names the list {way[name]!r}, words has {sorted(rule.params['words'])!r}")
    if not 0 <= way.get("within", WITHIN) <= MAX_WITHIN:
        raise rule.error(f"params.{key}: within is {way['within']!r}, expected at most {MAX_WITHIN}; lower it")
    if not 0 < way.get("score", 1.0) <= 1:
        raise rule.error(f"params.{key}: score is {way['score']!r}, expected more than 0 and at most 1; correct it")
    if way.get("then", MENTION) not in (MENTION, SUPPRESS):
        raise rule.error(f"params.{key}: then is {way['then']!r}, expected mention or suppress; choose one")


def compiled(rules: Sequence[Rule]) -> Rules:
    """Put the entries of checked rules together, each of them once.

    Raises:
        RuleError: an entry is none that could be looked for, or is sealed under a key that is not there.
    """
    plain: list[tuple[str, int, Rule]] = []
    sealed: list[tuple[Mapping[str, str], int, Rule]] = []
    by_words: dict[object, int] = {}
    ways: list[Way] = []
    allows: dict[str, tuple[Allow, ...]] = {}
    for rule in rules:
        names: dict[str, int] = {"": -1}
        for name, words in rule.params["words"].items():
            # Lists of a file that several rules share are one list.
            if words not in by_words:
                by_words[words] = len(by_words)
                plain += [(entry, by_words[words], rule) for entry in _entries(rule, name, words)]
                sealed += [(word, by_words[words], rule) for word in words if wordlists.is_sealed(word)]
            names[name] = by_words[words]
        ways += [_way(rule, way, names) for way in rule.params["find"] if _is_filled(way, names)]
        allows[rule.id] = tuple(_allow(allow, names) for allow in rule.params.get("allow", ()))
    automaton, lists = _of_plain(plain)
    hidden, more = _of_sealed(sealed, automaton.n_entries)
    few = not hidden and len(plain) <= wordneeds.MOST
    needs = wordneeds.needs([entry for entry, _, _ in plain]) if few else None
    return Rules(automaton, hidden, np.array(sorted(lists | more), np.int64), tuple(ways), allows, needs)


def _of_plain(written: Sequence[tuple[str, int, Rule]]) -> tuple[multimatch.Automaton, set[tuple[int, int]]]:
    """Compile plain entries; returns which entry stands in which list, too."""
    forms = wordtokens.forms([entry for entry, _, _ in written])
    entries: dict[tuple[int, ...], int] = {}
    lists: set[tuple[int, int]] = set()
    for form, (entry, number, rule) in zip(forms, written, strict=True):
        if problem := wordtokens.unusable(entry, form):
            raise rule.error(f"the entry {entry!r} {problem}; correct it")
        lists.add((entries.setdefault(form, len(entries)), number))
    return multimatch.build(list(entries)), lists


def _of_sealed(
    written: Sequence[tuple[Mapping[str, str], int, Rule]], first: int
) -> tuple[tuple[wordseals.Sealed, ...], set[tuple[int, int]]]:
    """Compile sealed entries, numbered from `first`; returns which entry stands in which list, too."""
    entries: dict[Mapping[str, str], int] = {}
    lists = {(entries.setdefault(word, first + len(entries)), number) for word, number, _ in written}
    try:
        return wordseals.ready(entries.items()), lists
    except (ConfigError, ValueError) as error:
        raise written[0][2].error(f"a list of sealed entries cannot be used: {error}") from error


def _is_filled(way: Mapping[str, Any], names: Mapping[str, int]) -> bool:
    return all(way[key] in names for key in ("word", "near", "without") if key in way)


def _entries(rule: Rule, name: str, words: object) -> list[str]:
    if not isinstance(words, tuple) or not words:
        raise rule.error(f"the list {name!r} is {words!r}, expected entries; write at least one")
    for word in words:
        if wordlists.is_sealed(word) or (isinstance(word, Params) and set(word) == {"word", "variants", "source"}):
            continue
        if not isinstance(word, str):
            raise rule.error(f"the list {name!r} has {word!r}, expected text, or word, variants and source; correct it")
    return wordlists.entries(words)


def _way(rule: Rule, way: Mapping[str, Any], names: Mapping[str, int]) -> Way:
    return Way(
        rule,
        word=names[way["word"]],
        near=names[way.get("near", "")],
        without=names[way.get("without", "")],
        within=way.get("within", WITHIN),
        least=way.get("least", 1),
        distinct=way.get("distinct", 1),
        per=way.get("per", 0.0),
        score=way.get("score", 1.0),
        always=way.get("always", False),
        whole=way.get("whole", False),
        note="+".join(way[key] for key in ("word", "near") if key in way),
    )


def _allow(allow: Mapping[str, Any], names: Mapping[str, int]) -> Allow:
    return Allow(names[allow["word"]], allow.get("within", -1), allow.get("per", 0.0), allow.get("then", MENTION))
