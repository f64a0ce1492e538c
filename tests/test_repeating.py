"""Repeated lines: findings are those of plain Python for any cut of the corpus, and a cut can be replayed."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
import related_cases
import small_corpus
from documents import by_id, decisions, documents, findings, rule
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus_gov import apply, config, pipeline, release
from corpus_gov.engine import Engine
from corpus_gov.errors import RuleError
from corpus_gov.kernels.pieces import lines as lines_of
from corpus_gov.kernels.pieces import token_spans
from corpus_gov.kernels.shingles import tokens
from corpus_gov.relate import lines
from corpus_gov.rules import Params, RulePack
from corpus_gov.schemas import FINDINGS
from corpus_gov.store import open_store

WHITE = " \t\r\n"
LONG = "The reading room is open on every day of the week from nine in the morning until six."


def asking(name: str, **params: Any):
    """Make a rule of screen lines."""
    return rule(f"lines.{name}", screen="lines", category="A5b", params=Params(tuple(params.items())))


RULES = RulePack(
    "lines",
    1,
    (
        asking("again", unit="line", scope="document", tokens=3, least=2),
        asking("corpus", unit="line", scope="corpus", tokens=2, least=4),
        asking("corpus_first", unit="line", scope="corpus", tokens=2, least=4, which="first"),
        asking("host", unit="line", scope="host", tokens=2, least=2, share=0.4),
        asking("host_first", unit="line", scope="host", tokens=2, least=2, which="first"),
        asking("paragraph", unit="paragraph", scope="document", tokens=3, least=2),
        asking("thrice", unit="line", scope="document", tokens=1, least=3),
    ),
)

LINE = st.sampled_from(
    ["one line of words", "another line of words", "Another line, of words!", "a b", "x", "", " ", "-- --", "\tà é ü\r"]
)
TEXT = st.lists(LINE, max_size=9).map("\n".join)
HOST = st.sampled_from(["a.example", "b.example", None])


def corpus_of(rows: Sequence[tuple[str, str | None]]) -> pa.Table:
    """Make documents, ascending by doc_id as a shard is not."""
    batch = documents([text for text, _ in rows], host=[host for _, host in rows])
    return pa.Table.from_batches([batch])


def through(corpus: pa.Table, bounds: Sequence[int], ranges: int, rules: RulePack = RULES) -> list[dict[str, Any]]:
    """Find repeats as the stages do: shards between `bounds`, counts by range."""
    of = lines.kinds(rules)
    least, wide = lines.least_tokens(of), lines.least_tokens(of, ("host", "corpus"))
    shards = [corpus.slice(a, b - a) for a, b in pairwise(bounds)]
    split = [lines.split(shard["text"].combine_chunks(), least) for shard in shards]
    cuts = [lines.cut(lines.keys(found, shard, wide), ranges) for found, shard in zip(split, shards, strict=True)]
    counts = [lines.count([cut[number] for cut in cuts], of) for number in range(ranges)]
    hosts = lines.tell_hosts([lines.hosts(shard) for shard in shards])
    found = [FINDINGS.empty_table()]
    for place, shard in enumerate(shards):
        hits = pa.concat_tables([count[place] for count in counts])
        found.append(lines.repeats(shard, split[place], hits, hosts[place], of))
    return sorted(pa.concat_tables(found).to_pylist(), key=lambda row: (row["doc_id"], row["start"], row["rule"]))


def plain(text: str) -> list[tuple[str, tuple[str, ...], int, int, int]]:
    """List (unit, words, start, stop, lines) of a text, the slow way."""
    spots = [match.span() for match in re.finditer(r"[^\n]+", text) if match[0].strip(WHITE)]
    trimmed = [(a + len(text[a:b]) - len(text[a:b].lstrip(WHITE)), a + len(text[a:b].rstrip(WHITE))) for a, b in spots]
    spans = []
    for number, (_, stop) in enumerate(trimmed):
        behind = text[stop:]
        first_stop = stop + len(behind) - len(behind.lstrip(WHITE)) if number == 0 else stop
        spans.append((trimmed[number - 1][1] if number else 0, first_stop))
    groups: list[list[int]] = []
    for number, (begin, _) in enumerate(spots):
        if number and begin == spots[number - 1][1] + 1:
            groups[-1].append(number)
        else:
            groups.append([number])
    words = [tuple(re.findall(r"\w+", text[a:b].lower().translate(str.maketrans("àéü", "aeu")))) for a, b in trimmed]
    found = [("line", words[n], *spans[n], 1) for n in range(len(spans)) if words[n]]
    for group in groups:
        if len(group) > 1 and any(words[n] for n in group):
            key = tuple(word for n in group for word in (*words[n], "/"))
            found.append(("paragraph", key, spans[group[0]][0], spans[group[-1]][1], len(group)))
    return found


def expected(corpus: pa.Table) -> list[tuple[Any, ...]]:
    """Find (doc_id, rule, start, end, note) with dictionaries and loops."""
    rows = corpus.select(["doc_id", "host", "text"]).to_pylist()
    pieces = {row["doc_id"]: plain(row["text"]) for row in rows}
    host_of = {row["doc_id"]: row["host"] for row in rows}
    holders: dict[Any, set[str]] = defaultdict(set)
    for doc_id, found in pieces.items():
        for unit, words, *_ in found:
            holders["corpus", unit, words].add(doc_id)
            holders[host_of[doc_id], unit, words].add(doc_id)
    sizes = Counter(host_of.values())
    results = []
    for kind in lines.kinds(RULES):
        for doc_id, found in pieces.items():
            seen: Counter[Any] = Counter()
            times = Counter((unit, words) for unit, words, *_ in found)
            chosen = []
            for unit, words, start, stop, size in found:
                seen[unit, words] += 1
                host = "corpus" if kind.scope == "corpus" else host_of[doc_id]
                have = holders[host, unit, words]
                first = doc_id == min(have) and seen[unit, words] == 1
                wanted = {
                    "document": times[unit, words] >= kind.least and seen[unit, words] > 1,
                    "corpus": len(have) >= kind.least and first == (kind.which == "first"),
                    "host": host is not None
                    and len(have) >= kind.least
                    and len(have) * 10_000 >= kind.share * sizes[host]
                    and first == (kind.which == "first"),
                }[kind.scope]
                if wanted and unit == kind.unit and len([word for word in words if word != "/"]) >= kind.tokens:
                    chosen.append((start, stop, size, None if kind.scope == "document" else len(have)))
            results += merged(doc_id, kind.rule.id, sorted(chosen, key=lambda one: one[:2]))
    return sorted(results, key=lambda row: (row[0], row[2], row[1]))


def merged(doc_id: str, name: str, chosen: list[tuple[int, int, int, int | None]]) -> list[tuple[Any, ...]]:
    groups: list[list[tuple[int, int, int, int | None]]] = []
    for one in chosen:
        if groups and one[0] <= groups[-1][-1][1]:
            groups[-1].append(one)
        else:
            groups.append([one])
    return [
        (
            doc_id,
            name,
            group[0][0],
            group[-1][1],
            f"lines={sum(one[2] for one in group)}"
            + ("" if group[0][3] is None else f" documents={min(one[3] or 0 for one in group)}"),
        )
        for group in groups
    ]


@settings(max_examples=200)
@given(
    st.lists(st.tuples(TEXT, HOST), max_size=9),
    st.lists(st.integers(0, 9), max_size=4),
    st.integers(1, 4),
    st.randoms(use_true_random=False),
)
def test_findings_are_those_of_plain_python(rows, cuts, ranges, random):
    """Any order, any shards and any ranges give the findings of dictionaries and loops over the whole corpus."""
    corpus = corpus_of(rows)
    order = list(range(len(rows)))
    random.shuffle(order)
    shuffled = corpus.take(pa.array(order, pa.int64()))

    found = through(shuffled, [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)], ranges)

    assert [(r["doc_id"], r["rule"], r["start"], r["end"], r["note"]) for r in found] == expected(corpus)


@given(st.lists(st.text("aB，,\n 中é１㍿🂡", max_size=20), max_size=4))
def test_tokens_have_spans(texts):
    """There is a span for every token, ascending, of what is no white space; a token alone folds to itself."""
    column = pa.array(texts, pa.large_string())

    starts, stops, offsets = token_spans(column, lines.VIEW)

    hashes, expected_offsets = tokens(column, lines.VIEW)
    assert offsets.tolist() == expected_offsets.tolist()
    assert (starts < stops).all()
    for row, text in enumerate(texts):
        for place in range(offsets[row], offsets[row + 1]):
            word = text[starts[place] : stops[place]]
            assert hashes[place] in tokens(pa.array([word], pa.large_string()), lines.VIEW)[0]


def test_line_of_astral_characters_has_spans_in_code_points():
    """Spans count code points, and hold the white space before a line but not the line behind."""
    text = "😀😀 one\n\n  \t𠮷野家 two\r\n\nthree four"

    found = lines_of(pa.array(["x", text], pa.large_string()), lines.VIEW, 1)

    spans = [text[a:b] for row, a, b in zip(found.rows, found.starts, found.stops, strict=True) if row == 1]
    assert spans == ["😀😀 one\n\n  \t", "\n\n  \t𠮷野家 two", "\r\n\nthree four"]


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ({"unit": "word"}, r"params.unit is 'word'"),
        ({"least": 1}, r"expected params.least of 2 or more"),
        ({"scope": "document", "which": "first"}, r"found a first line of a document"),
        ({"scope": "corpus", "share": 0.5}, r"a share of no host"),
        ({"sort": 1}, r"unknown key 'sort'"),
    ],
)
def test_wrong_params_are_refused(params, problem):
    """A rule that means nothing is an error that names it."""
    wrong = asking("wrong", **({"unit": "line", "scope": "host", "tokens": 3, "least": 2} | params))

    with pytest.raises(RuleError, match=problem):
        lines.kinds(RulePack("lines", 1, (wrong,)))


def test_many_occurrences_of_one_line_are_one_finding():
    """A document of one line a hundred thousand times has one finding, and what is left is the line."""
    corpus = corpus_of([("\n".join([LONG] * 100_000), None)])

    found = related_cases.found_lines(corpus, RULES)

    again = found.filter(pc.equal(found["rule"], "lines.again")).to_pylist()
    assert [(row["start"], row["end"], row["note"]) for row in again] == [
        (len(LONG), 100_000 * (len(LONG) + 1) - 1, "lines=99999")
    ]


CUTS = by_id(
    rule("a.cut", placeholder=""),
    rule("a.email", placeholder="[EMAIL]", severity=5),
    rule("a.name", placeholder="[NAME]"),
)


@pytest.mark.parametrize(
    ("spans", "left"),
    [
        ([("a.cut", 2, 5)], "0156789"),
        ([("a.cut", 2, 5), ("a.email", 3, 4)], "0156789"),
        ([("a.cut", 2, 5), ("a.email", 4, 7)], "01[EMAIL]789"),
        ([("a.cut", 2, 5), ("a.email", 0, 9)], "[EMAIL][EMAIL]9"),
        ([("a.cut", 2, 5), ("a.cut", 4, 8), ("a.name", 8, 9)], "01[NAME]9"),
        ([("a.cut", 2, 3), ("a.cut", 6, 7), ("a.name", 1, 8), ("a.email", 4, 9)], "0[NAME][EMAIL][EMAIL]9"),
        ([("a.cut", 0, 10), ("a.email", 0, 10)], ""),
    ],
)
def test_cuts_come_before_placeholders(spans, left):
    """What is cut leaves nothing behind, and of other spans what lies outside is replaced."""
    batch = documents(["0123456789"])
    made = pa.Table.from_batches([findings(batch, [(0, "text", name, a, b) for name, a, b in spans])])

    clean = apply.apply(batch, made, decisions(batch, ["redact"]), frozenset(CUTS), CUTS)

    assert clean.column("text").to_pylist() == [left]


@pytest.fixture(scope="module", autouse=True)
def _keys(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CORPUS_GOV_KEYS", str(tmp_path_factory.mktemp("keys")))
        yield


def write(folder: Path, name: str, numbers: Sequence[int]) -> None:
    """Write documents of two hosts with a notice each, long and short lines that come again, and a paragraph too."""
    folder.mkdir(exist_ok=True)
    rows = []
    for number in numbers:
        ferry = (
            f"Ferry {number} crosses the river at seven and at noon, and on days of high water it stays where it is."
        )
        own = " ".join([ferry, "Whoever wants to cross then walks to the bridge behind the old school."] * 2)
        paragraph = f"The bridge {number} was rebuilt\nin stone after the flood of {1900 + number}\nas people here say"
        notice = f"This notice of host {number % 2} may be copied by whoever names the place where it was found first."
        body = [notice, own, LONG, "", paragraph, "", own if number % 3 == 0 else "", "", paragraph, "", notice]
        rows.append({"text": "\n".join(body), "uri": f"https://h{number % 2}.example/{number}", "title": str(number)})
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def run(workspace, workers: int = 1):
    with Engine(workers=workers) as engine:
        return pipeline.run(workspace, engine=engine, as_of=small_corpus.AS_OF)


def of_lines(workspace) -> list[dict[str, Any]]:
    """Return the findings of the newest release that are about lines."""
    found = workspace.release().table("findings").to_pylist()
    return sorted(
        (row for row in found if row["rule"].startswith("lines.")), key=lambda row: json.dumps(row, sort_keys=True)
    )


def root(workspace) -> str:
    return release.verify(open_store(workspace.url), None, None, []).root


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """One run over all documents by one worker."""
    folder = tmp_path_factory.mktemp("inputs")
    write(folder, "a.jsonl", range(12))
    write(folder, "b.jsonl", range(12, 40))
    write(folder, "c.jsonl", range(40, 44))
    workspace = small_corpus.make(tmp_path_factory.mktemp("first") / "w", folder)
    run(workspace)
    return workspace, folder


def test_a_run_finds_and_cuts_what_comes_again(first):
    """Released text is the stored text without the spans of the findings that the policy cuts; the first stays."""
    workspace, _ = first

    clean = {row["doc_id"]: row["text"] for row in workspace.release().table("clean").to_pylist()}

    texts = {row["doc_id"]: row["text"] for row in workspace.release().table("documents").to_pylist()}
    spans: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for row in of_lines(workspace):
        if row["rule"] == "lines.long_again":
            spans[row["doc_id"]].append((row["start"], row["end"]))
    assert len(clean) == 44
    assert len(spans) == len(range(0, 44, 3))
    for doc_id, text in texts.items():
        gone = {place for a, b in spans[doc_id] for place in range(a, b)}
        left = "".join(letter for place, letter in enumerate(text) if place not in gone)
        assert clean[doc_id] == left
        assert left.count("Ferry") == 2
        assert "\n\n\n\n" not in left or not gone


def test_a_run_finds_what_a_host_and_the_corpus_repeat(first):
    """A line of all pages of a host is the host's but for its first page, and the policy leaves it there."""
    workspace, _ = first

    found = Counter(row["rule"] for row in of_lines(workspace))

    # Two occurrences of its notice on each page, and a line that both hosts have: one or two runs a page.
    assert found["lines.host_first"] >= 2
    assert found["lines.host"] >= 42
    assert not {"lines.corpus", "lines.corpus_first"} & found.keys()
    reasons = {reason["code"] for row in workspace.release().table("manifest")["reasons"].to_pylist() for reason in row}
    assert {code for code in reasons if code.startswith("lines")} == {"lines.cut:lines.long_again@1"}
    assert {"lines.again", "lines.paragraph_again"} < found.keys()


@pytest.mark.parametrize(("rows", "workers"), [(3, 1), (7, 4)])
def test_shards_and_workers_leave_the_findings(first, tmp_path, rows, workers):
    """One or four workers and shards of any size give the same findings and the same root."""
    workspace = small_corpus.make(tmp_path / "w", first[1], shard_rows=rows)

    run(workspace, workers)

    assert of_lines(workspace) == of_lines(first[0])
    assert root(workspace) == root(first[0])


def test_a_later_batch_gives_what_one_run_gives(first, tmp_path):
    """Documents that come in three runs have the findings of one run over all, earlier ones included."""
    folder = tmp_path / "inputs"
    workspace = small_corpus.make(tmp_path / "w", folder)
    for name, numbers in (("b.jsonl", range(12, 40)), ("a.jsonl", range(12)), ("c.jsonl", range(40, 44))):
        write(folder, name, numbers)
        if name == "b.jsonl":
            (folder / "c.jsonl").write_text("", encoding="utf-8")
        run(workspace)

    assert of_lines(workspace) == of_lines(first[0])
    assert root(workspace) == root(first[0])


def test_without_rules_there_is_no_look_at_lines(first, tmp_path):
    """A workspace whose packs have no rule of lines builds nothing of them."""
    own = tmp_path / "own.yaml"
    own.write_text("policy: own\nversion: 1\nwhy: Test.\nneeds: []\nclauses:\n  - {id: none, when: n_chars < 0, "
                   "disposition: drop, why: Test.}\nelection: {order: []}\n", encoding="utf-8")  # fmt: skip
    made = small_corpus.make(tmp_path / "w", first[1], policy=str(own))
    settings_ = made.settings.model_copy(update={"packs": ("common.pii",)})
    made.store.put("corpus-gov.toml", config.dump_settings(settings_).encode())
    workspace = pipeline.open_workspace(made.url)

    run(workspace)

    assert not [name for name in workspace.store.list("artefacts/") if "lines" in name]
    assert of_lines(workspace) == []
