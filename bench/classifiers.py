"""Measure classifiers: macro F1 beside a plain fastText and the keyword packs, false positives, MB/s, re-decide.

    python bench/classifiers.py --data ../shared/data [--out FOLDER]

The model is trained by training/harm.yaml on texts of our own and three open sets; chineseharm and fbs_sms were never
trained on. "keywords" are the packs cn.harm and world.harm: a text has the label of most findings that are no mere
mention. "plain fastText" is trained on the same texts as they are: white space between words, character n-grams of 1
to 3. Each guesses one label; macro F1 is over the labels that a set has.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import fasttext
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from measuring import documents

from corpus_gov import classifiers, policy, reasons, recipes, rules, scores, screens, training, tune
from corpus_gov.expressions import evaluate, parse
from corpus_gov.facts import facts
from corpus_gov.schemas import FINDINGS
from corpus_gov.signals import language, quality
from corpus_gov.verdicts import verdict

HERE = Path(__file__).parent.parent / "training"
MEANS = {
    "gambling": "gambling", "porn": "pornography", "fraud": "fraud", "investment": "fraud", "forged": "forged_papers",
    "loan": "illicit_ad", "data_trade": "illicit_ad", "hacking": "illicit_ad", "quack": "illicit_ad",
    "drugs": "illicit_ad", "weapons": "illicit_ad", "abuse": "abuse", "spam": "spam", "geo": "spam",
}  # fmt: skip
"""Rules of the keyword packs, by the end of their ids → our labels; rules against groups are abuse."""
SAMPLE = 1_000
"""Texts of a set whose false positives are counted."""
LONG, LEAST = 200, 100
"""Code points of a page; sets of fewer texts say nothing."""
MILLION = 1_000_000


def main() -> None:
    """Print a table for each question."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, help="Keep model and card here.")
    parser.add_argument("--only", choices=("accuracy", "speed", "decide"))
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if asked.only in (None, "accuracy", "speed"):
            card, dealt = trained(folder, asked.data.resolve(), asked.out or folder / "out")
            path = (asked.out or folder / "out") / "harm.json"
            ready = classifiers.load(path, classifiers.digest_of(path))
            if asked.only != "speed":
                accuracy(ready, dealt, folder)
                false_positives(ready, asked.data, dealt)
            if asked.only != "accuracy":
                speed(ready, asked.data)
            print(f"\nmodel: {card['model']['bytes']:,} bytes; calibration error before: {card['calibration_error']}")
    if asked.only in (None, "decide"):
        decide()


def trained(folder: Path, data: Path, out: Path) -> tuple[dict[str, Any], training.Dealt]:
    """Write our texts, and train."""
    (folder / "03_harmful_text").symlink_to(data / "03_harmful_text")
    subprocess.run([sys.executable, HERE / "write_texts.py", folder, "--each", "350"], check=True)
    recipe = recipes.load(HERE / "harm.yaml")
    began = time.process_time()
    card = training.train(recipe, folder, out)
    print(f"trained, calibrated and scored in {time.process_time() - began:.1f} s of CPU time")
    return card, training.deal(recipe, folder)


def accuracy(ready: classifiers.Classifier, dealt: training.Dealt, folder: Path) -> None:
    """Score ours, the plain model and the keyword packs on every set."""
    ways: dict[str, Callable[[Sequence[str]], list[str]]] = {
        "ours": lambda text: [ready.labels[place] for place in training.likeliest(ready, text)],
        "plain fastText": plain(dealt, folder),
        "keywords": keywords(),
    }
    sets = {"own families": dealt.of(training.OWN), "unseen families": dealt.of(training.UNSEEN)}
    sets |= {one.data.name: (one.text, one.label) for one in dealt.read if one.data.use == "test"}
    names = sorted({*dealt.labels, "clean"})
    print(f"\n| set | texts | way | macro F1 | {' | '.join(names)} |\n|{'---|' * (len(names) + 4)}")
    for name, (text, label) in sets.items():
        truth = np.array([names.index(one) for one in label])
        for way, guess in ways.items():
            found = scores.by_label(truth, np.array([names.index(one) for one in guess(text)]), names)
            cells = [f"{found['labels'][one]['f1'] / 1e4:.2f}" if one in found["labels"] else "–" for one in names]
            print(f"| {name} | {len(text):,} | {way} | {found['macro_f1'] / 1e4:.3f} | {' | '.join(cells)} |")


def plain(dealt: training.Dealt, folder: Path) -> Callable[[Sequence[str]], list[str]]:
    """Train fastText as its tutorial does."""
    pairs = zip(*dealt.of(training.TRAIN), strict=True)
    lines = [f"__label__{label} {' '.join(text.split())}" for text, label in pairs]
    file = folder / "plain.txt"
    file.write_text("\n".join(sorted(lines, key=hash_of)) + "\n", encoding="utf-8")
    model = fasttext.train_supervised(
        str(file), dim=16, minn=1, maxn=3, bucket=200_000, epoch=5, lr=0.5, thread=1, seed=7, verbose=0
    )

    def guess(texts: Sequence[str]) -> list[str]:
        labels, _ = model.predict([" ".join(text.split()) for text in texts])
        return [one[0].removeprefix("__label__") if one else "clean" for one in labels]

    return guess


def hash_of(line: str) -> str:
    """Order lines by chance, the same every time."""
    return sha256(line.encode()).hexdigest()


def keywords() -> Callable[[Sequence[str]], list[str]]:
    """Label texts by the rules that find most in them."""
    pack = rules.concern(rules.load_packs(("cn.harm", "world.harm")), "keywords")

    def guess(texts: Sequence[str]) -> list[str]:
        batch = documents(texts)
        found = screens.look("keywords", batch, pack)
        counts: dict[str, Counter[str]] = {}
        for row in pa.Table.from_batches([found]).select(["doc_id", "rule", "score"]).to_pylist():
            if row["score"] != 0:
                counts.setdefault(row["doc_id"], Counter())[label_of(row["rule"])] += 1
        return [
            counts[one].most_common(1)[0][0] if one in counts else "clean" for one in batch.column("doc_id").to_pylist()
        ]

    return guess


def label_of(rule: str) -> str:
    """Return our label for a rule; words that offer something else illegal are an illicit advertisement."""
    end = rule.partition(".")[2].removeprefix("cn_")
    return MEANS.get(end, "abuse" if end.startswith("against_") else "illicit_ad")


def false_positives(ready: classifiers.Classifier, data: Path, dealt: training.Dealt) -> None:
    """Count clean texts that a limit of .5 on the text, or of .9 on a passage, would hold."""
    table = pq.read_table(data / "bench" / "zh.parquet", columns=["source", "text"])
    print("\n| texts | number | held at .5 of the text | at .9 of a passage | upper bound |\n|---|---|---|---|---|")
    sets = {one.data.name: one.text for one in dealt.read if one.data.name in {"law", "news", "reviews"}}
    for name in dict.fromkeys(table["source"].to_pylist()):
        mine = table.filter(pc.equal(table["source"], name))["text"].to_pylist()
        sets[name] = [text for text in mine if len(text) > LONG]
    for name, mine in sets.items():
        chosen = sorted(mine, key=hash_of)[:SAMPLE]
        if len(chosen) < LEAST:
            continue
        found = ready.probabilities(pa.array(chosen, pa.large_string()))
        mean = np.max([mean for mean, _ in found.values()], axis=0)
        most = np.max([most for _, most in found.values()], axis=0)
        held = verdict(int((mean >= 0.5).sum()), len(chosen))
        print(f"| {name} | {len(chosen):,} | {held.bad} | {(most >= 0.9).sum()} | {held.upper / 100:.2f} % |")


def speed(ready: classifiers.Classifier, data: Path) -> None:
    """Classify whole documents on one core; the best of three."""
    print("\n| texts | MB | MB/s |\n|---|---|---|")
    for name in ("zh", "en"):
        text = pq.ParquetFile(data / "bench" / f"{name}.parquet").read_row_group(1, columns=["text"])["text"]
        column = text.combine_chunks().cast(pa.large_string())
        size = pc.sum(pc.binary_length(column)).as_py() / 1e6
        ready.probabilities(column.slice(0, 8))
        took = []
        for _ in range(3):
            began = time.thread_time()
            ready.probabilities(column)
            took.append(time.thread_time() - began)
        print(f"| {name} | {size:.1f} | {size / min(took):.0f} |")


def decide() -> None:
    """Decide a million made-up facts under the default policy, then change one threshold."""
    in_force = policy.load("default")
    packs = rules.load_packs(in_force.needs)
    chance = np.random.default_rng(7)
    parts = [known(chance, 50_000, number, packs) for number in range(MILLION // 50_000)]
    print(f"\n{MILLION:,} facts of {sum(part.nbytes for part in parts) / 1e6:,.0f} MB, policy default")
    began = time.perf_counter()
    judged = [policy.judge(in_force, part) for part in parts]
    print(f"| all clauses judged again | {time.perf_counter() - began:.2f} s |")
    clause = next(one for one in in_force.clauses if one.id == "quality.garbled")
    lists = pa.chunked_array([part["reasons"].combine_chunks() for part in judged])
    was = np.concatenate([reasons.ranks(part["disposition"]) for part in judged])
    began = time.perf_counter()
    said = tune.said_without(lists, in_force, clause.id)
    tried = parse("quality.replacement_share > 0.2 OR quality.control_share > 0.05", "bench")
    hit = pa.concat_arrays([evaluate([tried], part)[0] for part in parts])
    unknown = np.asarray(pc.is_null(hit))
    becomes = said.with_clause(clause, np.asarray(pc.equal(pc.fill_null(hit.cast(pa.int8()), 0), 1)), unknown)
    print(f"| one threshold changed: {(becomes != was).sum():,} others | {time.perf_counter() - began:.2f} s |")


def known(chance: np.random.Generator, n: int, number: int, packs: Sequence[rules.RulePack]) -> pa.Table:
    """Make up the facts of a shard: signals by chance, one finding for two documents."""
    ids = pa.array([f"{number:08x}{i:024x}" for i in range(n)])
    shard = pa.Table.from_batches([documents([""] * n)])
    shard = shard.set_column(shard.schema.get_field_index("doc_id"), "doc_id", ids)
    measured = {
        family.__name__.rpartition(".")[2]: pa.table(
            {f.name: ids if f.name == "doc_id" else made(chance, f, n) for f in family.SCHEMA},
            schema=family.SCHEMA,
        )
        for family in (quality, language)
    }
    in_force = [rule for pack in packs for rule in pack.rules if rule.screen != "optout"]
    which = chance.integers(0, len(in_force), n // 2)
    columns = {f.name: pa.nulls(n // 2, f.type) for f in FINDINGS}
    columns |= {
        f.name: pa.array(np.zeros(n // 2), f.type) for f in FINDINGS if pa.types.is_integer(f.type) and not f.nullable
    }
    columns |= {f.name: pa.array([""] * (n // 2)) for f in FINDINGS if pa.types.is_string(f.type) and not f.nullable}
    columns |= {
        "doc_id": ids.take(pa.array(chance.integers(0, n, n // 2))),
        "rule": pa.array([in_force[i].id for i in which]),
        "category": pa.array([in_force[i].category for i in which]),
    }
    optouts = pa.table({"doc_id": ids, "state": pa.array(["allowed"] * n), "digest": pa.nulls(n, pa.string())})
    source = {"source_id": f"s{number}", "kind": "own", "basis": "own_content", "status": "valid", "priority": 0}
    return facts(shard, measured, pa.table(columns, schema=FINDINGS), optouts, source, packs)


def made(chance: np.random.Generator, field: pa.Field, n: int) -> pa.Array:
    """Make up a column."""
    if pa.types.is_integer(field.type):
        scaled = b"scale" in (field.metadata or {})
        return pa.array(
            (chance.beta(1, 20, n) * 10_000).astype(np.int64) if scaled else chance.integers(1, 5_000, n), field.type
        )
    return pa.array(np.array(["zh", "en"])[chance.integers(0, 2, n)], field.type)


if __name__ == "__main__":
    main()
