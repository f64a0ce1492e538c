"""Spun copies that are made here, and what the pipeline says of them, for near.py."""

import argparse
import re
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from near_pipeline import edges, way, written
from near_truth import Slice, read

LEAST = 20
"""Clauses of a text that spun copies are made of."""

SPUN = {"shuffled": True, "shuffled, a fifth of others": True, "half of others": False, "one form": False}
"""Whether a text is a spun copy of the base that it was made of."""


def spun(options: argparse.Namespace) -> None:
    """Print how many spun copies are found, and what else is called one."""
    piece = read(options.data)["edits"]
    texts = made(piece)
    source = options.work / "spun.parquet"
    pq.write_table(pa.table({"text": pa.array([text for *_, text in texts], pa.large_string())}), source)
    with tempfile.TemporaryDirectory(dir=options.work) as folder:
        done = way(Path(folder), [source])
        found, documents = edges(done.workspace), written(done.workspace)
    known = dict(zip(documents["doc_id"].to_pylist(), documents["text"].to_pylist(), strict=True))
    kind_of = {text: (kind, place) for kind, place, text in texts}
    said: dict[tuple[str, str], set[int]] = {}
    strange: Counter = Counter()
    for row in found.to_pylist():
        (kind, place), (other_kind, other) = (kind_of[known[row[side]]] for side in ("a", "b"))
        if place != other:
            strange[row["kind"]] += 1
        elif "base" in (kind, other_kind):
            said.setdefault((other_kind if kind == "base" else kind, row["kind"]), set()).add(place)
    bases = sum(kind == "base" for kind, *_ in texts)
    print(f"\n| made of each of {bases} texts | is spun | spun | contained | near |\n|---|---|---|---|---|")
    for kind, true in SPUN.items():
        cells = [len(said.get((kind, one), ())) / bases for one in ("spun", "contained", "near")]
        print(f"| {kind} | {'yes' if true else 'no'} | {' | '.join(f'{cell:.3f}' for cell in cells)} |")
    print(f"edges between texts of different bases: {dict(strange)}")
    right = sum(len(said.get((kind, "spun"), ())) for kind, true in SPUN.items() if true)
    called = sum(len(places) for (_, kind), places in said.items() if kind == "spun")
    print(f"spun: {right} right of {called} between a base and what was made of it", flush=True)


def made(piece: Slice) -> list[tuple[str, int, str]]:
    """Make texts of every base that has enough clauses.

    All its clauses in another order; these with a quarter as many of others; every second clause with as many of
    others, which is a copy of none; and its clauses in order, every sixth with a number of its own, as pages
    of one form have.

    Returns:
        Kind, place of the base, text.
    """
    rng, found = np.random.default_rng(5), []
    bases = [place for place in sorted(set(piece.families or ())) if len(clauses(piece.texts[place])) >= LEAST]
    for number, place in enumerate(bases):
        mine = clauses(piece.texts[place])
        # A few of each of many others: most of one would be made of that one too.
        others = [clauses(piece.texts[bases[(number + step) % len(bases)]])[:5] for step in range(1, 100)]
        its = [one for other in others for one in other]
        mixtures = {
            "shuffled": rng.permutation(mine),
            "shuffled, a fifth of others": rng.permutation([*mine, *its[: len(mine) // 4]]),
            "half of others": rng.permutation([*mine[::2], *its[: len(mine[::2])]]),
            "one form": [f"{one} {rng.integers(10**9)}" if at % 6 == 0 else one for at, one in enumerate(mine)],
        }
        found.append(("base", place, piece.texts[place]))
        found += [(kind, place, "，".join(parts)) for kind, parts in mixtures.items()]
    return found


def clauses(text: str) -> list[str]:
    """Cut a text at punctuation and line ends; pieces of at least five words or characters."""
    cut = (one.strip() for one in re.split(r"[，。、；：！？,.;:!?\n]", text))
    return [one for one in cut if len(one.split() if one.isascii() else one) >= 5]
