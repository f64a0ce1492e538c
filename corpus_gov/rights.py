"""Evidence of rights to a state: what all statements on one document mean together.

Nothing found is `unknown`, never `permitted`; what disagrees is `conflicting`. A permission counts where it is about
the page or the site, not where it is about a picture on it; a ban counts wherever it stands. Texts that no right covers
are a state of their own, for which one sign is not enough: the confidences of different rules must add up to 1.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov import evidence
from corpus_gov.licences import CONDITIONAL, PERMITTED
from corpus_gov.schemas import SCALE

FORBIDDEN: Final = "rights.forbidden"
OWNER: Final = "rights.owner"
NOT_PROTECTED: Final = "rights.not_protected"
EVIDENCE: Final = (PERMITTED, CONDITIONAL, FORBIDDEN, OWNER, NOT_PROTECTED)
"""Categories of rights evidence; a finding's own category counts, since one rule can find several."""

MATERIAL: Final = {"official_texts": "LicenseRef-official-text", "plain_news": "LicenseRef-plain-news"}
"""What a dossier may say that all texts of its source are, and the licence of the signs that it stands beside."""
STATED: Final = SCALE // 2
"""Confidence of that: half of what is needed, so that a text without any sign of its own stays what it is."""
STATED_RULE: Final = "dossier.material@1"

USES: Final = ("train", "redistribute", "commercial")
"""What a policy can say of a licence."""
ANSWERS: Final = ("allowed", "unknown", "excluded")
"""From best to worst: of licences joined by OR the best counts, by AND the worst."""


@dataclass(frozen=True)
class Rights:
    """What evidence means, n rows each.

    Attributes:
        state: one of RIGHTS_STATES.
        licence: of the surest evidence that counts, the strictest terms first; null without any.
        conflict: evidence disagrees: on the state, or on the licence.
        claimed: somebody claims the rights, and nothing permits anything.
        bound: a condition that counts is in words alone, so that the licence does not say all.
    """

    state: pa.Array
    licence: pa.Array
    conflict: pa.Array
    claimed: pa.Array
    bound: pa.Array


@dataclass(frozen=True)
class Terms:
    """One row of a policy's matrix of uses; of several that fit the first counts."""

    licences: tuple[str, ...]
    """Ids with `*` for any characters, compared with each licence of an expression."""
    answers: tuple[str, ...]
    """One of ANSWERS for each of USES."""

    def fits(self, licence: str) -> bool:
        """Say whether the row is about a licence."""
        return any(fnmatchcase(licence, pattern) for pattern in self.licences)


def resolve(findings: pa.Table, rows: np.ndarray, n: int, material: str | None = None) -> Rights:
    """Resolve the evidence of some documents.

    Args:
        findings: FINDINGS, m rows; those of other categories than EVIDENCE are not looked at.
        rows: of the document of each finding.
        n: documents.
        material: of MATERIAL, where the dossier says so and holds: one more sign where the text has one of its kind.
    """
    category = _whole(findings["category"])
    licence, _, scope = evidence.parts(_whole(findings["note"]))
    site = np.asarray(pc.fill_null(pc.equal(scope, "site"), False))  # noqa: FBT003 - pyarrow's own signature
    part = np.asarray(pc.fill_null(pc.equal(scope, "part"), False))  # noqa: FBT003
    # A rule that is yes or no has no score and is as sure as a score can be.
    score = np.asarray(pc.fill_null(_whole(findings["score"]), SCALE))
    of = {name: np.asarray(pc.equal(category, name)) for name in EVIDENCE}
    seen = {name: _any(of[name] & ~part, rows, n) for name in (PERMITTED, CONDITIONAL)}
    banned, page_ban = _any(of[FORBIDDEN], rows, n), _any(of[FORBIDDEN] & ~site, rows, n)
    # A dispatch is no sign of a law or decision, however many of these it is about.
    news = np.asarray(pc.fill_null(pc.equal(licence, MATERIAL["plain_news"]), False))  # noqa: FBT003
    free = _sums(findings, of[NOT_PROTECTED] & ~news, rows, score, n) >= SCALE
    if material is not None:
        alone = _sums(findings, of[NOT_PROTECTED] & (news if material == "plain_news" else ~news), rows, score, n)
        free |= (alone > 0) & (alone + STATED >= SCALE)
    granted = seen[PERMITTED] | seen[CONDITIONAL]
    # A site cannot forbid what nobody owns; a ban inside the text may be about a part that somebody does.
    official = free & ~page_ban
    cases = {
        "not_protected": official,
        "conflicting": banned & (granted | free),
        "forbidden": banned,
        "conditional": seen[CONDITIONAL],
        "permitted": seen[PERMITTED],
    }
    state = np.select(list(cases.values()), list(cases), "unknown")
    counted = (of[PERMITTED] | of[CONDITIONAL]) & ~part
    named = [_surest(licence, score, rows, mask, n) for mask in (of[CONDITIONAL] & ~part, of[PERMITTED] & ~part)]
    official_text = _surest(licence, score, rows, of[NOT_PROTECTED] & official[rows], n)
    conflict = (state == "conflicting") | (official & banned) | _unlike(licence, counted, rows, n)
    return Rights(
        state=pa.array(state.tolist(), pa.string()),
        licence=pc.coalesce(*named, official_text),
        conflict=pa.array(conflict),
        claimed=pa.array(_any(of[OWNER], rows, n) & ~granted & ~official),
        bound=pa.array(_any(of[CONDITIONAL] & ~part & np.asarray(pc.is_null(licence)), rows, n)),
    )


def uses(rights: Rights, matrix: Sequence[Terms]) -> Mapping[str, pa.Array]:
    """Say for each document what its rights state allows, by the policy's matrix: one of ANSWERS a use.

    A licence that no row fits is `unknown`; so is a document without one, or with a condition in words beside it. What
    is forbidden is excluded, and what is not protected allowed, whatever the matrix says.
    """
    state = rights.state.dictionary_encode()
    licence = pc.if_else(rights.bound, pa.scalar(None, pa.string()), rights.licence).dictionary_encode()
    states, licences = state.dictionary.to_pylist(), [*licence.dictionary.to_pylist(), None]
    # Documents are many, pairs of a state and a licence are few.
    at = np.asarray(pc.fill_null(licence.indices, len(licences) - 1)).astype(np.int64)
    pairs, which = np.unique(np.asarray(state.indices) * len(licences) + at, return_inverse=True)
    answers = [_answers(states[one // len(licences)], licences[one % len(licences)], matrix) for one in pairs.tolist()]
    places = pa.array(which.reshape(-1))
    return {use: pa.array([one[i] for one in answers], pa.string()).take(places) for i, use in enumerate(USES)}


def _answers(state: str, licence: str | None, matrix: Sequence[Terms]) -> tuple[str, ...]:
    if state in {"forbidden", "not_protected"}:
        return ("excluded" if state == "forbidden" else "allowed",) * len(USES)
    if state not in {"permitted", "conditional"} or licence is None or "(" in licence:
        return ("unknown",) * len(USES)
    either = [[_of(one, matrix) for one in part.split(" AND ")] for part in licence.split(" OR ")]
    return tuple(_best(_worst(one[i] for one in part) for part in either) for i in range(len(USES)))


def _of(licence: str, matrix: Sequence[Terms]) -> tuple[str, ...]:
    base = licence.partition(" WITH ")[0].strip()
    return next((one.answers for one in matrix if one.fits(base)), ("unknown",) * len(USES))


def _best(answers: Iterable[str]) -> str:
    return min(answers, key=ANSWERS.index)


def _worst(answers: Iterable[str]) -> str:
    return max(answers, key=ANSWERS.index)


def _whole(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _any(mask: np.ndarray, rows: np.ndarray, n: int) -> np.ndarray:
    found = np.zeros(n, bool)
    found[rows[mask]] = True
    return found


def _sums(findings: pa.Table, mask: np.ndarray, rows: np.ndarray, score: np.ndarray, n: int) -> np.ndarray:
    """Add up the scores of different rules on each document; a rule that found several counts once."""
    total = np.zeros(n, np.int64)
    chosen = np.flatnonzero(mask)
    best: dict[tuple[int, str], int] = {}
    names = _whole(findings["rule"]).take(pa.array(chosen)).to_pylist()
    for at, name in zip(chosen.tolist(), names, strict=True):
        key = int(rows[at]), name
        best[key] = max(best.get(key, 0), int(score[at]))
    for (row, _), value in best.items():
        total[row] += value
    return total


def _surest(licence: pa.Array, score: np.ndarray, rows: np.ndarray, mask: np.ndarray, n: int) -> pa.Array:
    """Return the licence of each document's strongest evidence; ties by alphabet."""
    chosen = pc.and_(pa.array(mask), pc.is_valid(licence))
    table = pa.table({"row": pa.array(rows), "score": pa.array(score), "licence": licence}).filter(chosen)
    table = table.sort_by([("row", "ascending"), ("score", "descending"), ("licence", "ascending")])
    at = np.asarray(_whole(table["row"]))
    first = np.ones(len(at), bool)
    first[1:] = at[1:] != at[:-1]
    place = np.full(n, -1, np.int64)
    place[at[first]] = np.flatnonzero(first)
    return _whole(table["licence"]).cast(pa.string()).take(pa.array(place, mask=place < 0))


def _unlike(licence: pa.Array, mask: np.ndarray, rows: np.ndarray, n: int) -> np.ndarray:
    """Say where two licences differ in more than version and port; own ids name no terms that could differ."""
    bare = pc.replace_substring_regex(pc.replace_substring_regex(licence, r"^LicenseRef-CC", "CC"), r"-[0-9].*$", "")
    known = pc.and_(pa.array(mask), pc.fill_null(pc.invert(pc.starts_with(bare, "LicenseRef-")), False))  # noqa: FBT003
    pairs = pa.table({"row": pa.array(rows), "bare": bare}).filter(known).group_by(["row", "bare"]).aggregate([])
    return np.asarray(np.bincount(np.asarray(_whole(pairs["row"])), minlength=n) > 1)
