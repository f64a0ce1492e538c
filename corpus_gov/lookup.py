"""In which documents is this person's number, address or id? By keyed digest, and by a folded scan of the texts.

A value comes in as an argument and leaves in nothing: not in the answer, not in a message, not in a name. The answer
says for every document which method found what, and for every method what it cannot find.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice, product
from pathlib import Path
from traceback import extract_tb
from typing import Any, Final, NamedTuple
from unicodedata import normalize

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from corpus_gov import artefacts, seal
from corpus_gov.engine import Engine
from corpus_gov.errors import ConfigError, CorpusGovError, IntegrityError
from corpus_gov.kernels import folding, percent
from corpus_gov.kernels.scripts import LAST
from corpus_gov.published import place, statement_of
from corpus_gov.schemas import TEXT_COLUMNS
from corpus_gov.screens import FAILED
from corpus_gov.store import Missing, Store, open_store
from corpus_gov.workspace import Workspace

LEAST: Final = 5
"""Letters and digits of a value; fewer, and it is in nearly every text. The shortest QQ number has five."""

LONGEST: Final = 320
"""Characters of a value: an address has at most 64 before the sign and 255 after it (RFC 5321)."""

BATCH_ROWS: Final = 256
"""Documents that are folded at once."""

VIEW: Final = folding.Folding(unit="character", numerals=True)
"""What a scan compares: letters and digits alone, see `kernels.folding`."""

DIGEST_LIMITS: Final = (
    "finds what a screen found, in the rules that were in force: a value that no rule recognises has no digest",
    "a value that was sealed with another key does not match",
)
SCAN_LIMITS: Final = (
    "reads letters and digits alone: `whole` is false where a longer number or address may hold the value by chance",
    "does not see a value in words (ten, 十, 百), in pictures, encoded (base64), or cut by text put in between",
)

_AT: Final = ("", "at", "艾特")
_DOT: Final = ("", "dot", "点")
# ITU-T E.164: country codes of one digit, and the first digits of those of two; all others have three.
_ONE: Final = re.compile(r"[17]")
_TWO: Final = re.compile(r"2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]")
_POINT: Final = 0x1FFFFF
_LETTER: Final = re.compile("[A-Za-z]")
_HAN: Final = re.compile("[〇○◯\u3400-\u9fff]")
_MAIL_BEFORE: Final = re.compile(r"[A-Za-z0-9._%+-]\Z")
_MAIL_AFTER: Final = re.compile(r"[A-Za-z0-9]|[.-][A-Za-z0-9]")


class Place(NamedTuple):
    """Where a scan saw the value: code points of a column; `whole` where nothing beside it makes it part of more."""

    doc_id: str
    column: str
    start: int
    end: int
    whole: bool


@dataclass(frozen=True, repr=False)
class Sought:
    """What is compared, made of the value once; `repr` shows nothing of it.

    Attributes:
        normals: the normal forms that the value has, by the name of their normaliser.
        pattern: of the folded view, for a linear-time engine.
        mail: whether it is an address.
    """

    normals: Mapping[str, str]
    pattern: str
    mail: bool

    def __repr__(self) -> str:
        """Name the class only: a repr ends in logs."""
        return "Sought(…)"


@dataclass(frozen=True)
class Scan:
    """One file to read; travels to a worker of this machine."""

    url: str
    file: str
    digest: str
    sought: Sought = field(repr=False)


class Scanned(NamedTuple):
    """What a file gave: places, or why it could not be read."""

    places: tuple[Place, ...]
    documents: int
    text_bytes: int
    problem: str | None


def find_person(
    workspace: Workspace,
    value: str,
    *,
    releases: Sequence[str] | None = None,
    scan: bool = False,
    engine: Engine | None = None,
) -> dict[str, Any]:
    """List the documents of each release that hold a value.

    Args:
        workspace: where to look.
        value: a telephone number, an e-mail address or a number of a document or an account, in any way of writing.
        releases: which; all by default.
        scan: read the texts too: those of the shards, and the cleaned ones of each release.
        engine: spreads the scan; only one whose workers are on this machine, for the value travels to them.

    Returns:
        methods (digest, and scan where it was asked for: what was compared, and its limits), releases (each with
        its documents: doc_id, source_id and disposition (null where the manifest has no row), `by` which methods,
        the places, `released` whether the cleaned text still holds the value, null where that was not scanned or the
        document is not released; findings that are sealed_with_another_key, documents on which screens_failed),
        found (documents, each counted once), complete, and `unread` (files that could not be looked at, with the
        reason). Nothing of the value is in it.

    Raises:
        ConfigError: the value is too short, too long or of more than one line, or a release does not exist.
        IntegrityError: ledger, statement or batches are not what was signed.
    """
    known = workspace.releases()
    if not known or set(releases or ()).difference(known):
        raise ConfigError(
            f"{workspace.url}: a release that was asked for is not there, expected some of {known!r}; name one of these"
        )
    looking = _Looking(workspace, _sought(value), engine)
    answers = [looking.answer(name, scan=scan) for name in releases or known]
    documents = {document["doc_id"] for answer in answers for document in answer["documents"]}
    methods: dict[str, Any] = {"digest": {"rules": looking.rules(), "limits": list(DIGEST_LIMITS)}}
    if scan:
        methods["scan"] = {"columns": list(TEXT_COLUMNS), "view": VIEW.key, "limits": list(SCAN_LIMITS)}
    return {
        "methods": methods,
        "found": len(documents),
        "releases": answers,
        "complete": not looking.unread,
        "unread": [{"file": file, "reason": reason} for file, reason in sorted(looking.unread.items())],
    }


class Held(NamedTuple):
    """What `held` found: whether each document surely holds the value; keyed digests of it; what could not be read."""

    documents: dict[str, bool]
    digests: tuple[str, ...]
    unread: dict[str, str]


def held(workspace: Workspace, value: str, engine: Engine | None = None) -> Held:
    """Find the documents of all shards, in a release or not, that hold a value: by keyed digest and by scan.

    Args:
        workspace: where to look.
        value: as for `find_person`.
        engine: as for `find_person`.

    Raises:
        ConfigError: as for `find_person`.
    """
    return _Looking(workspace, _sought(value), engine).held()


@contextmanager
def veiled() -> Iterator[None]:
    """Let no foreign message out: it may quote the value. Errors of our own do not.

    Raises:
        CorpusGovError: instead of any other exception; says its class.
    """
    try:
        yield
    except CorpusGovError:
        raise
    except Exception as error:  # noqa: BLE001 - raised again, without what it may quote
        # Neither the message nor the chain of causes: both may hold the value.
        frame = extract_tb(error.__traceback__)[-1]
        raise CorpusGovError(
            f"look-up: found an unexpected {type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}, "
            "expected an answer; report it as a bug, without the value"
        ) from None


class _Sealed(NamedTuple):
    """What the findings of one shard and screen say: those that match, and how many could not be compared."""

    rows: list[dict[str, Any]]
    other_keys: int
    failed: int


class _Looking:
    """One look-up; what several releases share is looked at once."""

    def __init__(self, workspace: Workspace, sought: Sought, engine: Engine | None) -> None:
        self.workspace, self.sought, self.engine = workspace, sought, engine
        self.store = workspace.store
        self._key = workspace.keys().seal
        self._rules = workspace.context().rules().values()
        self.shards = {shard.ref: shard for shard in workspace.shards()}
        self.unread: dict[str, str] = {}
        self._findings: dict[str, _Sealed | None] = {}
        self._scanned: dict[str, Scanned] = {}

    def rules(self) -> list[str]:
        """Name the rules in force whose normal form the value has."""
        return sorted(rule.id for rule in self._rules if rule.normaliser in self.sought.normals)

    def held(self) -> Held:
        """Look at all shards, and at the findings of the newest release."""
        known = self.workspace.releases()
        run = self.workspace.release(known[-1]).run if known else {"shards": [], "artefacts": {}}
        parts = [part for artefact in _named(run) if (part := self._sealed(artefact))]
        found = {row["doc_id"]: True for part in parts for row in part.rows}
        stored = {shard.name("documents"): shard.digests["documents"] for shard in self.shards.values()}
        self._read(stored)
        for file in stored:
            for one in self._scanned[file].places:
                found[one.doc_id] = found.get(one.doc_id, False) or one.whole
        rules = sorted(rule.id for rule in self._rules if rule.normaliser is not None)
        normals = sorted(set(self.sought.normals.values()))
        digests = sorted({seal.keyed_digest(rule, normal, self._key) for rule in rules for normal in normals})
        # Two values that no rule recognises are told apart by this one; no finding has it.
        digests.append(seal.keyed_digest("person", self.sought.pattern, self._key))
        return Held(found, tuple(digests), self.unread)

    def answer(self, name: str, *, scan: bool) -> dict[str, Any]:
        """Look at one release."""
        run = self.workspace.release(name).run
        parts = [part for artefact in _named(run) if (part := self._sealed(artefact))]
        by_digest: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in (row for part in parts for row in part.rows):
            by_digest[row["doc_id"]].append({key: row[key] for key in ("rule", "column", "start", "end")})
        return {
            "release": name,
            "documents": self._documents(name, by_digest, self._scan(run, name) if scan else None),
            "sealed_with_another_key": sum(part.other_keys for part in parts),
            "screens_failed": sum(part.failed for part in parts),
        }

    def _sealed(self, artefact: str) -> _Sealed | None:
        if artefact not in self._findings:
            columns = ["doc_id", "rule", "column", "start", "end", "hmac", "key_id"]
            try:
                self._findings[artefact] = self._matches(artefacts.get(self.store, artefact, columns))
            except (IntegrityError, Missing) as error:
                self._findings[artefact] = None
                self.unread[artefact] = "damaged" if isinstance(error, IntegrityError) else "missing: run again"
        return self._findings[artefact]

    def _matches(self, found: pa.Table) -> _Sealed:
        """Compare the digests of some findings; every normal form is tried, for a rule may have had another one."""
        rules = pc.unique(found["rule"]).to_pylist()
        digests = [seal.keyed_digest(r, normal, self._key) for r in rules for normal in self.sought.normals.values()]
        rows = found.filter(pc.is_in(found["hmac"], pa.array(sorted(set(digests)), pa.string())))
        others = pc.sum(pc.not_equal(found["key_id"], seal.key_id(self._key))).as_py() or 0
        return _Sealed(rows.to_pylist(), others, pc.sum(pc.equal(found["rule"], FAILED)).as_py() or 0)

    def _scan(self, run: Mapping[str, Any], name: str) -> tuple[list[Place], list[Place]]:
        """Return the places in the stored texts of a release, and in its cleaned ones."""
        shards = [self.shards[ref] for ref in run["shards"] if ref in self.shards]
        for ref in set(run["shards"]).difference(self.shards):
            self.unread[f"shard {ref}"] = "no batch names it"
        files = statement_of(self.store, name).items()
        clean = {file: digest for file, digest in files if file.startswith(place(name, "clean/"))}
        stored = {shard.name("documents"): shard.digests["documents"] for shard in shards}
        self._read({**stored, **clean})
        found = [[one for file in files for one in self._scanned[file].places] for files in (stored, clean)]
        return found[0], found[1]

    def _read(self, files: Mapping[str, str]) -> None:
        tasks = [
            Scan(self.workspace.url, file, digest, self.sought)
            for file, digest in files.items()
            if file not in self._scanned
        ]
        results = self.engine.map("look up", scan_file, tasks) if self.engine else map(scan_file, tasks)
        for task, result in zip(tasks, results, strict=True):
            self._scanned[task.file] = result
            if result.problem:
                self.unread[task.file] = result.problem

    def _documents(
        self,
        name: str,
        by_digest: Mapping[str, Sequence[Mapping[str, Any]]],
        by_scan: tuple[list[Place], list[Place]] | None,
    ) -> list[dict[str, Any]]:
        stored, cleaned = (_by_document(places) for places in by_scan or ((), ()))
        holders = {*by_digest, *stored, *cleaned}
        rows = self._rows(name, holders)
        documents = []
        for doc_id in sorted(holders):
            # A document that is barred from release has no row, and may still lie in its shard.
            row = rows.get(doc_id, {"source_id": None, "disposition": None})
            methods = {"digest": doc_id in by_digest, "scan": doc_id in stored or doc_id in cleaned}
            released = row["disposition"] in {"keep", "redact"}
            places = [{"by": "digest", **one} for one in by_digest.get(doc_id, ())]
            places += [{"by": "scan", **one} for one in stored.get(doc_id, ())]
            documents.append({
                "doc_id": doc_id,
                "source_id": row["source_id"],
                "disposition": row["disposition"],
                "by": [method for method, true in methods.items() if true],
                "places": places,
                "released": any(one["whole"] for one in cleaned.get(doc_id, ())) if by_scan and released else None,
            })  # fmt: skip
        return documents

    def _rows(self, name: str, doc_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Read the manifest rows of some documents, one file at a time."""
        wanted = sorted(doc_ids)
        found: dict[str, dict[str, Any]] = {}
        if not wanted:
            return found
        columns = ["doc_id", "source_id", "disposition"]
        for file in self.workspace.release(name).files:
            if file.startswith(place(name, "manifest/")):
                rows = artefacts.chosen(self.store.read(file), {"doc_id": wanted}, columns)
                found |= {row["doc_id"]: row for row in rows.to_pylist()}
        return found


def _named(run: Mapping[str, Any]) -> list[str]:
    """Name the artefacts with findings of a run."""
    return sorted(
        artefact
        for ref in run["shards"]
        for kind, artefact in run["artefacts"].get(ref, {}).items()
        if kind.startswith("findings.")
    )


def _by_document(places: Iterable[Place]) -> dict[str, list[dict[str, Any]]]:
    found: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for one in places:
        found[one.doc_id].append({"column": one.column, "start": one.start, "end": one.end, "whole": one.whole})
    return found


# What is compared.


def _sought(value: str) -> Sought:
    plain = "".join(char for char in normalize("NFKC", value).strip() if char.isprintable())
    folded, _ = _folded(plain)
    if len(value.splitlines()) > 1 or len(folded) < LEAST or len(plain) > LONGEST:
        # Neither the value nor its length is told.
        raise ConfigError(
            f"look-up: found a value that cannot be looked up, expected one line with {LEAST} letters and digits or "
            f"more and at most {LONGEST} characters; give one number, address or id"
        )
    normals = {name: normal for name in seal.NORMALISERS if (normal := _normal(plain, name)) is not None}
    pattern = "|".join(map(re.escape, sorted(_written(plain, folded), key=lambda one: (-len(one), one))))
    return Sought(normals, pattern, "@" in plain)


def _normal(plain: str, name: str) -> str | None:
    """Return a normal form of the value; None where it has none, or one without its letters: digits of an address."""
    try:
        normal = seal.NORMALISERS[name](plain)
    except ValueError:
        # Not an IP address, say; the message would quote it.
        return None
    whole = len(_LETTER.findall(normal)) >= len(_LETTER.findall(plain))
    return normal if whole and sum(map(str.isalnum, normal)) >= LEAST else None


def _written(plain: str, folded: str) -> set[str]:
    """Return the ways in which the folded view may show the value; every one has LEAST characters or more."""
    if "@" in plain:
        found = _addresses(plain)
    elif folded.isdecimal():
        found = _numbers(folded, international=plain.startswith("+") or folded.startswith("00"))
    else:
        found = {folded}
        if re.fullmatch(r"\d{6}19\d{9}x", folded):
            found.add(folded[:6] + folded[8:17])
    return {one for one in found if len(one) >= LEAST}


def _addresses(plain: str) -> set[str]:
    local, _, domain = plain.rpartition("@")
    domains = {domain, seal.email(plain).rpartition("@")[2]}
    found = set()
    for at, dot, one in product(_AT, _DOT, domains):
        parts = [[_folded(label)[0] for label in side.split(".")] for side in (local, one)]
        found |= {between.join(parts[0]) + at + dot.join(parts[1]) for between in {"", dot}}
    return found


def _numbers(digits: str, *, international: bool) -> set[str]:
    """Return a number with and without country code and trunk prefix; of an 18-digit id also the form of 15."""
    found = {digits}
    if international:
        digits = digits.removeprefix("00")
        length = 1 if _ONE.match(digits) else 2 if _TWO.match(digits) else 3
        national = digits[length:].removeprefix("0")
        found |= {digits, digits[:length] + national, national, f"0{national}"}
    elif digits.startswith("0") or re.fullmatch(r"1\d{10}", digits):
        national = digits.removeprefix("0")
        found |= {national, f"86{national}"}
    elif re.fullmatch(r"861\d{10}", digits):
        found.add(digits[2:])
    elif re.fullmatch(r"\d{6}19\d{10}", digits):
        found.add(digits[:6] + digits[8:17])
    return found


# Reading.


def scan_file(task: Scan) -> Scanned:
    """Scan the text columns of one Parquet file, some documents at a time.

    Memory: the file as stored, and a row group of the column at hand.
    """
    store = open_store(task.url)
    try:
        data = _read(store, task)
    except (IntegrityError, Missing) as error:
        return Scanned((), 0, 0, "damaged" if isinstance(error, IntegrityError) else "missing")
    file = pq.ParquetFile(pa.BufferReader(data))
    found: list[Place] = []
    documents = text_bytes = 0
    names = [name for name in TEXT_COLUMNS if name in file.schema_arrow.names]
    for batch in file.iter_batches(BATCH_ROWS, columns=["doc_id", *names]):
        documents += batch.num_rows
        doc_ids = batch.column("doc_id")
        for name in names:
            column = batch.column(name)
            text_bytes += column.nbytes
            for row, start, end, whole in _seen(name, column, task.sought):
                found.append(Place(doc_ids[row].as_py(), name, start, end, whole))
    return Scanned(tuple(sorted(set(found))), documents, text_bytes, None)


def _read(store: Store, task: Scan) -> bytes:
    data = store.read(task.file)
    if sha256(data).hexdigest() != task.digest:
        raise IntegrityError(f"{task.file}: SHA-256 is not the one on record; restore it from a copy")
    return data


def _seen(name: str, column: pa.Array, sought: Sought) -> Iterator[tuple[int, int, int, bool]]:
    """Yield row, start, end and whether it stands alone, of every place in a column."""
    for row, text in _holding(column, sought):
        for start, end in _spans(text, sought):
            yield row, start, end, _alone(text, start, end, mail=sought.mail)
    if name == "uri":
        for layer in percent.layers(column):
            for place_, text in _holding(layer.texts, sought):
                for start, end in _spans(text, sought):
                    first, last = layer.places[place_][[start, end]].tolist()
                    yield int(layer.rows[place_]), first, last, _alone(text, start, end, mail=sought.mail)


def _holding(column: pa.Array, sought: Sought) -> list[tuple[int, str]]:
    folded = folding.fold(column, VIEW)
    rows = pc.indices_nonzero(pc.match_substring_regex(folded, sought.pattern)).to_pylist()
    return [(row, column[row].as_py()) for row in rows]


def _spans(text: str, sought: Sought) -> Iterator[tuple[int, int]]:
    folded, at = _folded(text)
    for match in re.finditer(sought.pattern, folded):
        yield at[match.start()], at[match.end() - 1] + 1


def _alone(text: str, start: int, end: int, *, mail: bool) -> bool:
    """Say whether what stands directly beside a span leaves it whole."""
    before, after = text[max(0, start - 2) : start], text[end : end + 2]
    if mail:
        return not _MAIL_BEFORE.search(before) and not _MAIL_AFTER.match(after)
    # A decimal is a number of another kind.
    ends = ((before[-1:], text[start]), (after[:1], text[end - 1]))
    return not any(_joined(*pair) for pair in ends) and not re.search(r"[0-9]\.\Z", before)


def _joined(outside: str, inside: str) -> bool:
    """Say whether two characters, one of them perhaps none, belong to one number or word."""
    if _folded(inside)[0].isdecimal():
        # 周三13800138000: a numeral of another script belongs to the words before.
        return _folded(outside)[0].isdecimal() and bool(_HAN.match(outside)) == bool(_HAN.match(inside))
    return bool(re.match("[A-Za-z0-9_]", outside))


def _folded(text: str) -> tuple[str, list[int]]:
    """Fold one text as `folding.fold` does, and say where each character came from."""
    entries, more = folding.table(VIEW)
    folded: list[str] = []
    at: list[int] = []
    for index, char in enumerate(text):
        entry = int(entries[min(ord(char), LAST)])
        several = entry >> 28 & 7 == folding.EXPANDED >> 28
        parts = "".join(map(_letter, _expansion(more, entry & _POINT))) if several else _letter(entry)
        folded.append(parts)
        at += [index] * len(parts)
    return "".join(folded), at


def _expansion(more: Iterable[Any], first: int) -> Iterator[int]:
    """Yield what one code point folds to where that is several."""
    for entry in map(int, islice(more, first, None)):
        yield entry
        if entry & folding.FINAL:
            return


def _letter(entry: int) -> str:
    """Return the letter or digit of an entry; nothing for what separates or is dropped."""
    return chr(entry & _POINT) if entry >> 28 & 7 in {folding.WORD >> 28, folding.SINGLE >> 28} else ""
