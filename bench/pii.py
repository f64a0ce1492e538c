"""Measure the screen `pii` beside peers: precision, recall and F1 by entity, MB/s on one core, and worst cases.

    python bench/pii.py --build FOLDER                                  make the peers' environment
    python bench/pii.py --data ../shared/data --peers FOLDER/bin/python [--cache FOLDER] [--partial]

Sets: the three labelled ones of 04_pii, and texts of pii_texts.py, which also hold look-alikes. A found span counts for
the entities that its name stands for (pii_names.py). It finds a labelled span of one of them where the two share half
of what they cover together. It is wrong where it touches none of them; values whose check digit fails are no loss for
who checks it, and no false alarm for who does not. Recall alone is given for persons and health, which the sets do not
label throughout. Speed is CPU time of one thread; peers get the first megabytes of the bulk sets, few where they are
slow. Worst cases are one text of 10 and of 20 MB. Floors are asserted at the end; with --partial those of entities
that no rule finds yet are only named.
"""

import argparse
import json
import re
import subprocess
import sys
import time
import venv
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import pii_names
import pii_texts
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from corpus_gov import rules, screens
from corpus_gov.schemas import DOCUMENTS

HERE = Path(__file__).parent
OURS = "corpus_gov"
PEERS = ("presidio", "presidio, no model", "data-juicer", "data-juicer redaction", "datatrove", "dolma")
PEER_MEGABYTES = {"presidio": 0.2, "presidio, no model": 2.0}
"""Text that slow peers are timed on; the others get 10."""
LEAST_LABELS = 15
"""Labelled spans of an entity in a set, below which a figure says little and no floor is asked for."""
RATIO_MOST = 2.3
MB_S_LEAST = 30.0
TIMES_PRESIDIO = 100
WORST_BYTES = 10_000_000
BATCH_BYTES = 4_000_000


@dataclass(frozen=True)
class Row:
    """A text of a set, and what is labelled in it."""

    lang: str
    text: str
    gold: tuple[pii_texts.Span, ...]
    unscored: tuple[tuple[int, int], ...] = ()
    """Labelled, yet no loss: the check digit fails, or the set labels some of them only."""
    lookalikes: tuple[str, ...] = ()


class Found(NamedTuple):
    """What was found: code points, and the entities that its name stands for."""

    start: int
    end: int
    entities: frozenset[str]


@dataclass
class Score:
    """Counts of one entity in one set."""

    labels: int = 0
    hits: int = 0
    exact: int = 0
    right: int = 0
    wrong: int = 0
    by_form: Counter[str] = field(default_factory=Counter)
    of_form: Counter[str] = field(default_factory=Counter)

    @property
    def precision(self) -> float:
        """Share of what was found that is labelled."""
        return self.right / (self.right + self.wrong) if self.right + self.wrong else 0.0

    @property
    def recall(self) -> float:
        """Share of the labels that were found."""
        return self.hits / self.labels if self.labels else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of the two."""
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


Scores = Mapping[str, Mapping[str, Score]]
"""By set, by entity."""


def main() -> None:
    """Print every table, then assert the floors."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--build", type=Path, help="make the peers' environment here and end")
    parser.add_argument("--peers", help="its interpreter; peers are left out without one")
    parser.add_argument("--cache", type=Path, help="keep what peers found, by peer and text")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--generated", type=int, default=3000, help="texts of each language")
    parser.add_argument("--megabytes", type=float, default=40.0, help="of each bulk set, for our own speed")
    parser.add_argument("--parts", nargs="*", default=["accuracy", "speed", "worst"])
    parser.add_argument("--partial", action="store_true", help="entities without a rule break no floor")
    options = parser.parse_args()
    if options.build:
        build(options.build)
        return
    pii_texts.check()
    pack = default_rules()
    missed: list[str] = []
    if "accuracy" in options.parts:
        missed += accuracy(options, pack)
    if "speed" in options.parts:
        missed += speed(options, pack)
    if "worst" in options.parts:
        missed += worst(pack)
    print(f"\n{len(missed)} floors missed" + "".join(f"\n- {line}" for line in missed))
    sys.exit(bool(missed))


def build(folder: Path) -> None:
    """Make the environment of the peers: pinned, and dolma without its dependencies (see pii_peers.txt)."""
    venv.create(folder, with_pip=True)
    install = [folder / "bin" / "python", "-m", "pip", "install", "--quiet"]
    subprocess.run([*install, "-r", HERE / "pii_peers.txt"], check=True)
    subprocess.run([*install, "--no-deps", "dolma==1.2.1"], check=True)


def default_rules() -> rules.RulePack:
    """Return all shipped rules of the screen as one pack."""
    folder = Path(str(rules.shipped()))
    files = (path for path in folder.rglob("*.yaml") if path.parent.name != "policies")
    names = sorted(".".join(path.relative_to(folder).with_suffix("").parts) for path in files)
    return rules.concern(rules.load_packs(names), "pii")


# Accuracy.


def accuracy(options: argparse.Namespace, pack: rules.RulePack) -> list[str]:
    """Score every tool on every set; returns the floors that were missed."""
    sets = {**labelled(options.data / "04_pii"), "generated": generated(options.seed, options.generated)}
    unmapped: Counter[str] = Counter()
    tools = {OURS: scores(sets, lambda rows: ours(rows, pack, unmapped))}
    for peer in PEERS if options.peers else ():
        tools[peer] = scores(sets, lambda rows, peer=peer: theirs(peer, rows, options.peers, options.cache))
    print(f"\nLabelled sets: {', '.join(f'{name} {len(rows):,} texts' for name, rows in sets.items())}")
    own_table(tools[OURS])
    form_table(tools[OURS]["generated"])
    peer_tables(tools)
    alarm_table(sets, options, pack)
    if unmapped:
        print(f"\nFound under names that pii_names.py gives no entity: {dict(unmapped.most_common())}")
    has = {entity for rule in pack.rules for entity in pii_names.of_rule(rule.id)}
    return list(floors(tools, has, partial=options.partial))


def labelled(folder: Path) -> dict[str, list[Row]]:
    """Read the labelled sets; a label that pii_names.py gives no entity is left out of account."""
    return {
        name: [_row(json.loads(line), name) for line in _lines(folder / f"{name}.jsonl.zst")]
        for name in pii_names.LABELS
    }


def _lines(path: Path) -> Iterator[bytes]:
    with zstandard.open(path, "rb") as file:
        yield from file.read().splitlines()


def _row(row: Mapping[str, Any], name: str) -> Row:
    gold, unscored = [], []
    for span in row["spans"]:
        entity = pii_names.LABELS[name].get(span["type"])
        if entity == "ip":
            entity = "ipv6" if ":" in span["value"] else "ipv4"
        if entity is None or not holds(entity, span["value"]):
            unscored.append((span["start"], span["end"]))
        else:
            gold.append(pii_texts.Span(span["start"], span["end"], entity, pii_texts.PLAIN))
    return Row(row["lang"], row["text"], tuple(gold), tuple(unscored))


def holds(entity: str, value: str) -> bool:
    """Check the digits of a labelled value: in these sets, most identity numbers and some cards are made up."""
    plain = re.sub(r"\W", "", _ascii(value)).upper()
    if entity == "resident_id":
        return plain == pii_texts.mod11_2(plain[:17])
    if entity in {"bank_card", "payment_card"}:
        return plain == pii_texts.luhn(plain[:-1])
    return plain == pii_texts.iban(plain[:2], plain[4:]) if entity == "iban" else True


def _ascii(value: str) -> str:
    return "".join(chr(ord(c) - 0xFEE0) if "！" <= c <= "～" else c for c in value)


def generated(seed: int, number: int) -> list[Row]:
    """Compose the generated set."""
    return [Row(text.lang, text.text, text.spans, (), text.lookalikes) for text in pii_texts.texts(seed, number)]


def ours(rows: Sequence[Row], pack: rules.RulePack, unmapped: Counter[str]) -> list[list[Found]]:
    """Screen the texts."""
    found: list[list[Found]] = [[] for _ in rows]
    for first in range(0, len(rows), 512):
        batch = documents([row.text for row in rows[first : first + 512]])
        for one in screens.look("pii", batch, pack).to_pylist():
            assert one["rule"] != screens.FAILED, one["note"]
            entities = pii_names.of_rule(one["rule"])
            if not entities:
                unmapped[one["rule"]] += 1
            found[first + int(one["doc_id"])].append(Found(one["start"], one["end"], entities))
    return found


def documents(texts: Sequence[str]) -> pa.RecordBatch:
    """Make a batch of texts and nothing else; doc_id is the row."""
    columns = {"doc_id": [str(number) for number in range(len(texts))], "text": texts, "text_digest": [""] * len(texts)}
    return pa.RecordBatch.from_arrays(
        [pa.array(columns.get(one.name, [None] * len(texts)), one.type) for one in DOCUMENTS], schema=DOCUMENTS
    )


def theirs(peer: str, rows: Sequence[Row], python: str, cache: Path | None) -> list[list[Found]]:
    """Ask a peer; what it found is kept by peer, version of its script and texts."""
    asked = "".join(json.dumps({"lang": row.lang, "text": row.text}) + "\n" for row in rows)
    key = sha256(f"{peer}\0{(HERE / 'pii_peers.py').read_text()}\0{asked}".encode()).hexdigest()[:16]
    kept = cache / f"{key}.jsonl" if cache else None
    if kept and kept.exists():
        answer = kept.read_text()
    else:
        print(f"# {peer}: {len(rows):,} texts", file=sys.stderr, flush=True)
        command = [python, HERE / "pii_peers.py", "spans", peer]
        done = subprocess.run(command, input=asked, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        answer = done.stdout
        if kept:
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_text(answer)
    lines = [line for line in answer.splitlines() if line.startswith("[")]
    assert len(lines) == len(rows), (peer, len(lines), len(rows))
    names = pii_names.PEERS[peer.partition(",")[0]]
    every = ([Found(a, b, names.get(name, frozenset())) for a, b, name in json.loads(line)] for line in lines)
    return [[one for one in line if one.entities] for line in every]


def scores(sets: Mapping[str, Sequence[Row]], find: Callable[[Sequence[Row]], list[list[Found]]]) -> Scores:
    """Score what one tool finds in every set."""
    return {name: score(rows, find(rows)) for name, rows in sets.items()}


def score(rows: Sequence[Row], found: Sequence[Sequence[Found]]) -> dict[str, Score]:
    """Count, for each entity that a set labels."""
    counts: defaultdict[str, Score] = defaultdict(Score)
    labels = {span.entity for row in rows for span in row.gold}
    for row, spans in zip(rows, found, strict=True):
        for label in row.gold:
            entity = counts[label.entity]
            near = [one for one in spans if label.entity in one.entities and half(one, label)]
            entity.labels += 1
            entity.hits += bool(near)
            entity.exact += any(one[:2] == (label.start, label.end) for one in near)
            entity.of_form[label.form] += 1
            entity.by_form[label.form] += bool(near)
        for one in set(spans):
            touched = [label for label in row.gold if _touch(one, label.start, label.end)]
            right = any(label.entity in one.entities for label in touched)
            for name in one.entities & labels:
                if right:
                    # What is right for one of its entities says nothing against the others.
                    counts[name].right += any(label.entity == name for label in touched)
                elif not any(_touch(one, *span) for span in row.unscored):
                    counts[name].wrong += 1
    return counts


def _touch(one: Found, start: int, end: int) -> bool:
    return one.start < end and start < one.end


def half(one: Found, label: pii_texts.Span) -> bool:
    """Say whether the two share half of what they cover together."""
    both = min(one.end, label.end) - max(one.start, label.start)
    return both > 0 and 2 * both >= max(one.end, label.end) - min(one.start, label.start)


def own_table(found: Scores) -> None:
    """Print our figures by entity and set."""
    print("\n| entity | set | labelled | precision | recall | F1 | of the hits, exact | wrong |")
    print("|---|---|---|---|---|---|---|---|")
    for entity in pii_names.ENTITIES:
        for name, counts in found.items():
            if (one := counts.get(entity)) and one.labels:
                exact = f"{one.exact / one.hits:.3f}" if one.hits else "–"
                precision, f1 = ("–", "–") if entity in pii_names.RECALL_ONLY else (_3(one.precision), _3(one.f1))
                cells = (f"{one.labels:,}", precision, _3(one.recall), f1, exact, str(one.wrong))
                print(f"| {entity} | {name} | {' | '.join(cells)} |")


def _3(share: float) -> str:
    return f"{share:.3f}"


def form_table(counts: Mapping[str, Score]) -> None:
    """Print recall by form of writing, on the generated set."""
    print("\n| entity | recall by form, generated |\n|---|---|")
    for entity in pii_texts.FORMS:
        one = counts[entity]
        cells = [f"{form} {one.by_form[form]}/{n}" for form, n in sorted(one.of_form.items())]
        print(f"| {entity} | {', '.join(cells)} |")


def peer_tables(tools: Mapping[str, Scores]) -> None:
    """Print F1 and recall of everybody, over all sets that label an entity."""
    print("\nF1 (recall) over all sets; – where a tool has no name for it.")
    print(f"| entity | {' | '.join(tools)} |\n|---|{'---|' * len(tools)}")
    for entity in pii_names.ENTITIES:
        cells = []
        for tool, found in tools.items():
            one = pooled(found, entity)
            known = tool == OURS or entity in pii_names.known(tool.partition(",")[0])
            f1 = "" if entity in pii_names.RECALL_ONLY else f"{one.f1:.3f} "
            cells.append(f"{f1}({one.recall:.3f})" if known and one.labels else "–")
        if any(cell != "–" for cell in cells):
            print(f"| {entity} | {' | '.join(cells)} |")


def pooled(found: Scores, entity: str) -> Score:
    """Add the counts of an entity over all sets."""
    total = Score()
    for counts in found.values():
        if (one := counts.get(entity)) and one.labels:
            for name in ("labels", "hits", "exact", "right", "wrong"):
                setattr(total, name, getattr(total, name) + getattr(one, name))
    return total


def alarm_table(sets: Mapping[str, Sequence[Row]], options: argparse.Namespace, pack: rules.RulePack) -> None:
    """Print false alarms per 10,000 characters of texts without a label, and ours by kind of look-alike."""
    print("\n| tool | false alarms per 10,000 characters in texts without a label |\n|---|---|")
    bare = [row for rows in sets.values() for row in rows if not row.gold and not row.unscored]
    size = sum(len(row.text) for row in bare) / 10_000
    found = {OURS: ours(bare, pack, Counter())}
    for peer in PEERS if options.peers else ():
        found[peer] = theirs(peer, bare, options.peers, options.cache)
    for tool, spans in found.items():
        # Names are persons and places to some: only what has a form is counted.
        alarms = sum(bool(one.entities - pii_names.RECALL_ONLY) for line in spans for one in line)
        print(f"| {tool} | {alarms / size:.2f} |")
    source, kinds = pii_texts.random.Random(options.seed), []
    for lang, by_kind in pii_texts.LOOKALIKES.items():
        for kind, (sentence, make) in by_kind.items():
            rows = [Row(lang, sentence.format(make(source)), ()) for _ in range(300)]
            kinds += [(f"{kind} ({lang})", sum(map(bool, ours(rows, pack, Counter()))))]
    print(f"\nOf 300 look-alikes of each kind, ours says something of: {_counted(kinds)}; of the other kinds nothing.")


def _counted(kinds: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{kind} {n}" for kind, n in sorted(kinds, key=lambda one: -one[1]) if n) or "none"


def floors(tools: Mapping[str, Scores], has: set[str], *, partial: bool) -> Iterator[str]:
    """Yield the floors that are missed."""
    for entity, floor in pii_names.FLOORS.items():
        if entity not in has:
            print(f"# no rule finds {entity}", file=sys.stderr)
            if partial:
                continue
        for name, counts in tools[OURS].items():
            one = counts.get(entity, Score())
            if one.labels >= LEAST_LABELS and one.f1 < floor:
                yield f"F1 of {entity} on {name} is {one.f1:.3f}, the goal {floor}"
    for peer in [tool for tool in tools if tool.startswith("presidio")]:
        for entity in sorted(pii_names.known("presidio") & has):
            mine, other = pooled(tools[OURS], entity), pooled(tools[peer], entity)
            if mine.labels >= LEAST_LABELS and mine.recall < other.recall and entity not in pii_names.RECALL_ONLY:
                yield f"recall of {entity} is {mine.recall:.3f}, of {peer} {other.recall:.3f}"


# Speed.


def speed(options: argparse.Namespace, pack: rules.RulePack) -> list[str]:
    """Time everybody on the bulk sets; returns the floors that were missed."""
    print("\n| tool | zh, MB/s per core | en, MB/s per core | of MB |\n|---|---|---|---|")
    rates = {OURS: [own_speed(options.data / "bench" / f"{lang}.parquet", options.megabytes, pack) for lang in LANGS]}
    print(f"| {OURS}, {len(pack.rules)} rules | {rates[OURS][0]:.1f} | {rates[OURS][1]:.1f} | {options.megabytes:g} |")
    for peer in PEERS if options.peers else ():
        megabytes = str(PEER_MEGABYTES.get(peer, 10.0))
        rates[peer] = []
        for lang in LANGS:
            path = options.data / "bench" / f"{lang}.parquet"
            command = [options.peers, HERE / "pii_peers.py", "speed", peer, path, megabytes]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr[-2000:]
            rates[peer].append(json.loads(done.stdout.splitlines()[-1])["mb_s"])
        print(f"| {peer} | {rates[peer][0]:.3f} | {rates[peer][1]:.3f} | {megabytes} |", flush=True)
    missed = [f"{rate:.1f} MB/s of {lang}" for lang, rate in zip(LANGS, rates[OURS], strict=True) if rate < MB_S_LEAST]
    for lang, mine, other in zip(LANGS, rates[OURS], rates.get("presidio", ()), strict=False):
        if mine < TIMES_PRESIDIO * other:
            missed.append(f"{mine / other:.0f} times Presidio's engine on {lang}, the goal {TIMES_PRESIDIO}")
    return missed


LANGS = ("zh", "en")


def own_speed(path: Path, megabytes: float, pack: rules.RulePack) -> float:
    """Time the screen on batches of the bulk set; the first, which compiles, is not counted."""
    batches, size = [], 0
    for texts in _cut(pq.read_table(path, columns=["text"])["text"].to_pylist(), megabytes):
        batches.append(documents(texts))
        size += sum(len(text.encode()) for text in texts)
    screens.look("pii", batches[0], pack)
    start = time.process_time()
    for batch in batches:
        screens.look("pii", batch, pack)
    return size / (time.process_time() - start) / 1e6


def _cut(texts: Sequence[str], megabytes: float) -> Iterator[list[str]]:
    batch: list[str] = []
    held = total = 0
    for text in texts:
        batch.append(text)
        held += len(text.encode())
        if held > BATCH_BYTES:
            yield batch
            total, batch, held = total + held, [], 0
        if total > megabytes * 1e6:
            return
    if batch:
        yield batch


# Worst cases.

WORST: Mapping[str, str] = {
    "digits": "1", "digits, mixed": "1380013800", "digits and spaces": "1 ", "digits and hyphens": "1-",
    "at signs": "@", "at signs and letters": "a@", "dots and letters": "a.", "colons and letters": "a:",
    "letters": "A", "opening brackets": "(", "nested brackets": "([{<", "Han": "张",
    "Han, words of addresses": "北京市朝阳区建国路号室单元", "numerals": "一三八零", "full width": "１３８",
    "zero width": "1\u200b", "words of context": "手机微信qq",
}  # fmt: skip
"""What a text of 10 MB is a repetition of; brackets are opened, then closed."""


def worst(pack: rules.RulePack) -> list[str]:
    """Time one hostile text at one and two sizes; returns what is not linear."""
    print("\n| 10 MB of | s | MB/s | time at 20 MB / time at 10 MB |\n|---|---|---|---|")
    missed = []
    screens.look("pii", documents(["a"]), pack)
    for name, unit in WORST.items():
        batches = [documents([_hostile(unit, size)]) for size in (WORST_BYTES, 2 * WORST_BYTES)]
        # In turns: a machine that slows down slows both.
        rounds = [[_timed(batch, pack) for batch in batches] for _ in range(2)]
        seconds = [min(times) for times in zip(*rounds, strict=True)]
        ratio = seconds[1] / seconds[0]
        print(f"| {name} | {seconds[0]:.2f} | {WORST_BYTES / seconds[0] / 1e6:.1f} | {ratio:.2f} |", flush=True)
        if ratio >= RATIO_MOST:
            missed.append(f"{name}: {ratio:.2f} times the time for twice the text, the goal below {RATIO_MOST}")
    return missed


def _hostile(unit: str, size: int) -> str:
    if unit.startswith("("):
        half = unit * (size // 2 // len(unit))
        return half + half[::-1].translate(str.maketrans("([{<", ")]}>"))
    return unit * (size // len(unit.encode()))


def _timed(batch: pa.RecordBatch, pack: rules.RulePack) -> float:
    start = time.thread_time()
    found = screens.look("pii", batch, pack)
    took = time.thread_time() - start
    assert screens.FAILED not in found.column("rule").to_pylist()
    return took


if __name__ == "__main__":
    main()
