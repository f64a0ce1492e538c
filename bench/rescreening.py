"""Screen a million documents again: seconds after each kind of change, beside those of the whole run.

    python bench/rescreening.py --data ../shared/data/bench --scale 16 --workers 2 --work FOLDER [--cases a b c d]

The Chinese half of the bench corpus, `scale` times as bench.py copies it, with the packs that the spine had and those
for harmful words in Chinese; near duplicates are off. The workspace is made by the first call and used again by the
next ones. Each case is a process of its own (`corpus-gov rescreen --json`, or `run` where there are inputs):

    0   nothing changed: what looking takes
    a   another threshold that a few documents are above; `a0` one that no document is above
    b   one more word
    c   a new source of a hundredth of the documents
    d   one document that must not be released
    e   a thousand more, one in each of as many places of the corpus
    p   the bytes of those thousand erased, in all releases (`erasing.erase`); last, in a process of its own

Beside the seconds of each case stand those that its stages say, how many decisions changed, and how many clean files
are other ones than in the release before; where a case has decisions to change, that none changed is no measurement.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from bench import DOSSIER, SETTINGS, SPINE, WORKSPACE_ID, _copy, copies, exchanged
from corpus_gov.keys import Keys

CLAUSE = """clauses:
  - id: harm.offers
    when: harm.cn_gambling + harm.cn_fraud + harm.cn_forged > n_chars / 5000
    disposition: drop
    category: A1h
    legal: [cn.gbt45654.5.2a]
    why: Offers that are a crime to make.
"""

ERASED = {"d": 1, "e": 1000}
ERASE = """
import sys, time
from pathlib import Path
from corpus_gov import erasing
from corpus_gov.workspace import open_workspace
workspace = open_workspace(sys.argv[1], rules_folder=Path(sys.argv[2]))
began, used = time.perf_counter(), time.process_time()
done = erasing.erase(workspace, sys.argv[3:], reason="request:bench")
wall, used = time.perf_counter() - began, time.process_time() - used
counted = f"{len(sys.argv) - 3} documents of {len(workspace.releases())} releases, {len(done.shards)} shards anew"
print(f"p: {counted}, {done.artefacts} objects of the build cache: {wall:.1f} s, {used:.1f} s of CPU")
"""

OFTEN = "dup_line_char_share > "
THRESHOLDS = {"a": "0.65", "a0": "0.699999"}
WORD = "网上赌球盘口"
AS_OF = "2026-11-22"


def main() -> None:
    """Make the workspace where it is not there, and measure the cases."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data/bench"))
    parser.add_argument("--scale", type=int, default=16)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--work", type=Path, required=True, help="a folder for some 12 GB at scale 16; stays")
    parser.add_argument("--cases", nargs="*", default=["0", "a0", "a", "b", "c", "d"])
    options = parser.parse_args()
    work = options.work.absolute()
    if not (work / "w").exists():
        prepare(options.data, options.scale, work)
    if not (work / "w" / "releases").exists():
        show("first run", call(work, options.workers, "run"))
    print("| case | seconds | screen | decide | publish | documents | other decisions | other clean files, of |")
    print("|---|---|---|---|---|---|---|---|")
    for case in options.cases:
        if case == "p":
            print(physical(work), flush=True)
            continue
        changed(case, work, options.data)
        show(case, call(work, options.workers, "run" if case == "c" else "rescreen"))


def prepare(data: Path, scale: int, work: Path) -> None:
    """Write inputs, rules, dossier and keys."""
    (work / "w" / "sources").mkdir(parents=True)
    inputs = list(copies(data, ("zh",), scale, work))
    shutil.copytree(Path(__file__).parent.parent / "rules", work / "rules")
    spine = SPINE.read_text().replace("needs: [", "needs: [cn.harm, ").replace("clauses:\n", CLAUSE + "\n")
    (work / "rules" / "policies" / "spine.yaml").write_text(spine)
    packs = ["cn.harm", "common.pii", "cn.pii", "common.licence", "cn.licence", "common.optout", "common.encoding"]
    settings = SETTINGS.format(shard_bytes=32 * 2**20)
    settings = settings.replace('policy = "trial"', f'policy = "spine"\npacks = {json.dumps(packs)}')
    (work / "w" / "corpus-gov.toml").write_text(f'{settings}[near]\npreset = "none"\n')
    dossier(work, "bench", inputs)
    Keys.create(work / "keys" / WORKSPACE_ID)


def dossier(work: Path, source: str, inputs: list[Path]) -> None:
    """Write the dossier of a source."""
    quoted = ", ".join(json.dumps(str(path)) for path in inputs)
    text = DOSSIER.format(inputs=quoted).replace("source_id: bench", f"source_id: {source}")
    (work / "w" / "sources" / f"{source}.yaml").write_text(text)


def changed(case: str, work: Path, data: Path) -> None:
    """Make the change of a case."""
    if case in THRESHOLDS:
        policy = work / "rules" / "policies" / "spine.yaml"
        head, _, tail = policy.read_text().partition(OFTEN)
        policy.write_text(head + OFTEN + THRESHOLDS[case] + "\n" + tail.partition("\n")[2])
    elif case == "b":
        words = work / "rules" / "cn" / "words" / "gambling.txt"
        head, _, tail = words.read_text(encoding="utf-8").partition("[offer]\n")
        assert tail, "gambling.txt has no list of offers"
        words.write_text(f"{head}[offer]\n{WORD}\n{tail}", encoding="utf-8")
    elif case == "c":
        rows = pq.ParquetFile(data / "zh.parquet")
        part, more = work / "part.parquet", work / "more.parquet"
        count = rows.metadata.num_rows * len(list(work.glob("zh-*.parquet"))) // 100
        pq.write_table(rows.read(["url", "text"]).slice(0, count), part)
        _copy(part, more, exchanged(17))
        dossier(work, "more", [more])
    elif case in ERASED:
        (work / "w" / "suppression").mkdir(exist_ok=True)
        (work / "w" / "suppression" / f"{case}.txt").write_text("\n".join([*kept(work, ERASED[case]), ""]))


def kept(work: Path, count: int) -> list[str]:
    """Return documents that the newest release keeps: by their ids, which are digests, and so from everywhere."""
    names = max((work / "w" / "releases").iterdir()) / "manifest"
    table = pq.read_table(min(names.glob("*.parquet")), columns=["doc_id", "disposition"])
    found = table.filter(pc.equal(table["disposition"], "keep"))["doc_id"]
    assert len(found) >= count, len(found)
    return list(found.slice(0, count).to_pylist())


def physical(work: Path) -> str:
    """Erase the bytes of the documents of case e, and say what that took."""
    ids = (work / "w" / "suppression" / "e.txt").read_text().split()
    env = os.environ | {"CORPUS_GOV_KEYS": str(work / "keys")}
    line = [sys.executable, "-c", ERASE, str(work / "w"), str(work / "rules"), *ids]
    return subprocess.run(line, env=env, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def call(work: Path, workers: int, command: str) -> dict[str, Any]:
    """Run a command, and return its facts with the seconds that it took."""
    words = [sys.executable, "-m", "corpus_gov.cli", command, str(work / "w"), "--rules", str(work / "rules")]
    env = os.environ | {"CORPUS_GOV_KEYS": str(work / "keys")}
    # Users have bytecode on disk; without it every process compiles some thousand modules.
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    started = time.perf_counter()
    done = subprocess.run(
        [*words, "--workers", str(workers), "--as-of", AS_OF, "--json"], env=env, check=True, stdout=subprocess.PIPE
    )
    facts: dict[str, Any] = json.loads(done.stdout)
    facts["seconds"] = time.perf_counter() - started
    folder = work / "w" / "releases"
    parent = facts["run"]["parent"] or facts["release"]
    clean = list((folder / facts["release"] / "clean").rglob("*.parquet"))
    before = {path.stat().st_ino for path in (folder / parent / "clean").rglob("*.parquet")}
    facts["clean"] = (sum(path.stat().st_ino not in before for path in clean), len(clean))
    return facts


def show(case: str, facts: dict[str, Any]) -> None:
    """Print a row."""
    stages = [facts["stages"].get(name, {}).get("seconds", 0) for name in ("screen", "decide", "publish")]
    changes = facts["run"].get("changes", {}) if facts["published"] else {}
    if case in ("a", "c", "d"):
        assert changes["decisions"], changes
    cells = [f"{seconds:.1f}" for seconds in (facts["seconds"], *stages)]
    decisions = ", ".join(f"{pair}: {n:,}" for pair, n in changes.get("decisions", {}).items()) or "none"
    clean = "{} of {}".format(*facts["clean"]) if facts["published"] else "no release"
    print(
        f"| {case} | {' | '.join(cells)} | {facts['run']['counts']['documents']:,} | {decisions} | {clean} |",
        flush=True,
    )


if __name__ == "__main__":
    main()
