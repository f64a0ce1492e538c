"""Train the two models of text that the package ships: of characters (ngrams) and of clause boundaries (continuity).

    python bench/text_models.py --data ../shared/data --out corpus_gov/signals/models

Only texts that a shipped model may be made of are read: three published sets whose licences permit it (COLDataset,
Apache-2.0; Davidson et al., MIT; SMS Spam Collection, CC BY 4.0), what stands in the standard library of the running
Python (PSF-2.0), and texts that training/ writes. The same texts give the same bytes. An operator who has better ones
gives --texts, a file of JSON lines with a `text`, in place of all that (corpus_gov/signals/models/README.md).
"""

import argparse
import ast
import html
import json
import lzma
import platform
import random
import re
import runpy
import sysconfig
import tokenize
from collections.abc import Iterator, Sequence
from hashlib import sha256
from itertools import zip_longest
from pathlib import Path
from pydoc_data.topics import topics

import numba
import numpy as np
import pyarrow as pa
import yaml
from measuring import rows

from corpus_gov.kernels import clauses, ngrams, scripts

PROJECT = Path(__file__).resolve().parents[1]
PUBLISHED = "03_harmful_text"
COMMENTS = {"cold": 12_000, "davidson_en": 4_000, "sms_spam_en": 3_000}
"""Published set → how many of its comments are read, of those dealt to training: they must not outweigh all else."""
LEAST_COMMENT = 30
TOGETHER = 12
"""Comments of more than LEAST_COMMENT characters are put together, so many to a text: one alone has two clauses."""
OF_A_FAMILY = 100
"""Texts of each family that training/write_texts.py writes, with its own seed."""
WRITE_SEED = 7
SKIPPED = {"test", "tests", "idle_test", "site-packages", "encodings", "ensurepip"}
"""Folders of the standard library that are not read: tests, tables, and what others wrote."""
COMMENT_LINES = re.compile(r"(?:^[ \t]*#.*\n){3,}", re.MULTILINE)
ADDRESSES = re.compile(r"\S*(?:@|://)\S*")
"""Addresses and names of accounts: of persons, and of no use to a model."""

PIECE = 4_000
"""Characters of a piece of a long English text."""
ENGLISH_TEXTS = 1_200
"""English texts that boundaries are learned from."""
LEAST_ENGLISH = 500
HELD_OUT = 20
"""Every so-many-th text is not trained on, and measured on."""

EPOCHS, AVERAGED, RATE, DECAY = 8, 5, 0.08, 1e-5
"""Weights are the mean of those after each of the last so many epochs: those of one depend on the order of texts.
Chosen by the texts held out."""
UNIT = 16
"""Weights are kept in sixteenths."""

ENGLISH_CHARACTERS = 8_000_000
KEPT = 100_000
"""N-grams kept with Han characters, and as many without."""
DISCOUNT = 0.75
LEAST_PAIR = 6
LEAST_LONG = 4
SEED = 6


def main() -> None:
    """Train, write, and print what the cards of the models say."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--texts", type=Path, help="JSON lines with a text, instead of the package's choice")
    parser.add_argument("--out", type=Path, default=Path("corpus_gov/signals/models"))
    given = parser.parse_args()
    texts = operator_texts(given.texts) if given.texts else chosen(given.data)
    trained = [text for number, text in enumerate(texts) if number % HELD_OUT]
    held = [text for number, text in enumerate(texts) if not number % HELD_OUT]
    digest = sha256("\0".join(texts).encode()).hexdigest()
    print(f"{len(trained):,} texts, {sum(map(len, trained)):,} characters; held out {len(held):,}; SHA-256 {digest}")
    given.out.mkdir(parents=True, exist_ok=True)
    weights = boundaries(trained)
    (given.out / "continuity.xz").write_bytes(lzma.compress(weights.tobytes(), preset=9))
    print(f"continuity: right in {right(held, weights):.4f} of comparisons held out")
    model = characters(trained)
    model.write(given.out / "ngrams.xz")
    for name, group in (
        ("zh", [each for each in held if is_chinese(each)]),
        ("en", [each for each in held if not is_chinese(each)]),
    ):
        if group:
            found = model.measure(*scripts.read_only(pa.array(group, pa.large_string())))
            bits = found["surprise"].sum() / found["characters"].sum() / ngrams.STEPS
            print(f"ngrams, held out {name}: {bits:.3f} bits a character")
    for path in sorted(given.out.glob("*.xz")):
        print(f"{path.name}: {path.stat().st_size:,} bytes, SHA-256 {sha256(path.read_bytes()).hexdigest()}")


def chosen(data: Path) -> list[str]:
    """Read the texts of the shipped models, in a fixed order: sources in turns, so that a limit meets all of them."""
    print(f"standard library of Python {platform.python_version()}")
    sources = [comments(data / PUBLISHED, name, number) for name, number in COMMENTS.items()]
    sources += [library(), own("zh"), own("en")]
    for name, source in zip((*COMMENTS, "library", "own_zh", "own_en"), sources, strict=True):
        print(f"{name}: {len(source):,} texts, {sum(map(len, source)):,} characters")
        random.Random(SEED).shuffle(source)
    return [text for turn in zip_longest(*sources) for text in turn if text]


def comments(folder: Path, name: str, number: int) -> list[str]:
    """Read comments of a published set that are not left to tests."""
    found = [
        ADDRESSES.sub("", html.unescape(row["text"])).strip()
        for row in rows(folder / f"{name}.jsonl.zst")
        if row["split"] == "train"
    ]
    found = [text for text in found if len(text) > LEAST_COMMENT]
    random.Random(SEED).shuffle(found)
    return together(found[:number])


def own(language: str) -> list[str]:
    """Write the training texts of this project, those of a family together."""
    written = runpy.run_path(str(PROJECT / "training" / "write_texts.py"))["texts"]
    templates = yaml.safe_load((PROJECT / "training" / f"{language}.yaml").read_text(encoding="utf-8"))
    return together([row["text"] for row in written(templates, WRITE_SEED, OF_A_FAMILY)])


def together(texts: Sequence[str]) -> list[str]:
    """Put short texts together."""
    return ["\n".join(texts[at : at + TOGETHER]) for at in range(0, len(texts), TOGETHER)]


def library() -> list[str]:
    """Read help topics, docstrings and longer comments of the standard library, modules by name.

    Modules that name a copyright of their own are left out.
    """
    root = Path(sysconfig.get_path("stdlib"))
    found = [piece for name in sorted(topics) for piece in pieces(topics[name])]
    for path in sorted(root.rglob("*.py"), key=lambda path: path.relative_to(root).as_posix()):
        if SKIPPED & set(path.relative_to(root).parts):
            continue
        with tokenize.open(path) as lines:
            source = lines.read()
        if "copyright" not in source.lower():
            found += pieces("\n\n".join(written(source)))
    return found


def written(source: str) -> Iterator[str]:
    """Yield what a module says in words."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield ast.get_docstring(node) or ""
    for block in COMMENT_LINES.findall(source):
        yield re.sub(r"(?m)^[ \t]*#+ ?", "", block)


def pieces(text: str) -> list[str]:
    """Cut a text at line ends, without addresses."""
    found, text = [], ADDRESSES.sub("", text).strip()
    while len(text) >= LEAST_ENGLISH:
        end = text.rfind("\n", 0, PIECE) + 1 or PIECE
        found.append(text[:end])
        text = text[end:]
    return found


def operator_texts(path: Path) -> list[str]:
    """Read an operator's texts."""
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line)["text"] for line in lines]


def is_chinese(text: str) -> bool:
    """Tell which half of the n-grams a text is for."""
    return 4 * sum("一" <= each <= "鿿" for each in text) > len(text)


# --- boundaries of clauses


def boundaries(texts: Sequence[str]) -> np.ndarray:
    """Learn weights that put a boundary above the same one with another clause after it, or another mark between."""
    english = [text for text in texts if not is_chinese(text)][:ENGLISH_TEXTS]
    read = [text for text in texts if is_chinese(text)] + english
    _, features = clauses.boundaries(*scripts.read_only(pa.array(read, pa.large_string())))
    weights, generator = np.zeros(1 << clauses.BITS), np.random.default_rng(SEED)
    total = np.zeros_like(weights)
    for epoch in range(EPOCHS):
        rank(features, weights, generator.permutation(len(features)), RATE / (1 + epoch))
        if epoch >= EPOCHS - AVERAGED:
            total += weights
    return np.clip(np.rint(UNIT * total / AVERAGED), -127, 127).astype(np.int8)


@numba.njit
def rank(features, weights, order, rate):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Run once over all boundaries, by stochastic gradient descent on the logistic loss of both differences."""
    for i in order:
        for other in range(1, 3):
            difference = 0.0
            for k in range(features.shape[2]):
                difference += weights[features[i, 0, k]] - weights[features[i, other, k]]
            push = 1 / (1 + np.exp(-difference)) - 1
            for k in range(features.shape[2]):
                one, two = features[i, 0, k], features[i, other, k]
                if one != two:
                    weights[one] -= rate * (push + DECAY * weights[one])
                    weights[two] -= rate * (DECAY * weights[two] - push)


def right(texts: Sequence[str], weights: np.ndarray) -> float:
    """Share of comparisons in which the boundary as written weighs more."""
    _, features = clauses.boundaries(*scripts.read_only(pa.array(list(texts), pa.large_string())))
    found = weights.astype(np.int64)[features].sum(axis=2)
    return float((found[:, :1] > found[:, 1:]).mean())


# --- n-grams of characters


def characters(texts: Sequence[str]) -> ngrams.Model:
    """Count n-grams, keep those that say most, and compute their probabilities."""
    folded = fold(texts)
    han = scripts.classes()[folded] >= scripts.HAN
    keys = ngrams.hashes(folded)
    counts = np.bincount(folded, minlength=ngrams.SYMBOLS).astype(np.float64)
    # A symbol that was never seen has what the discount leaves, shared by all symbols.
    left = DISCOUNT * (counts > 0).sum() / counts.sum()
    chance = np.maximum(counts - DISCOUNT, 0) / counts.sum() + left / ngrams.SYMBOLS
    lower = chance[folded]  # the probability of each place by the n-grams of the orders so far
    weight_of: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    place_context = np.concatenate([[0], folded[:-1]]).astype(np.uint64)
    known_context = np.ones(len(folded), np.bool_)
    single_weight = np.ones(ngrams.SYMBOLS)
    kept: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for n in range(1, ngrams.ORDER):
        found, first, inverse, times = np.unique(keys[n], return_index=True, return_inverse=True, return_counts=True)
        ctx = place_context[first]
        # The mass of a context is of all that follow it, kept or not.
        order, _, ctx_inverse = np.unique(place_context, return_index=True, return_inverse=True)
        mass = np.bincount(ctx_inverse).astype(np.float64)
        at = np.searchsorted(order, ctx)
        own = (times - DISCOUNT) / mass[at]
        gain = times * np.log2(np.maximum(own, 1e-12) / lower[first])
        good = known_context[first] & (times >= (LEAST_PAIR if n == 1 else LEAST_LONG)) & (gain > 0) & (first >= n)
        for side in (True, False):
            mine = np.flatnonzero(good & (han[first] == side))
            budget = int(KEPT * (0.35, 0.35, 0.2, 0.1)[n - 1]) if side else int(KEPT * (0.04, 0.16, 0.35, 0.45)[n - 1])
            if len(mine) > budget:
                good[mine[np.argsort(-gain[mine], kind="stable")[budget:]]] = False
        used = np.bincount(at[good], own[good], minlength=len(order))
        weight = np.maximum(1 - used, 1e-6)
        if n == 1:
            single_weight[order.astype(np.int64)] = weight
        else:
            weight_of[n - 1] = (order, weight)
        probability = np.zeros(len(found))
        probability[good] = own[good] + weight[at[good]] * lower[first[good]]
        here = good[inverse]
        lower = np.where(here, probability[inverse], np.where(known_context, weight[ctx_inverse], 1.0) * lower)
        kept.append((found[good], probability[good], first[good]))
        place_context = np.concatenate([[0], keys[n][:-1]]).astype(np.uint64)
        known_context = np.concatenate([[False], here[:-1]])
    single = np.stack([steps(chance), steps(single_weight)], axis=1)
    all_keys = np.concatenate([each for each, _, _ in kept])
    surprises = np.concatenate([steps(each) for _, each, _ in kept])
    weights = [np.zeros(len(each), np.uint8) for each, _, _ in kept]
    for n, (order, weight) in weight_of.items():
        each = kept[n - 1][0]
        at = np.minimum(np.searchsorted(order, each), len(order) - 1)
        weights[n - 1] = np.where(order[at] == each, steps(weight[at]), 0).astype(np.uint8)
    return ngrams.Model(single, ngrams.table_of(all_keys, surprises, np.concatenate(weights)))


def fold(texts: Sequence[str]) -> np.ndarray:
    """Write texts as the symbols of the model, English ones up to ENGLISH_CHARACTERS in all."""
    joined, english = [], 0
    for text in texts:
        if not is_chinese(text):
            if english > ENGLISH_CHARACTERS:
                continue
            english += len(text)
        joined.append(" ".join(text.split()))
    points = np.frombuffer(" ".join(joined).encode("utf-32-le"), np.uint32)
    return ngrams.symbols()[np.minimum(points, scripts.LAST)].astype(np.int64)


def steps(probability: np.ndarray) -> np.ndarray:
    """Probabilities as steps of -log2, at most 255."""
    found: np.ndarray = np.clip(np.rint(-ngrams.STEPS * np.log2(np.maximum(probability, 1e-9))), 0, 255)
    return found.astype(np.uint8)


if __name__ == "__main__":
    main()
