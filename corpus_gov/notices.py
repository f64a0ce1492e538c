"""Notices of rights, kept for good: what was said of a document's rights, line by line, without personal data.

Cleaning takes footers and notices off a text; removing them for good is what copyright laws forbid (Copyright Law of
the PRC, article 51). So every statement is kept as evidence, every line it stands on as a notice, and what a reader of
the clean corpus owes to whom as its attribution.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov import apply, evidence
from corpus_gov.rights import EVIDENCE as CATEGORIES
from corpus_gov.rights import MATERIAL, NOT_PROTECTED, STATED, STATED_RULE
from corpus_gov.rules import Rule
from corpus_gov.schemas import EVIDENCE, SCALE

NAMES: Final = frozenset({"pii.cn_name", "pii.cn_name_titled", "pii.name"})
"""Rules that find names: those of authors and rightsholders are what a notice is there for."""

MOST: Final = 64
"""Notices and statements of one document that are kept: more are a list of licences."""

COLUMNS: Final = ("doc_id", "title", "uri", "attribution")
"""Of clean documents: what `page` is made of."""

_KIND: Final = r"^[a-z_]+(?:@[^:\s]*)?(?::\S*)?: "


def statements(doc_ids: pa.Array, findings: pa.Table) -> pa.Array:
    """List what screens found on the rights of each document.

    Args:
        doc_ids: string, n rows.
        findings: FINDINGS of these documents; of other categories than those of rights nothing is taken.

    Returns:
        List of schemas.EVIDENCE, n rows: the surest first, each once; at most MOST a document.
    """
    found = findings.filter(pc.is_in(findings["category"], value_set=pa.array(CATEGORIES)))
    licence, place, scope = evidence.parts(found["note"].combine_chunks())
    names = pc.binary_join_element_wise(found["rule"], found["version"].cast(pa.string()), "@")
    state = pc.replace_substring_regex(found["category"], r"^rights\.", "")
    columns = {
        "row": pc.index_in(found["doc_id"], value_set=doc_ids),
        "state": state,
        "licence": licence,
        "place": place,
        "scope": scope,
        "rule": names,
        "score": pc.fill_null(found["score"], SCALE),
    }
    keys = list(columns)
    # Grouping makes each statement count once, however often the page says it.
    rows = pa.table(columns).group_by(keys).aggregate([])
    rows = rows.sort_by([("row", "ascending"), ("score", "descending"), *((name, "ascending") for name in keys[1:6])])
    at = np.asarray(rows["row"].combine_chunks())
    rank = np.arange(len(at)) - np.searchsorted(at, at)
    rows, at = rows.filter(pa.array(rank < MOST)), at[rank < MOST]
    offsets = np.searchsorted(at, np.arange(len(doc_ids) + 1)).astype(np.int32)
    fields = [rows[field.name].combine_chunks().cast(field.type) for field in EVIDENCE]
    return pa.ListArray.from_arrays(pa.array(offsets), pa.StructArray.from_arrays(fields, fields=list(EVIDENCE)))


def with_material(kept: pa.Array, material: str | None) -> pa.Array:
    """Add to the statements of each document what the dossier says of all texts of the source.

    Args:
        kept: of `statements`, n rows.
        material: of rights.MATERIAL; None adds nothing.
    """
    if material is None:
        return kept
    said = {
        "state": NOT_PROTECTED.removeprefix("rights."),
        "licence": MATERIAL[material],
        "place": evidence.DOSSIER.place,
        "scope": evidence.DOSSIER.scope,
        "rule": STATED_RULE,
        "score": STATED,
    }
    flat, ends = pc.list_flatten(kept), np.cumsum(np.asarray(pc.list_value_length(kept)))
    both = pa.concat_arrays([flat, pa.array([said], flat.type)])
    order = np.insert(np.arange(len(flat)), ends, len(flat))
    offsets = np.concatenate([[0], ends + np.arange(1, len(kept) + 1)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), both.take(pa.array(order)))


def notices(
    doc_ids: pa.Array, markup: pa.Array, findings: pa.Table, personal: pa.Table, rules: Mapping[str, Rule]
) -> pa.Array:
    """List the lines of markup that speak of rights, personal data replaced but for names.

    Args:
        doc_ids: string, n rows.
        markup: large_string, n rows.
        findings: FINDINGS of these documents, of rights.
        personal: FINDINGS of these documents in `markup`, of the rules to redact by.
        rules: every rule in force, by id.

    Returns:
        List of strings, n rows: in the order of the page; at most MOST a document.
    """
    found = findings.filter(pc.is_in(findings["category"], value_set=pa.array(CATEGORIES)))
    found = found.filter(pc.equal(found["column"], "markup"))
    spans = _by_row(doc_ids, found)
    hidden = _by_row(doc_ids, personal)
    kept: list[list[str]] = [[] for _ in range(len(doc_ids))]
    texts = dict(zip(spans, markup.take(pa.array(list(spans), pa.int64())).to_pylist(), strict=True))
    for row, places in spans.items():
        text = texts[row] or ""
        lines = list(dict.fromkeys(_line_at(text, start) for start, _, _ in sorted(places)))[:MOST]
        kept[row] = list(_redacted(text, lines, hidden.get(row, ()), rules))
    return pa.array(kept, pa.list_(pa.string()))


def attributions(licences: pa.Array, authors: pa.Array, kept: pa.Array) -> pa.Array:
    """Write what a reader of each document owes to whom: licence, author, and the notices in their own words.

    Args:
        licences: of the documents, n rows.
        authors: n rows, redacted.
        kept: of `notices`.

    Returns:
        large_string, n rows; null where there is none of the three.
    """
    own = pc.replace_substring_regex(pc.list_flatten(kept), _KIND, "").to_pylist()
    ends = np.cumsum(np.asarray(pc.fill_null(pc.list_value_length(kept), 0))).tolist()
    written: list[str | None] = [None] * len(kept)
    starts = zip([0, *ends], ends, licences.to_pylist(), authors.to_pylist(), strict=False)
    for row, (start, end, licence, author) in enumerate(starts):
        if licence or end > start:
            parts = [f"Licence: {licence}"] if licence else []
            parts += [f"Author: {author}"] if author else []
            written[row] = "\n".join(dict.fromkeys((*parts, *own[start:end]))) or None
    return pa.array(written, pa.large_string())


def page(clean: pa.Table) -> bytes:
    """Write the attribution file of a part of a release: one paragraph for each document that has something to say.

    Args:
        clean: CLEAN, or its COLUMNS.
    """
    stated = clean.filter(pc.is_valid(clean["attribution"]))
    columns = [stated[name].to_pylist() for name in COLUMNS]
    paragraphs = ("\n".join(filter(None, row)) for row in zip(*columns, strict=True))
    return "".join(f"{paragraph}\n\n" for paragraph in paragraphs).encode()


def _by_row(doc_ids: pa.Array, findings: pa.Table) -> dict[int, list[tuple[int, int, str]]]:
    rows = pc.index_in(findings["doc_id"], value_set=doc_ids).to_pylist()
    found: dict[int, list[tuple[int, int, str]]] = {}
    spans = (findings[name].to_pylist() for name in ("start", "end", "rule"))
    for row, *span in zip(rows, *spans, strict=True):
        found.setdefault(row, []).append((span[0], span[1], span[2]))
    return found


def _line_at(text: str, start: int) -> tuple[int, int]:
    end = text.find("\n", start)
    return text.rfind("\n", 0, start) + 1, len(text) if end < 0 else end


def _redacted(
    text: str, lines: Sequence[tuple[int, int]], hidden: Iterable[tuple[int, int, str]], rules: Mapping[str, Rule]
) -> Iterator[str]:
    """Replace what is personal in some lines; a span that goes beyond its line is cut to it."""
    spans = list(hidden)
    for first, last in lines:
        inside = [(max(a, first) - first, min(b, last) - first, rule) for a, b, rule in spans if a < last and b > first]
        yield apply.replaced(text[first:last], inside, rules) if inside else text[first:last]
