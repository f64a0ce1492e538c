"""What is true of the accuracy slices of near duplicates, and how a clustering is scored against it.

edits      5,800 documents: 500 bases with known edits. Labelled are the pairs of a base with its edits; pairs of
           different bases are not. True clusters: a base with the edits that should be its duplicates.
reference  8,783 documents of which all pairs are known. True clusters: components of the pairs of exact Jaccard
           similarity .7 and more, by the data's own shingles.
poems      12,000 documents: 6,000 pairs of editions, 11 of them not of one poem. True clusters: components of the pairs
           of one poem and of equal folded texts.
stories    400 titles with descriptions; what is of one story is no near duplicate.
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
from near_peers import components, rows_of, slices

from corpus_gov.kernels.folding import Folding, fold

THRESHOLD = 0.7
_UNSPACED = (
    r"\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3005-\u3007\u3040-\u9fff\uac00-\ud7ff\uf900-\ufaff"
    r"\U00020000-\U0003ffff"
)
TOKEN = re.compile(rf"[{_UNSPACED}]|[^\s{_UNSPACED}]+")
"""Of folded text: a character of a script without spaces, or a word."""


@dataclass(frozen=True)
class Slice:
    """Texts, the true cluster of each, and labelled pairs."""

    name: str
    texts: list[str]
    clusters: list[int]
    labelled: list[tuple[int, int, bool, str]]
    """Two places, whether they are near duplicates, and the kind of the pair."""
    families: list[int] | None = None
    """Of texts whose pairs are labelled; pairs across families are not."""
    hosts: list[int] | None = None
    """The text that each was made from by inserting half of its family's base; -1 where there is none."""

    @cached_property
    def grams(self) -> "Grams":
        """Exact similarities of these texts."""
        return Grams(self.texts)


class Grams:
    """Exact Jaccard similarities of sets of five folded tokens: plain Python sets of tuples, no hash function."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._folded = fold(pa.array(texts, pa.large_string()), Folding()).to_pylist()
        self._sets: dict[int, frozenset[tuple[str, ...]]] = {}

    def of(self, place: int) -> frozenset[tuple[str, ...]]:
        """Return the shingles of a text; all its tokens are one where it has fewer than five."""
        if place not in self._sets:
            tokens = TOKEN.findall(self._folded[place])
            runs = zip(*(tokens[start:] for start in range(5)), strict=False)
            self._sets[place] = frozenset(runs) or frozenset([tuple(tokens)] if tokens else [])
        return self._sets[place]

    def jaccard(self, a: int, b: int) -> float:
        """Return the exact similarity of two texts; 0 where one has no token."""
        one, other = self.of(a), self.of(b)
        return len(one & other) / max(len(one | other), 1) if one and other else 0.0


def read(data: Path) -> dict[str, Slice]:
    """Read all slices."""
    texts, near = slices(data), data / "05_near_duplicates"
    made = (_edits(near), _reference(near), _poems(near, texts["poems"]), _stories(texts["stories"]))
    return {name: Slice(name, texts[name], *rest) for name, *rest in made}


def _edits(near: Path) -> tuple:
    rows = rows_of(near / "controlled_edits.jsonl.zst")
    bases = {row["base"]: place for place, row in enumerate(rows) if row["op"] == "base"}
    families = [bases[row["base"]] for row in rows]
    clusters = [families[place] if row["should_be_duplicate"] else place for place, row in enumerate(rows)]
    labelled = [
        (families[place], place, row["should_be_duplicate"], f"{row['op']} {row['lang']}")
        for place, row in enumerate(rows)
        if row["op"] != "base"
    ]
    texts = [row["text"] for row in rows]
    asked = [place for place, row in enumerate(rows) if row["op"] == "quote_half_in_other"]
    return "edits", clusters, labelled, families, _hosts(texts, sorted(bases.values()), asked)


def _hosts(texts: list[str], bases: list[int], asked: list[int]) -> list[int]:
    """Find the base that becomes a text when one block is inserted: its beginning and its end make up the whole of it.

    Two characters may lack, where white space at the seam was changed.
    """
    found, begin, end = [-1] * len(texts), defaultdict(list), defaultdict(list)
    for place in bases:
        begin[texts[place][:20]].append(place)
        end[texts[place][-20:]].append(place)
    for place in asked:
        text = texts[place]
        for base in {*begin[text[:20]], *end[text[-20:]]}:
            if _alike(texts[base], text) + _alike(texts[base][::-1], text[::-1]) >= len(texts[base]) - 2:
                found[place] = base
        assert found[place] >= 0, f"edit {place}: no base becomes it by one insertion"
    return found


def _alike(one: str, other: str) -> int:
    """Count the characters with which both begin."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[:middle] == other[:middle] else (low, middle - 1)
    return low


def _reference(near: Path) -> tuple:
    rows = rows_of(near / "exact_ref_docs.jsonl.zst")
    place = {row["id"]: number for number, row in enumerate(rows)}
    pairs = rows_of(near / "exact_ref_pairs.jsonl.zst")
    labelled = [
        (place[row["a"]], place[row["b"]], row["jaccard"] >= THRESHOLD, rows[place[row["a"]]]["source"])
        for row in pairs
    ]
    return "reference", components([(a, b) for a, b, same, _ in labelled if same], len(rows)), labelled


def _poems(near: Path, texts: list[str]) -> tuple:
    rows = rows_of(near / "tang_poem_variant_pairs.jsonl.zst")
    labelled = [(2 * n, 2 * n + 1, row["same_poem"] in (True, "True"), "poem") for n, row in enumerate(rows)]
    first: dict[str, int] = {}
    folded = fold(pa.array(texts, pa.large_string()), Folding()).to_pylist()
    copies = [(first.setdefault(text, place), place) for place, text in enumerate(folded)]
    return "poems", components([*copies, *((a, b) for a, b, same, _ in labelled if same)], len(texts)), labelled


def _stories(texts: list[str]) -> tuple:
    grams = Grams(texts)
    pairs = [(a, b) for a in range(len(texts)) for b in range(a) if grams.jaccard(a, b) >= THRESHOLD]
    return "stories", components(pairs, len(texts)), []


@dataclass(frozen=True)
class Scores:
    """Precision, recall and F1 of pairs or documents; ARI of clusters."""

    precision: float
    recall: float
    f1: float
    ari: float = 0.0

    def __str__(self) -> str:
        """Write the three."""
        return f"{self.precision:.3f} / {self.recall:.3f} / {self.f1:.3f}"


def by_pairs(true: Sequence[int], found: Sequence[int]) -> Scores:
    """Compare two clusterings by the pairs that each puts together."""

    def pairs(counts: Counter) -> int:
        return sum(count * (count - 1) // 2 for count in counts.values())

    both, real, said = pairs(Counter(zip(true, found, strict=True))), pairs(Counter(true)), pairs(Counter(found))
    chance = real * said / (len(true) * (len(true) - 1) // 2)
    ari = (both - chance) / ((real + said) / 2 - chance)
    return Scores(both / max(said, 1), both / max(real, 1), 2 * both / max(real + said, 1), ari)


def by_documents(true: Sequence[int], found: Sequence[int]) -> Scores:
    """Compare two clusterings by documents (B-cubed), over those that either puts with another.

    One dense cluster counts as its documents, not as their square.
    """
    real, said, both = Counter(true), Counter(found), Counter(zip(true, found, strict=True))
    shares = [
        (both[pair] / said[pair[1]], both[pair] / real[pair[0]])
        for pair in zip(true, found, strict=True)
        if real[pair[0]] > 1 or said[pair[1]] > 1
    ]
    precision, recall = (float(np.mean([share[side] for share in shares])) for side in (0, 1))
    return Scores(precision, recall, 2 * precision * recall / (precision + recall))


def together(found: Sequence[int]) -> Callable[[int, int, int], bool]:
    """Say which pairs a clustering puts together."""
    return lambda _, a, b: found[a] == found[b]


def said(numbers: Container[int]) -> Callable[[int, int, int], bool]:
    """Say which labelled pairs are found themselves."""
    return lambda number, _a, _b: number in numbers


def by_labels(labelled: Iterable[tuple[int, int, bool, str]], same_by: Callable[[int, int, int], bool]) -> Scores:
    """Score labelled pairs.

    Args:
        labelled: of a Slice.
        same_by: what is said of the number of a pair and its two places.
    """
    counts = Counter((same, bool(same_by(number, a, b))) for number, (a, b, same, _) in enumerate(labelled))
    right, wrong, missed = counts[True, True], counts[False, True], counts[True, False]
    return Scores(
        right / max(right + wrong, 1), right / max(right + missed, 1), 2 * right / max(2 * right + wrong + missed, 1)
    )


@dataclass(frozen=True)
class Removals:
    """What became of (removed, representative) pairs."""

    count: int
    labels_agree: int
    labels_disagree: int
    hosted: int
    """Of different families, so that no label says anything; one is what the other became by an insertion, or both
    came from one text."""
    strangers: int
    """Of different families and of no common base."""
    exact: int
    """Exact similarity of at least THRESHOLD."""
    right: int
    """Labels agree, or the exact similarity reaches the threshold."""

    @property
    def precision(self) -> float:
        """Right removals of all."""
        return self.right / max(self.count, 1)


def removals(piece: Slice, removed: Iterable[tuple[int, int]]) -> Removals:
    """Judge removals by labels and by exact similarity."""
    counts: Counter = Counter()
    for place, representative in removed:
        same = piece.clusters[place] == piece.clusters[representative]
        known = piece.families is None or piece.families[place] == piece.families[representative]
        exact = piece.grams.jaccard(place, representative) >= THRESHOLD
        counts["count"] += 1
        counts["labels_agree"] += same
        counts["labels_disagree"] += known and not same
        origins = [_origin(piece, end) for end in (place, representative)]
        counts["hosted" if origins[0] == origins[1] else "strangers"] += not known
        counts["exact"] += exact
        counts["right"] += same or exact
    return Removals(*(counts[name] for name in Removals.__dataclass_fields__))


def _origin(piece: Slice, place: int) -> int:
    """Return the base that most of a text is: its host, or the base of its family."""
    host = piece.hosts[place] if piece.hosts else -1
    return host if host >= 0 else (piece.families or piece.clusters)[place]


def components_removed(found: Sequence[int]) -> Iterator[tuple[int, int]]:
    """List what a peer removes: all of a cluster but its first."""
    return ((place, root) for place, root in enumerate(found) if place != root)


def load(path: Path) -> dict[tuple[str, str], dict]:
    """Read the rows that near_peers.py wrote, by peer and slice."""
    with path.open() as file:
        return {(row["peer"], row["set"]): row for row in map(json.loads, file)}
