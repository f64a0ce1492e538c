"""Names by language models, in sentences that words or a sample choose: an extra, in no shipped pack.

Models read a thousandth of what the other screens read in the same time. So a rule says which sentences are worth it:
those with one of its words, and a share of the others, chosen by their digest, so that a source can be estimated.
"""

import re
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from typing import Any, Final

import pyarrow as pa

from corpus_gov.errors import ConfigError
from corpus_gov.kernels import prefilter
from corpus_gov.rules import Rule, RulePack, check_params
from corpus_gov.schemas import SCALE
from corpus_gov.screens import Hit, findings
from corpus_gov.taggers import LABELS, installed, tagger

VERSION: Final = 1
LIBRARIES: Final = ("hyperscan", *installed())

COLUMNS: Final = ("text", "title", "author")
"""Columns that hold sentences."""

LONGEST: Final = 256
"""Code points of a sentence that a model is shown at most; longer ones are cut there."""

_NEEDED: Final = {"language": str, "labels": tuple, "score": float, "most": int}
_OPTIONAL: Final = {"entity": str, "class": str, "near": tuple, "share": int}
_SENTENCE = re.compile(rf"[^。！？!?\n]{{1,{LONGEST}}}[。！？!?]?")


def screen(documents: pa.RecordBatch, rules: RulePack) -> pa.RecordBatch:
    """Find names in the sentences that the rules choose.

    Args:
        documents: DOCUMENTS, n rows; reads COLUMNS.
        rules: those with `screen: ner`; params are explained in docs/rules.md.

    Returns:
        FINDINGS, 0 or more rows; the score is that of the rule, for these models give none.

    Raises:
        RuleError: a rule has params that this screen does not read, or the extra `ner` is not installed: a text that
            nobody read must not pass for one without names.
    """
    hits: list[Hit] = []
    for rule in rules.rules:
        _check(rule)
        for column in COLUMNS:
            hits += _found(rule, column, documents.column(column))
    return findings(documents, hits)


def _found(rule: Rule, column: str, texts: pa.Array) -> Iterator[Hit]:
    tag, labels = tagger(rule.params["language"]), rule.params["labels"]
    for row, sentences in chosen(rule, texts):
        for begin, sentence in sentences:
            for start, end, label in tag(sentence):
                if label in labels:
                    yield Hit(row, column, begin + start, begin + end, rule, rule.params["score"], label)


def chosen(rule: Rule, texts: pa.Array) -> Iterator[tuple[int, list[tuple[int, str]]]]:
    """Choose `most` sentences of each text: first those with a word, then those of the sample, in their order."""
    words, share = _words(rule), rule.params.get("share", 0)
    # Without a sample only texts with a word are decoded.
    rows = range(len(texts)) if share else sorted(set(prefilter.candidates(texts, (words,))[0].tolist()))
    near = re.compile(words)
    for row in rows:
        text = texts[row].as_py() or ""
        worth: list[tuple[int, str]] = []
        sampled: list[tuple[int, str]] = []
        for match in _SENTENCE.finditer(text):
            if near.search(match[0]):
                worth.append((match.start(), match[0]))
            elif share and _drawn(match[0]) < share:
                sampled.append((match.start(), match[0]))
        yield row, sorted((worth + sampled)[: rule.params["most"]])


def _drawn(sentence: str) -> int:
    return int.from_bytes(sha256(sentence.encode()).digest()[:4], "big") * SCALE >> 32


def _words(rule: Rule) -> str:
    # Without words nothing is near one; a sentence with this control character is none.
    return "|".join(map(re.escape, rule.params.get("near", ()))) or "\x00"


@cache
def _check(rule: Rule) -> None:
    check_params(rule, _NEEDED, _OPTIONAL)
    params: Any = rule.params
    if (known := LABELS.get(params["language"])) is None:
        raise rule.error(f"params.language is {params['language']!r}, expected one of {sorted(LABELS)!r}; choose one")
    if unknown := sorted(set(params["labels"]).difference(known)):
        raise rule.error(f"params.labels: found {unknown[0]!r}, expected some of {known!r}; correct it")
    if not params.get("near") and not params.get("share"):
        raise rule.error("params have neither `near` nor `share`, expected one; models are too slow for all sentences")
    if not 0 <= params.get("share", 0) <= SCALE:
        raise rule.error(f"params.share is {params['share']}, expected ten-thousandths, 0 to {SCALE}; correct it")
    try:
        tagger(params["language"])
    except ConfigError as error:
        raise rule.error(str(error)) from error
