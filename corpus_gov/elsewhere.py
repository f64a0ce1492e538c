"""Apply a release to a copy of the corpus that lies elsewhere: the same documents in, the same clean texts out.

A row is found by its doc_id, else by the digest of its text. What the release keeps stays, what it redacts is edited at
the places that the release names, everything else is left out. Of each row that stays it is shown that it is what the
release says: its text has the digest of the stored text, and what comes out has `released_digest`, as far as the copy
has address and title. A row that is not ends the work, and there is no output.

Memory: `covered` of the release, and one part of a file.
"""

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from corpus_gov import apply, copies
from corpus_gov.covered import DIGEST, Covered, load, raw
from corpus_gov.engine import Progress, silent
from corpus_gov.errors import ConfigError, IntegrityError, SchemaError, SourceError, StoreError
from corpus_gov.kernels.digests import prefixed, sha256_hex
from corpus_gov.schemas import DISPOSITIONS, TEXT

NAMES: Final[Mapping[str, str]] = {"doc_id": "doc_id", "uri": "uri", "title": "title", "text": "text"}


@dataclass
class Applied:
    """What applying a release came to; rows are those of the copy.

    Attributes:
        release: its name.
        root: hex, of its manifest.
        files: that were read.
        rows: that they have.
        kept: rows that stay as they are.
        redacted: rows that were edited.
        quarantined: rows of held documents; left out.
        dropped: rows of dropped documents; left out.
        repeats: rows left out because another row of the copy stands for the same document.
        uncovered: rows of no document of the release.
        uncovered_kept: whether those stayed.
        by_text: rows that were found by their text.
        clean_before: rows whose documents were the clean ones already.
        whole: rows that stay, of which `released_digest` agreed.
        text_alone: rows that stay, of which the text's digest agreed and there was no title or address to compare.
        unchecked: rows that stay of a copy without text, found by doc_id alone.
        lacking: documents of the release that no row is of.
        lacking_released: those of them that the release keeps or redacts.
        passed: names of columns that nobody looked at; they are in the output as they were.
        left: names of files of the folder that are no Parquet and no JSON lines; not in the output.
        trusted: what was taken on trust, one sentence each.
    """

    release: str
    root: str
    trusted: list[str]
    uncovered_kept: bool
    files: int = 0
    rows: int = 0
    kept: int = 0
    redacted: int = 0
    quarantined: int = 0
    dropped: int = 0
    repeats: int = 0
    uncovered: int = 0
    by_text: int = 0
    clean_before: int = 0
    whole: int = 0
    text_alone: int = 0
    unchecked: int = 0
    lacking: int = 0
    lacking_released: int = 0
    passed: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def apply_to(
    manifest: Path,
    source: Path,
    target: Path,
    *,
    vkey: str | None = None,
    names: Mapping[str, str] = NAMES,
    keep_uncovered: bool = False,
    progress: Progress = silent,
) -> Applied:
    """Apply a release to a file or a folder of files.

    Args:
        manifest: folder of the release, or a part of its manifest in it.
        source: Parquet or JSON lines, plain, gzip or zstd; in a folder all such files, its folders too.
        target: of the same kind, not there yet. It appears whole or not at all.
        vkey: as for `covered.load`.
        names: of columns, by what they are; those that are left out are not looked for.
        keep_uncovered: let rows stay that are of no document of the release.
        progress: called with megabytes read.

    Raises:
        ConfigError: an argument is wrong.
        SourceError: the copy cannot be read, or a doc_id is there twice.
        IntegrityError: the release, or a row of the copy, is not what was signed; names row and doc_id.
        StoreError: the output cannot be written.
    """
    found, left = _files(source, target)
    covered = load(manifest, vkey)
    made = Applied(covered.release, covered.root, list(covered.trusted), keep_uncovered, left=left)
    work = _Work(covered, made, np.zeros(len(covered.ids), bool))
    target = target.absolute()
    try:
        # Beside the target, so that the last step is one rename.
        folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.unfinished-", dir=target.parent))
    except OSError as error:
        raise StoreError(
            f"OUTPUT {str(target)!r}: {error.strerror}; expected a folder that can be written to"
        ) from error
    try:
        _carry_out(work, found, folder / target.name, names, progress)
        _move(folder / target.name, target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    lacking = ~work.seen
    made.lacking = int(lacking.sum())
    made.lacking_released = sum(covered.is_released(place) for place in np.flatnonzero(lacking).tolist())
    if made.unchecked:
        made.trusted.append(
            f"{made.unchecked} rows have no text: that they are of the documents they name is not shown"
        )
    return made


def _carry_out(
    work: "_Work", found: Sequence[tuple[Path, Path]], out: Path, names: Mapping[str, str], progress: Progress
) -> None:
    total, done = sum(path.stat().st_size for path, _ in found), 0
    passed: dict[str, None] = {}
    for path, below in found:
        place = out / below if below.name else out
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            with copies.opened(path, place, names) as parts:
                for part in parts:
                    work.part(part, path)
                    passed |= dict.fromkeys(part.passed)
        except OSError as error:
            raise StoreError(f"OUTPUT {str(place)!r}: {error.strerror}; free space and run again") from error
        done += path.stat().st_size
        work.made.files += 1
        progress("apply", done >> 20, max(1, total >> 20), None)
    work.made.passed = sorted(passed)


def _files(source: Path, target: Path) -> tuple[list[tuple[Path, Path]], list[str]]:
    """List the files to read, each with its name below the folder, and the names of those that are not read."""
    if target.exists() or target.is_symlink():
        raise ConfigError(f"OUTPUT {str(target)!r}: is there already, expected a new name; nothing is overwritten")
    if source.is_file():
        copies.check_target(source, target)
        return [(source, Path())], []
    if not source.is_dir():
        raise ConfigError(f"INPUT {str(source)!r}: found no such file or folder; correct the name")
    if target.absolute().is_relative_to(source.absolute()):
        raise ConfigError(f"OUTPUT {str(target)!r}: lies in INPUT, expected another place")
    files = sorted(path for path in source.rglob("*") if path.is_file())
    read = [path for path in files if copies.suffixes(path)[0]]
    for path in read:
        copies.check_target(path, path)
    if not read:
        raise ConfigError(f"INPUT {str(source)!r}: found no Parquet and no JSON lines in {len(files)} files")
    left = [path.relative_to(source).as_posix() for path in files if path not in set(read)]
    return [(path, path.relative_to(source)) for path in read], left


def _move(made: Path, target: Path) -> None:
    try:
        # Not `replace`: what came since would be overwritten.
        os.link(made, target) if made.is_file() else os.rename(made, target)  # noqa: PTH104
        folder = os.open(target.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
    except OSError as error:
        raise StoreError(f"OUTPUT {str(target)!r}: {error.strerror}; expected a name that is free") from error


@dataclass
class _Work:
    """Rows on their way, and which documents were seen."""

    covered: Covered
    made: Applied
    seen: np.ndarray

    def part(self, part: copies.Part, path: Path) -> None:
        """Decide on the rows of a part, check them, and write those that stay."""
        columns, made, covered = part.columns, self.made, self.covered
        if not {"doc_id", "text"} & {*columns}:
            raise SourceError(
                f"{path}: found neither 'doc_id' nor 'text', expected one of them; name the columns, for example with "
                "--column text=content"
            )
        n = len(next(iter(columns.values())))
        rows = _Rows(part.first, n, path, columns, _digests(columns.get("text"), n))
        places = self._places(rows)
        kept = np.zeros(n, bool)
        changed: dict[str, dict[int, str]] = {}
        for row, place in enumerate(places.tolist()):
            if place >= 0 and covered.is_released(place):
                kept[row] = True
                for column, value in self._cleaned(rows, row, place).items():
                    changed.setdefault(column, {})[row] = value
            elif place == -1:
                kept[row] = made.uncovered_kept
        made.rows += n
        made.uncovered += int((places == -1).sum())
        edited = {row for of_column in changed.values() for row in of_column}
        made.redacted += len(edited)
        made.kept += int(kept[places >= 0].sum()) - len(edited)
        part.write(kept, {column: apply.substituted(columns[column], values) for column, values in changed.items()})

    def _places(self, rows: "_Rows") -> np.ndarray:
        """Find the document of each row: its place, -1 for none, -2 for one that is left out; counts the latter."""
        covered = self.covered
        ids = rows.columns.get("doc_id", pa.nulls(rows.n, TEXT))
        found = covered.places(ids)
        for row in np.flatnonzero(found >= 0).tolist():
            if self.seen[found[row]]:
                raise SourceError(
                    f"{rows.where(row)}: doc_id {covered.doc_id(found[row])!r} is there a second time; expected each "
                    "document once, remove one"
                )
            self.seen[found[row]] = True
        missing = np.flatnonzero(found == -1)
        if rows.digests is not None and len(missing):
            first, stop = covered.of_texts(rows.digests[missing])
            for row, a, b in zip(missing.tolist(), first.tolist(), stop.tolist(), strict=True):
                if a < b and rows.columns["text"][row].is_valid:
                    found[row] = self._chosen(rows, row, covered.by_text[a:b].tolist())
                    self.made.by_text += 1
        for place in found[found >= 0].tolist():
            if not covered.is_released(place):
                self._left_out(place)
        return found

    def _left_out(self, place: int) -> None:
        if DISPOSITIONS[int(self.covered.dispositions[place])] == "quarantine":
            self.made.quarantined += 1
        else:
            self.made.dropped += 1

    def _chosen(self, rows: "_Rows", row: int, places: list[int]) -> int:
        """Choose among documents of one text; where it cannot be told which one a row is, the worst counts."""
        covered = self.covered
        free = [place for place in places if not self.seen[place]]
        released = [place for place in free if covered.is_released(place)]
        barred = [place for place in places if not covered.is_released(place) and not covered.gave_way[place]]
        if barred and "uri" not in rows.columns:
            chosen = sorted(barred, key=lambda place: -int(covered.dispositions[place]))
        elif {"uri", "title"} & {*rows.columns} and len(places) > 1:
            # A row that is none of the released ones is one of the others, and those are left out.
            fitting = [place for place in released if self._fits(rows, row, place)]
            chosen = fitting or [place for place in places if not covered.is_released(place)]
        else:
            chosen = released or [place for place in free if not covered.is_released(place)]
        if not chosen:
            self.made.repeats += 1
            return -2
        self.seen[chosen[0]] = True
        return chosen[0]

    def _fits(self, rows: "_Rows", row: int, place: int) -> bool:
        try:
            return self._agrees(rows, row, place, self._edited(rows, row, place)) is not None
        except SchemaError:
            return False

    def _agrees(self, rows: "_Rows", row: int, place: int, edited: Mapping[str, str]) -> str | None:
        """Compare an edited row with the clean document: as a `whole`, or its `text_alone`; None: it is another."""
        uri = self.covered.uris[place].as_py()
        if rows.digest(row, edited, uri) == self._expected(place):
            return "whole"
        if "title" not in rows.columns and ("uri" not in rows.columns or rows.value(row, "uri", edited) == uri):
            return "text_alone"
        return None

    def _edited(self, rows: "_Rows", row: int, place: int) -> dict[str, str]:
        """Carry out the edits of a document in the columns that the copy has."""
        return {
            column: apply.spliced(rows.columns[column][row].as_py() or "", planned, rows.where(row))
            for column, planned in self.covered.edits_of(place).items()
            if column in rows.columns
        }

    def _expected(self, place: int) -> bytes:
        return bytes(self.covered.released[place]).ljust(DIGEST, b"\0")

    def _cleaned(self, rows: "_Rows", row: int, place: int) -> dict[str, str]:
        """Return what changes in a row that stays.

        Raises:
            IntegrityError: the row is not the document, stored or clean.
        """
        made, uri = self.made, self.covered.uris[place].as_py()
        if rows.digests is None:
            made.unchecked += 1
            if {"uri", "title"} & {*self.covered.edits_of(place)} & {*rows.columns}:
                raise self._another(
                    rows, row, place, "it has no text to compare, and address or title are to be edited"
                )
            return {}
        same = rows.digests[row] == self.covered.texts[place]
        if (self.covered.touched[place] or not same) and rows.digest(row, {}, uri) == self._expected(place):
            made.clean_before += 1
            made.whole += 1
            return {}
        if not same:
            raise self._another(rows, row, place, "its text has another digest than the stored and the clean one")
        try:
            edited = self._edited(rows, row, place)
        except SchemaError:
            raise self._another(rows, row, place, "edits reach outside its address or title") from None
        agrees = self._agrees(rows, row, place, edited)
        if agrees is None:
            raise self._another(rows, row, place, "its address or title is another one")
        made.whole += agrees == "whole"
        made.text_alone += agrees == "text_alone"
        return edited

    def _another(self, rows: "_Rows", row: int, place: int, problem: str) -> IntegrityError:
        return IntegrityError(
            f"{rows.where(row)}: doc_id {self.covered.doc_id(place)!r}: {problem}; it is not what "
            f"{self.covered.release} was made of: nothing was written"
        )


@dataclass(frozen=True)
class _Rows:
    """Rows of a part with the digests of their texts, S32."""

    first: int
    n: int
    path: Path
    columns: Mapping[str, pa.Array]
    digests: np.ndarray | None

    def where(self, row: int) -> str:
        return f"{self.path}: row {self.first + row}"

    def value(self, row: int, column: str, edited: Mapping[str, str]) -> str | None:
        """Return a value as it would be written."""
        if column in edited or column not in self.columns:
            return edited.get(column)
        value: str | None = self.columns[column][row].as_py()
        return value

    def digest(self, row: int, edited: Mapping[str, str], uri: str | None) -> bytes:
        """Digest the row as a clean document; `uri` stands for an address that the copy does not have."""
        values = {column: self.value(row, column, edited) for column in apply.EDITED}
        if "uri" not in self.columns:
            values["uri"] = uri
        return sha256(prefixed(*((values[column] or "").encode() for column in apply.EDITED))).digest()


def _digests(text: pa.Array | None, n: int) -> np.ndarray | None:
    if text is None or not n:
        return None
    return raw(sha256_hex(text.fill_null("")), DIGEST, "text")
