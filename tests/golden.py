"""What a person has looked at last: the manifest of a tiny crawl, and the findings on a fixed set of texts.

    python tests/golden.py            # say what differs; exit code 1 if anything does
    python tests/golden.py --write    # write tests/golden/ anew, then read the diff before you commit it

Findings that changed under an unchanged version are refused: raise the version first.
"""

import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import fixed_texts
import small_corpus
import tiny_crawl

from corpus_gov import pipeline, release
from corpus_gov.engine import Engine

FOLDER: Final = Path(__file__).with_name("golden")
MANIFEST: Final = "manifest.jsonl"
CLEAN: Final = "clean.jsonl"
TEXTS: Final = "texts.jsonl"
FINDINGS: Final = "findings.json"
KINDS: Final = ("rules", "signals")

WRITE: Final = "run `python tests/golden.py --write` and read the diff"


def crawl_files(folder: Path) -> dict[str, str]:
    """Run the tiny crawl in a new folder and return what its golden files should hold."""
    workspace = tiny_crawl.make(folder)
    with Engine(workers=1) as engine:
        pipeline.run(workspace, engine=engine, as_of=small_corpus.AS_OF)
    made = workspace.release()
    root = release.verify(workspace.store, made.name).root
    return {MANIFEST: _text(tiny_crawl.manifest_lines(made, root)), CLEAN: _text(tiny_crawl.clean_lines(made))}


def texts() -> list[str]:
    """Read the fixed set of texts."""
    return [json.loads(line) for line in read(TEXTS).split("\n") if line]


def findings() -> dict[str, fixed_texts.Digests]:
    """Read the digests: KINDS → id@version → digest."""
    known: dict[str, fixed_texts.Digests] = json.loads(read(FINDINGS) or '{"rules": {}, "signals": {}}')
    return known


def digests(of: Sequence[str]) -> dict[str, fixed_texts.Digests]:
    """Compute the digests on some texts."""
    return {"rules": fixed_texts.of_rules(of), "signals": fixed_texts.of_signals(of)}


def advice(name: str) -> str:
    """Say what to do about findings that changed under a version."""
    rule = fixed_texts.rules().get(name)
    where, version = (f"{rule.file}:{rule.line}", "version") if rule else (_family(name), "VERSION")
    return (
        f"{where}: {name!r} gives other rows on tests/golden/{TEXTS} than when it was last looked at; undo the change, "
        f"or raise its {version}, {WRITE}, and name it in CHANGELOG.md under 'Findings may change'"
    )


def read(name: str) -> str:
    """Read a golden file; empty where there is none yet."""
    file = FOLDER / name
    return file.read_text(encoding="utf-8") if file.exists() else ""


def finding_files() -> dict[str, str]:
    """Return what the golden files of findings should hold.

    Raises:
        SystemExit: findings changed under an unchanged version.
    """
    known, now = findings(), digests(texts())
    if wrong := [advice(name) for kind in KINDS for name in fixed_texts.unversioned(known[kind], now[kind])]:
        sys.exit("\n".join(wrong))
    grown = fixed_texts.grown(texts())
    made = digests(grown) if grown != texts() else now
    return {TEXTS: _text([_visible(text) for text in grown]), FINDINGS: json.dumps(made, indent=1) + "\n"}


def main(*, write: bool) -> int:
    """Compare, or write."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CORPUS_GOV_KEYS"] = f"{folder}/keys"
        files: Mapping[str, str] = finding_files() | crawl_files(Path(folder, "crawl"))
    different = [name for name, text in files.items() if read(name) != text]
    for name in different if write else ():
        FOLDER.mkdir(exist_ok=True)
        (FOLDER / name).write_text(files[name], encoding="utf-8")
    for name in different:
        sys.stdout.write(f"tests/golden/{name}: {'written' if write else f'differs; {WRITE}'}\n")
    return 1 if different and not write else 0


def _text(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _visible(text: str) -> str:
    """Write a text as JSON in which no character is invisible."""
    return "".join(
        sign if sign.isprintable() else json.dumps(sign)[1:-1] for sign in json.dumps(text, ensure_ascii=False)
    )


def _family(name: str) -> str:
    return f"corpus_gov/signals/{name.partition('@')[0]}.py"


if __name__ == "__main__":
    sys.exit(main(write="--write" in sys.argv[1:]))
