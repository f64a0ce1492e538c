"""A small workspace for tests: three JSONL files of two sources, with duplicates, personal data and junk."""

import json
import random
import shutil
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pytest

from corpus_gov import config, keys, register
from corpus_gov.engine import Engine
from corpus_gov.store import open_store
from corpus_gov.workspace import Workspace, open_workspace

AS_OF = date(2026, 11, 1)
SEAL, LEAF = "11" * 32, "22" * 32

TOPICS = (
    "The ferry crosses the river at seven and again at noon",
    "A weather station needs a shaded box and a level ground",
    "Green tea is picked before the spring rain has ended",
    "The old bridge was rebuilt in stone after the flood",
    "茶叶采摘之后要先摊凉再下锅翻炒",
    "这座石桥横跨小河已经有三百多年的历史",
    "气象站每天早上八点记录气温和降水量",
    "图书馆在周末延长开放时间方便读者借阅",
)
CONTACT = (
    "write to mei.lin@example.org for details",
    "联系电话13800138000欢迎咨询",
    "证件号码11010519491231002X请核对",
)


def texts(number: int, seed: int = 7) -> list[str]:
    """Compose `number` texts; every tenth repeats an earlier one, every seventh holds personal data."""
    source = random.Random(seed)
    made: list[str] = []
    for index in range(number):
        if index % 10 == 9:
            made.append(made[index - 5])
            continue
        lines = [f"{source.choice(TOPICS)} ({index}-{line})." for line in range(source.randint(4, 12))]
        if index % 7 == 3:
            lines.append(CONTACT[index % len(CONTACT)])
        made.append("\n".join(lines))
    return made


def write_inputs(folder: Path, number: int = 60) -> None:
    """Write a.jsonl, b.jsonl (source one) and c.jsonl (source two); some lines are broken, some repeat."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        {"text": text, "uri": f"https://site{index % 5}.example/page/{index}", "title": f"Page {index}"}
        for index, text in enumerate(texts(number))
    ]
    third = max(1, number // 3)
    parts = {"a.jsonl": rows[:third], "b.jsonl": [*rows[third : 2 * third], rows[0]], "c.jsonl": rows[2 * third :]}
    for name, part in parts.items():
        lines = [json.dumps(row, ensure_ascii=False) for row in part]
        (folder / name).write_text("\n".join([*lines, "{broken", ""]), encoding="utf-8")


def make(
    url: str | Path,
    inputs: Path,
    *,
    patterns: Sequence[str] = ("[ab].jsonl", "c.jsonl"),
    policy: str = "trial",
    shard_rows: int = 50_000,
) -> Workspace:
    """Make a workspace with fixed keys over the inputs; the keys' folder is the one that the environment names."""
    store = open_store(str(url))
    settings = config.Settings(
        id="w-test-small",
        name="small",
        owner="tests",
        policy=policy,
        ingest=config.IngestSettings(shard_rows=shard_rows),
    )
    store.put("corpus-gov.toml", config.dump_settings(settings).encode())
    for source_id, pattern in zip(("one", "two"), patterns, strict=True):
        dossier = config.Dossier(
            source_id=source_id, kind="unassessed", title=source_id, inputs=(str(inputs / pattern),), format="jsonl"
        )
        register.add(store, f"sources/{source_id}.yaml", config.dump_dossier(dossier).encode())
    write_keys(keys.folder(settings.id))
    return open_workspace(url)


def prepared(folder: Path) -> Path:
    """Make a workspace over six documents with one release, and its keys; `copied` gives each test its own."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("CORPUS_GOV_KEYS", str(folder / "keys"))
        write_inputs(folder / "inputs", 6)
        made = make(folder / "workspace", folder / "inputs")
        with Engine(workers=1) as engine:
            made.run(engine=engine, as_of=AS_OF)
    return folder


def copied(folder: Path, to: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Copy what `prepared` made, and open it."""
    monkeypatch.setenv("CORPUS_GOV_KEYS", str(to / "keys"))
    for part in ("workspace", "keys"):
        shutil.copytree(folder / part, to / part)
    return open_workspace(to / "workspace")


def write_keys(folder: Path) -> None:
    """Write the same keys for every test, so that roots can be compared."""
    if folder.exists():
        return
    keys.Keys.create(folder)
    for name, value in (("seal.key", SEAL), ("leaf.key", LEAF)):
        (folder / name).chmod(0o600)
        (folder / name).write_text(value + "\n", encoding="ascii")
