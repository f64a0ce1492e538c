"""Measure what is found of misread text and how much of it the recipes bring back, beside ftfy, and false alarms.

    python bench/mojibake.py --data ../shared/data

zh_mojibake: Chinese texts misread in four ways; found: at least one place; exact: replaying the recipes gives the
original; close: it is like it by 0.95 or more (difflib's ratio); the data say which texts cannot be undone.
mojibake_ftfy: ftfy's own cases, which it has all but its known failures; a case is misread where its fixed text
differs from what ftfy's other fixes make of it; exact: equal after those same other fixes. False alarms: documents
of the bench corpus, every k-th, with a place in them. The goals are asserted.
"""

import argparse
import difflib
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

import ftfy
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from measuring import documents, rows, seconds

from corpus_gov import rules
from corpus_gov.screens import encoding
from corpus_gov.sources import mojibake

CLEAN = 2000
OTHER_FIXES = ftfy.TextFixerConfig(fix_encoding=False, unescape_html=False)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--show", action="store_true", help="print what is missed")
    options = parser.parse_args()
    chinese(options.data / "09_encodings")
    others(options.data / "09_encodings", show=options.show)
    for name in ("zh", "en"):
        alarms = clean(options.data / "bench" / f"{name}.parquet", show=options.show)
        assert alarms <= 0.001 * CLEAN, (name, alarms)


def ours(text: str) -> tuple[bool, str]:
    """Return whether anything was found, and the text with all recipes replayed."""
    places, at, parts = mojibake.find(text), 0, []
    for place in places:
        parts += [text[at : place.start], mojibake.repair(text[place.start : place.end], place.recipe)]
        at = place.end
    return bool(places), "".join([*parts, text[at:]])


def theirs(text: str) -> tuple[bool, str]:
    """Do the same with ftfy."""
    fixed = ftfy.fix_encoding(text)
    return fixed != text, fixed


READERS: dict[str, Callable[[str], tuple[bool, str]]] = {"ours": ours, "ftfy": theirs}


def chinese(folder: Path) -> None:
    """Print what is found and brought back, by kind."""
    table: dict[str, Counter[str]] = defaultdict(Counter)
    alike: dict[tuple[str, str], float] = defaultdict(float)
    for row in rows(folder / "zh_mojibake.jsonl.zst"):
        kind = table[row["kind"]]
        kind["n"] += 1
        kind["lossy"] += row["lossy"]
        for name, read in READERS.items():
            found, text = read(row["mojibake"])
            kind[f"{name} found"] += found
            kind[f"{name} exact"] += text == row["original"]
            ratio = difflib.SequenceMatcher(None, text, row["original"], autojunk=False).ratio()
            kind[f"{name} close"] += ratio >= 0.95
            alike[row["kind"], name] += ratio
    columns = [f"{name} {what}" for name in READERS for what in ("found", "exact", "close")]
    print("\n| zh_mojibake | texts | lossy |", " | ".join(columns), "| mean likeness ours | ftfy |")
    for name, kind in sorted(table.items()):
        likeness = [f"{alike[name, reader] / kind['n']:.3f}" for reader in READERS]
        print("|", " | ".join(map(str, [name, kind["n"], kind["lossy"], *(kind[one] for one in columns), *likeness])))
        assert kind["ours found"] == kind["n"], name
        assert kind["lossy"] or kind["ours exact"] == kind["n"], name


def others(folder: Path, *, show: bool) -> None:
    """Print precision, recall and exact repairs on the cases of ftfy."""
    counts: dict[str, Counter[str]] = {name: Counter() for name in READERS}
    for row in rows(folder / "mojibake_ftfy.jsonl.zst"):
        original, fixed = row["original"], ftfy.fix_text(row["fixed"], OTHER_FIXES)
        misread = ftfy.fix_text(original, OTHER_FIXES) != fixed
        for name, read in READERS.items():
            found, text = read(original)
            exact = ftfy.fix_text(text, OTHER_FIXES) == fixed
            counts[name][("true" if misread else "false") if found else ("missed" if misread else "left")] += 1
            counts[name]["exact"] += exact and misread
            if show and name == "ours" and ((misread and not exact) or (found and not misread)):
                print(
                    "#", row["id"], row["label"], repr(original[:90]), "->", repr(text[:90]) if found else "not found"
                )
    print("\n| mojibake_ftfy | misread | found | false alarms | precision | recall | exact |")
    for name, count in counts.items():
        wrong, said = count["true"] + count["missed"], count["true"] + count["false"]
        shares = (count["true"] / said, count["true"] / wrong, count["exact"] / wrong)
        print(f"| {name} | {wrong} | {count['true']} | {count['false']} |", *(f"{one:.3f} |" for one in shares))


def clean(path: Path, *, show: bool) -> int:
    """Print and return how many clean documents the screen finds misread text in, and its speed."""
    texts = pq.read_table(path, columns=["text"])["text"].combine_chunks()
    texts = texts.take(pa.array(range(0, len(texts), len(texts) // CLEAN)[:CLEAN])).cast(pa.large_string())
    size, pack = (
        pc.sum(pc.binary_length(texts)).as_py() / 1e6,
        rules.concern(rules.load_packs(["common.encoding"]), "encoding"),
    )
    batch = documents(texts.to_pylist())
    taken, found = seconds(lambda each: encoding.screen(each, pack), [batch]), encoding.screen(batch, pack)
    hits = [row for row in found.to_pylist() if row["rule"] == "encoding.mojibake"]
    alarms = {row["doc_id"] for row in hits}
    print(f"\n{path.stem}: {len(alarms)} of {len(texts)} documents; screen {size / taken:.0f} MB/s of {size:.1f} MB")
    for row in hits if show else []:
        print("#", repr(texts[int(row["doc_id"], 16)].as_py()[max(row["start"] - 8, 0) : row["end"] + 8]), row["note"])
    return len(alarms)


if __name__ == "__main__":
    main()
