"""A set of texts that only grows, and digests of what every rule and measure makes of it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import optout_cases
import pyarrow as pa
import related_cases
from documents import documents

from corpus_gov import signals
from corpus_gov.relate.optout import RULE, denies
from corpus_gov.rules import Rule, RulePack, concern, load_packs, shipped
from corpus_gov.schemas import TEXT_COLUMNS
from corpus_gov.screens import look
from corpus_gov.stages import NOT_OF_TEXT

Digests = Mapping[str, Mapping[str, Any]]
"""id@version → {"rows": how many, "sha256": over them}"""

OWN: Final = (
    "",
    "\n",
    "𠮷野家的😀菜单：联系电话13800138000，邮箱zhangsan@example.com。",
    "The quick brown fox jumps over the lazy dog.",
    "Dies ist ein kurzer deutscher Satz über das Wetter am Fluß.",
    "この図書館は週末も夜十時まで開いています。",
    "이 다리는 삼백 년 전에 돌로 지어졌습니다.",
    "Мост был построен из камня триста лет назад.",
    "這座圖書館在週末延長開放時間，方便讀者借閱。",
    "这座图书馆在周末延长开放时间，方便读者借阅。",
    "تم بناء الجسر من الحجر منذ ثلاثمائة عام.",
    "- one\n- two\n• three\n\n- one\n- two\n…\nand so on...",
    "锟斤拷锟斤拷 \ufffd\ufffd\ufffd \x00\x01\x02 \u200b\u00ad",
    "line\r\nline\r\n\tline\u3000\u2028line\u0085",
    "邮箱 a@example.com b@example.com,c@example.com;13800138000/13900139000 11010519491231002X",
    "mail\nmail mail me: someone@example.org?subject=13800138000&id=110101199003074610",
    "mei.lin@example.org" * 3,
    "1380013800013800138000",
    "9" * 300,
    "字" * 400 + "，电话：" + "13800138000" + "字" * 400,
    "word " * 300 + "© 2024 Example Press. All rights reserved. " + "word " * 300,
    "版权所有©2020-2024 某某网 未经授权不得转载 京ICP备00000000号 转载请注明出处 侵删",
    "本站采用知识共享署名-非商业性使用-相同方式共享4.0国际许可协议 https://creativecommons.org/licenses/by-nc-sa/4.0/",
    "Licensed under CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/), except where otherwise noted.",
    "http:link: <https://creativecommons.org/licenses/by/4.0/>; rel=license\nmeta:copyright: 2024\nnotice: 禁止转载",
    "User-agent: *\nDisallow: /private/\n\nUser-agent: CCBot\nDisallow: /\n",
    "<a href='mailto:first.last@example.co.uk'>tel:+86-138-0013-8000</a> &copy; 2021",
)
"""Sentences of our own: scripts, line ends, neighbours, long lines, what stands beside what."""

ADDRESSES: Final = ("https://example.org/", "https://example.org/private/page.html")
"""What a text, read as robots.txt, is asked about."""


def packs() -> tuple[RulePack, ...]:
    """Load every shipped pack."""
    folder = Path(str(shipped()))
    files = (path.relative_to(folder) for path in folder.rglob("*.yaml") if path.parent.name != "policies")
    return load_packs(sorted(".".join(path.with_suffix("").parts) for path in files))


def rules() -> dict[str, Rule]:
    """Return every shipped rule by id@version."""
    return {rule.name: rule for pack in packs() for rule in pack.rules}


def cases() -> list[str]:
    """Return our own sentences and every case of every rule, each once."""
    kinds = ("hits", "misses", "known_misses", "known_false_alarms")
    return list(
        dict.fromkeys([*OWN, *(case for rule in rules().values() for kind in kinds for case in getattr(rule, kind))])
    )


def grown(frozen: Sequence[str]) -> list[str]:
    """Append the cases that are not among the texts yet; what is there stays where it is."""
    return list(dict.fromkeys([*frozen, *cases()]))


def batch(texts: Sequence[str]) -> pa.RecordBatch:
    """Put each text into every text column of a document that was declared GBK and read as UTF-8."""
    columns = {column: list(texts) for column in TEXT_COLUMNS if column != "text"}
    return documents(texts, **columns, charset_declared="gb2312", charset_used="utf-8")


def of_rules(texts: Sequence[str], in_force: Sequence[RulePack] | None = None) -> Digests:
    """Digest the findings of every rule: text, column, span, score, category, note.

    Raises:
        KeyError: a screen failed on a text, or a finding is of a rule that is not in force.
    """
    in_force = packs() if in_force is None else in_force
    every = {rule.name: rule for pack in in_force for rule in pack.rules}
    found: dict[str, list[Any]] = {name: [] for name in every}
    where = batch(texts)
    place = {doc_id: number for number, doc_id in enumerate(where.column("doc_id").to_pylist())}
    for screen in sorted({rule.screen for rule in every.values()}.difference(NOT_OF_TEXT)):
        for row in look(screen, where, concern(in_force, screen)).to_pylist():
            span = [row[name] for name in ("column", "start", "end", "score", "category", "note")]
            found[f"{row['rule']}@{row['version']}"].append([place[row["doc_id"]], *span])
    for name, rule in every.items():
        if rule.screen in related_cases.SCREENS:
            names = ("start", "end", "score", "category", "note")
            rows = [(number, row) for number, text in enumerate(texts) for row in related_cases.found(rule, text)]
            found[name] += [[number, *(row[name] for name in names)] for number, row in rows]
        elif rule.screen == "optout" and rule.id != RULE:
            found[name] += optout_cases.of_texts(rule, texts)
        elif rule.screen in NOT_OF_TEXT:
            found[name] += [
                [number, uri] for number, text in enumerate(texts) for uri in ADDRESSES if _denies(rule, text, uri)
            ]
    return {name: digest(rows) for name, rows in sorted(found.items())}


def of_signals(texts: Sequence[str]) -> Digests:
    """Digest what every family measures: a row a text, in order, doc_id left out."""
    measured = {}
    for family in signals.families():
        rows = signals.measure(family, batch(texts), {}).drop_columns(["doc_id"]).to_pylist()
        measured[f"{family}@{import_module(f'corpus_gov.signals.{family}').VERSION}"] = digest(rows)
    return measured


def digest(rows: Iterable[Any]) -> Mapping[str, Any]:
    """Count rows and hash them as JSON."""
    lines = [json.dumps(row, ensure_ascii=True, sort_keys=True) for row in rows]
    return {"rows": len(lines), "sha256": sha256("\n".join(lines).encode()).hexdigest()}


def unversioned(known: Digests, now: Digests) -> list[str]:
    """Name what gives other rows than before under the same version."""
    return [name for name, one in now.items() if known.get(name, one) != one]


def _denies(rule: Rule, text: str, uri: str) -> bool:
    return denies(text.encode(), uri, rule.params["agents"])
