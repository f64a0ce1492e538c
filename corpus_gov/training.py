"""Train a classifier from a recipe: the same files, recipe and libraries give the same bytes.

Texts are cut into passages by the kernel that inference uses. The groups of each label (template families, clusters
of near duplicates, else single texts) are dealt out in an order that the seed says: three in five are trained on, but
for a tenth of their texts (*own families*); one in five makes the calibration curves; one in five is scored alone
(*unseen families*). Data of `use: test` are only scored. Nothing is read from anywhere but the recipe's files.
"""

import gzip
import io
import json
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import zstandard

from corpus_gov import scores
from corpus_gov.classifiers import FORMAT, LABELS, NONE, Classifier, load, view
from corpus_gov.errors import ConfigError
from corpus_gov.kernels import passages, textmodel
from corpus_gov.recipes import Data, Recipe
from corpus_gov.schemas import SCALE

LIBRARIES: Final = ("fasttext-community", "numba", "numpy", "pyarrow")

TRAIN, OWN, CALIBRATION, UNSEEN = range(4)
_OF_FIVE: Final = (TRAIN, TRAIN, TRAIN, CALIBRATION, UNSEEN)
_ONE_OF: Final = 10
"""So many texts of trained groups give one that is held out."""


@dataclass(frozen=True)
class Texts:
    """The labelled texts of one entry of a recipe."""

    data: Data
    text: list[str]
    label: list[str]
    group: list[str]
    digests: dict[str, str]
    """File name → SHA-256."""


@dataclass(frozen=True)
class Dealt:
    """The texts of a recipe, and what each is for."""

    read: list[Texts]
    labels: list[str]
    text: list[str]
    label: np.ndarray
    """int64, n places in `labels`."""
    role: np.ndarray
    """int64 (n,): TRAIN, OWN, CALIBRATION or UNSEEN."""

    def of(self, role: int) -> tuple[list[str], list[str]]:
        """Return the texts of a role, and their labels."""
        mine = np.flatnonzero(self.role == role)
        return [self.text[i] for i in mine], [self.labels[place] for place in self.label[mine]]


def deal(recipe: Recipe, folder: Path) -> Dealt:
    """Read the texts of a recipe and deal them out; arguments and errors as for `train`."""
    read = [_read(one, folder, recipe.seed) for one in recipe.data]
    mine = [texts for texts in read if texts.data.use == "train"]
    labels = sorted({label for texts in mine for label in texts.label})
    if NONE not in labels or len(labels) < 2:
        raise ConfigError(
            f"recipe {recipe.name!r}: found labels {labels!r} to train on, expected {NONE!r} and one more; add texts"
        )
    text = [one for texts in mine for one in texts.text]
    label = np.array([labels.index(one) for texts in mine for one in texts.label], np.int64)
    role = roles(label, [one for texts in mine for one in texts.group], text, recipe.seed, labels)
    return Dealt(read, labels, text, label, role)


def train(recipe: Recipe, folder: Path, out: Path) -> dict[str, Any]:
    """Train, quantise, calibrate, score, and write model, card and a page about it.

    Args:
        recipe: what to do.
        folder: where the recipe's files lie.
        out: folder for `<name>.ftz`, `<name>.json` and `<name>.md`; made where it is missing, files are replaced.

    Returns:
        The card.

    Raises:
        ConfigError: a file cannot be read, a row is no labelled text, or a label has fewer than five groups.
    """
    dealt = deal(recipe, folder)
    out.mkdir(parents=True, exist_ok=True)
    model = out / f"{recipe.name}.ftz"
    _fit(recipe, *dealt.of(TRAIN), model)
    read = textmodel.load(model)
    curves, errors = _calibrate(Classifier(recipe.name, read, read.labels, {}, ""), *dealt.of(CALIBRATION))
    card = _card(recipe, dealt.read, model, curves)
    parts = {"train": TRAIN, "own": OWN, "calibration": CALIBRATION, "unseen": UNSEEN}
    card["training"]["texts"] = {name: dict(sorted(Counter(dealt.of(role)[1]).items())) for name, role in parts.items()}
    card["calibration_error"] = errors
    path = out / f"{recipe.name}.json"
    path.write_text(_dumped(card), encoding="utf-8")
    ready = load(path, sha256(path.read_bytes()).hexdigest())
    card["scores"] = {
        "own families": score(ready, *dealt.of(OWN)),
        "unseen families": score(ready, *dealt.of(UNSEEN)),
    } | {texts.data.name: score(ready, texts.text, texts.label) for texts in dealt.read if texts.data.use == "test"}
    path.write_text(_dumped(card), encoding="utf-8")
    (out / f"{recipe.name}.md").write_text(page(card), encoding="utf-8")
    return card


def score(classifier: Classifier, text: Sequence[str], label: Sequence[str]) -> dict[str, Any]:
    """Score a classifier on labelled texts by the label that is likeliest on the whole.

    Args:
        classifier: any.
        text: n texts.
        label: n labels; those that the model does not know count as its misses.

    Returns:
        Of `scores.by_label`.
    """
    names = [*classifier.labels, *sorted({*label} - {*classifier.labels})]
    truth = np.array([names.index(one) for one in label], np.int64)
    return scores.by_label(truth, likeliest(classifier, text), names)


def likeliest(classifier: Classifier, text: Sequence[str]) -> np.ndarray:
    """Return the likeliest label of each text, averaged over its passages: int64 places in `classifier.labels`.

    A text of which the model knows nothing is NONE's.
    """
    raw, cut = classifier.raw(pa.array(text, pa.large_string()))
    total = np.zeros((len(text), len(classifier.labels)))
    np.add.at(total, cut.rows, raw * cut.tokens[:, None])
    guess: np.ndarray = total.argmax(axis=1)
    return np.where(total.any(axis=1), guess, classifier.labels.index(NONE))


def roles(label: np.ndarray, group: Sequence[str], text: Sequence[str], seed: int, labels: Sequence[str]) -> np.ndarray:
    """Deal texts out.

    Args:
        label: int64, n places in `labels`.
        group: n names; texts of one name and label stay together.
        text: n texts.
        seed: of the order.
        labels: their names.

    Returns:
        int64 (n,): TRAIN, OWN, CALIBRATION or UNSEEN.

    Raises:
        ConfigError: a label has fewer than five groups.
    """
    role = np.empty(len(text), np.int64)
    names = np.array(group, object)
    for place, name in enumerate(labels):
        mine = np.flatnonzero(label == place)
        order = sorted(set(names[mine].tolist()), key=lambda one: _draw(seed, name, one))
        if len(order) < len(_OF_FIVE):
            raise ConfigError(f"label {name!r}: found {len(order)} groups of texts, expected 5 at least; write more")
        dealt = {one: _OF_FIVE[rank % len(_OF_FIVE)] for rank, one in enumerate(order)}
        role[mine] = [dealt[one] for one in names[mine].tolist()]
    held = [
        i for i in np.flatnonzero(role == TRAIN).tolist() if int(_draw(seed, "text", text[i])[:8], 16) % _ONE_OF == 0
    ]
    role[held] = OWN
    return role


def _draw(seed: int, *parts: str) -> str:
    return sha256("\0".join([str(seed), *parts]).encode()).hexdigest()


def _read(data: Data, folder: Path, seed: int) -> Texts:
    rows: list[tuple[str, str, str]] = []
    digests = {}
    for name in data.files:
        path = folder / name
        try:
            content = path.read_bytes()
            digests[name] = sha256(content).hexdigest()
            rows += _labelled(data, path.name, _lines(content, path.suffix))
        except (OSError, UnicodeDecodeError, zstandard.ZstdError) as error:
            raise ConfigError(
                f"{name}: {type(error).__name__}; expected a file of labelled texts in the folder given with --data"
            ) from error
    rows = sorted(set(rows), key=lambda row: _draw(seed, row[1], row[0]))
    seen: Counter[str] = Counter()
    kept = []
    for row in rows:
        seen[row[1]] += 1
        if data.most is None or seen[row[1]] <= data.most:
            kept.append(row)
    text, label, group = (list(column) for column in zip(*kept, strict=True)) if kept else ([], [], [])
    return Texts(data, text, label, group, digests)


def _labelled(data: Data, name: str, lines: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
            text, label = row["text"], row["label"]
            # A row of no group stands alone.
            group = str(row.get(data.group) or text) if data.group else text
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigError(
                f"{name}:{number}: {type(error).__name__}; expected an object with text and label; correct the row"
            ) from error
        ours = data.labels.get(label) if data.labels else label
        if ours is None:
            continue
        if data.use == "train" and ours not in {NONE, *LABELS}:
            raise ConfigError(f"{name}:{number}: found label {ours!r}, expected {NONE!r} or one of {[*LABELS]!r}")
        yield text, ours, f"{data.name}:{group}"


def _lines(content: bytes, suffix: str) -> Iterator[str]:
    plain: Any = io.BytesIO(content)
    if suffix == ".zst":
        plain = zstandard.ZstdDecompressor().stream_reader(content)
    elif suffix == ".gz":
        plain = gzip.GzipFile(fileobj=plain)
    return io.TextIOWrapper(plain, "utf-8")


def _fit(recipe: Recipe, text: Sequence[str], label: Sequence[str], path: Path) -> None:
    """Train on one thread, since several would race for the weights; then quantise."""
    import fasttext  # noqa: PLC0415 - only who trains needs it

    cut = passages.passages(pa.array(text, pa.large_string()))
    lines = [f"__label__{label[row]} {one}" for row, one in zip(cut.rows.tolist(), cut.text.to_pylist(), strict=True)]
    # In the order of a digest: the library sees texts in the order of the file, and one label after the other would
    # be forgotten.
    lines.sort(key=lambda line: _draw(recipe.seed, line))
    shape = recipe.shape
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "train.txt"
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        model = fasttext.train_supervised(
            str(file), dim=shape.dim, wordNgrams=shape.grams, bucket=shape.buckets, epoch=shape.epochs, lr=shape.rate,
            minn=0, maxn=0, minCount=2, loss="softmax", thread=1, seed=recipe.seed, verbose=0,
        )  # fmt: skip
        model.quantize(
            str(file), cutoff=shape.rows, qnorm=True, retrain=True, epoch=shape.epochs, lr=shape.rate, thread=1,
            verbose=0,
        )  # fmt: skip
        model.save_model(str(path))


def _calibrate(trained: Classifier, text: Sequence[str], label: Sequence[str]) -> tuple[dict[str, Any], dict[str, int]]:
    """Fit the curve of each label on passages that the model was not trained on; and the error before, for the card."""
    raw, cut = trained.raw(pa.array(text, pa.large_string()))
    truth = np.array(label, object)[cut.rows]
    curves, errors = {}, {}
    for place, name in enumerate(trained.labels):
        if name == NONE:
            continue
        knots, shares = scores.isotonic(raw[:, place], truth == name)
        curves[name] = {"raw": knots, "probability": shares}
        errors[name] = scores.expected_error(raw[:, place].astype(np.float64), truth == name)
    return curves, errors


def _card(recipe: Recipe, read: Sequence[Texts], model: Path, curves: dict[str, Any]) -> dict[str, Any]:
    data = model.read_bytes()
    return {
        "format": FORMAT,
        "name": recipe.name,
        "why": recipe.why,
        "model": {"file": model.name, "sha256": sha256(data).hexdigest(), "bytes": len(data)},
        "view": view(),
        "labels": {label: LABELS[label] for label in sorted(curves)},
        "may_be_handed_on": recipe.open(),
        "training": {
            "seed": recipe.seed,
            "shape": recipe.shape.model_dump(mode="json"),
            "libraries": {name: version(name) for name in LIBRARIES},
        },
        "data": [
            one.data.model_dump(mode="json", include={"name", "source", "licence", "use", "labels", "most"})
            | {"files": one.digests, "texts": dict(sorted(Counter(one.label).items()))}
            for one in read
        ],
        "calibration": curves,
    }


def _dumped(card: dict[str, Any]) -> str:
    return json.dumps(card, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def page(card: dict[str, Any]) -> str:
    """Write a card as Markdown."""
    lines = [f"# {card['name']}", "", card["why"], ""]
    lines += [f"- `{label}`: {meaning}" for label, meaning in card["labels"].items()]
    handed = "yes" if card["may_be_handed_on"] else "**no**: a licence of its training texts does not allow it"
    lines += ["", f"May be handed on: {handed}. {card['model']['bytes']:,} bytes, seed {card['training']['seed']}.", ""]
    lines += ["| texts | use | licence | made by | number |", "|---|---|---|---|---|"]
    lines += [
        f"| {one['name']} | {one['use']} | {one['licence']} | {one['source']} | {sum(one['texts'].values()):,} |"
        for one in card["data"]
    ]
    lines += ["", "Precision / recall / F1 by the likeliest label; macro F1 over the labels that a set has.", ""]
    names = sorted({label for score in card["scores"].values() for label in score["labels"]})
    lines += [f"| set | texts | macro F1 | {' | '.join(names)} |", "|---" * (len(names) + 3) + "|"]
    for name, score in card["scores"].items():
        cells = [_cell(score["labels"].get(label)) for label in names]
        lines.append(f"| {name} | {score['texts']:,} | {score['macro_f1'] / SCALE:.3f} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(score: dict[str, int | None] | None) -> str:
    if score is None:
        return "–"
    return " / ".join(
        "–" if score[key] is None else f"{(score[key] or 0) / SCALE:.2f}" for key in ("precision", "recall", "f1")
    )
