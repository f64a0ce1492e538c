"""Which documents of a release are nearest to one of it, or to any text; verified shingle by shingle."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov import artefacts
from corpus_gov.errors import ConfigError, SourceError
from corpus_gov.kernels import jaccard
from corpus_gov.relate import near, records
from corpus_gov.relate import similar as index
from corpus_gov.relate.presets import PRESETS, Preset
from corpus_gov.schemas import SCALE
from corpus_gov.stages import Shard, keying, read_shard
from corpus_gov.workspace import Release

FILE_BYTES: Final = 256 * 1024 * 1024
"""Largest file that is compared."""

_SHOWN: Final = ("doc_id", "source_id", "uri", "disposition", "cluster_id", "representative_id")


@dataclass(frozen=True)
class Nearest:
    """The index of a release: build it once, ask often.

    Memory: some 3 KB a document, most of it datasketch's tables.
    """

    release: Release
    preset: Preset
    index: index.Index
    homes: pa.Array
    """string: the shard of each document of the index."""
    shards: dict[str, Shard]

    @classmethod
    def of(cls, release: Release) -> "Nearest":
        """Read the signatures of a release and index them.

        Raises:
            ConfigError: the release was made without near duplicates, or its signatures are gone.
        """
        workspace = release.workspace
        names, preset = release.run["artefacts"], PRESETS.get(release.run.get("near") or "none")
        if preset is None:
            raise ConfigError(
                f"{release.name}: found no signatures, expected a run with near duplicates; set `preset` under "
                "[near] of corpus-gov.toml and run again"
            )
        shards = {shard.ref: shard for shard in workspace.shards() if shard.ref in names}
        signed = []
        for ref, shard in shards.items():
            name = names[ref]["keys.near"]
            if artefacts.ready(workspace.store, name) is not True:
                raise ConfigError(
                    f"{release.name}: signatures of shard {shard.ref} are not in the build cache, expected those of "
                    "its run; run again"
                )
            signed.append(keying.signatures(workspace.store, name, preset))
        homes = pa.array(list(shards), pa.string()).take(
            pa.array(np.repeat(np.arange(len(signed)), [len(part) for part in signed]))
        )
        rows = np.concatenate([np.zeros(0, keying.signature_type(preset)), *signed])
        values = np.ascontiguousarray(rows["minhash"]).reshape(-1)
        signatures = pa.FixedSizeListArray.from_arrays(pa.array(values, pa.uint32()), preset.permutations)
        made = index.index(records.hexadecimal(rows["doc_id"]), signatures, preset)
        return cls(release, preset, made, homes, shards)

    def like(self, text: str, most: int = 10) -> list[dict[str, Any]]:
        """Find the documents nearest to a text.

        Args:
            text: any.
            most: rows at most.

        Returns:
            doc_id, similarity (Jaccard of shingles), contained (share of the text's shingles that the document has),
            contains (share of the document's shingles that the text has), all verified and in ten-thousandths; what
            the manifest says of the document: source_id, uri (redacted), disposition, cluster_id, representative_id.
            The most similar first, then by doc_id; nothing that has no shingle in common.
        """
        # The estimate decides who is compared: a few more are, so that those which are shown are in their true order.
        found = index.nearest(self.index, text, 2 * most + 10)
        ids = found["doc_id"].combine_chunks()
        if len(ids) == 0:
            return []
        texts = self._texts(ids)
        sets = near.shingle_sets(pa.concat_arrays([pa.array([text], pa.large_string()), texts]), self.preset)
        own, others = np.zeros(len(ids), np.int64), np.arange(1, len(ids) + 1)
        shared = jaccard.common(sets, own, sets, others)
        sizes, similarity = np.diff(sets[1]), near.similarity(sets, own, sets, others)
        rows = [
            {
                "doc_id": doc_id,
                "similarity": int(similarity[i]),
                "contained": int(SCALE * shared[i] // max(1, sizes[0])),
                "contains": int(SCALE * shared[i] // max(1, sizes[i + 1])),
            }
            for i, doc_id in enumerate(ids.to_pylist())
            if shared[i]
        ]
        rows.sort(key=lambda row: (-row["similarity"], row["doc_id"]))
        rows = rows[:most]
        known = {row["doc_id"]: row for row in self._manifest([row["doc_id"] for row in rows])}
        return [row | known.get(row["doc_id"], {}) for row in rows]

    def text_of(self, doc_id: str) -> tuple[str, str]:
        """Return the doc_id and the text of a document of the release.

        Args:
            doc_id: 32 hex digits, or enough of the first of them to be unique.

        Raises:
            ConfigError: no such document has a text, or more than one.
        """
        starts = pc.starts_with(self.index.doc_id, doc_id.lower())
        ids = self.index.doc_id.filter(starts)
        if len(ids) != 1:
            raise ConfigError(
                f"{self.release.name}: {len(ids)} documents with words begin with {doc_id!r}, expected one, or a "
                "file of that name; give more of the doc_id, or the path of a text"
            )
        return ids[0].as_py(), self._texts(ids)[0].as_py()

    def _texts(self, ids: pa.Array) -> pa.Array:
        """Read the texts of some documents, in their order; each shard once."""
        place = pc.index_in(ids, value_set=self.index.doc_id)
        homes = self.homes.take(place)
        parts = []
        for ref in sorted(pc.unique(homes).to_pylist()):
            data = read_shard(self.release.workspace.store, self.shards[ref], "documents")
            table = artefacts.decode(data, ["doc_id", "text"])
            parts.append(table.filter(pc.is_in(table["doc_id"], value_set=ids)))
        table = pa.concat_tables(parts).combine_chunks()
        order = pc.index_in(ids, value_set=table["doc_id"].combine_chunks())
        return table["text"].combine_chunks().cast(pa.large_string()).take(order)

    def _manifest(self, ids: list[str]) -> Iterator[dict[str, Any]]:
        store = self.release.workspace.store
        for name in self.release.files:
            if name.startswith(f"releases/{self.release.name}/manifest/"):
                table = artefacts.decode(store.read(name), _SHOWN)
                yield from table.filter(pc.is_in(table["doc_id"], value_set=pa.array(ids))).to_pylist()


def similar(release: Release, document: str | Path, most: int) -> list[dict[str, Any]]:
    """Find the documents nearest to one of the release, or to a file.

    Args:
        release: where to look.
        document: a Path, or a text that names a file, is read as UTF-8; anything else is a doc_id.
        most: rows at most.

    Returns:
        Rows of `Nearest.like`, without the document itself.

    Raises:
        ConfigError: no such document, or the release has no signatures.
        SourceError: the file is no UTF-8 text, or longer than FILE_BYTES.
    """
    path = Path(document)
    if isinstance(document, Path) or path.is_file():
        text = _text_of(path)
        return Nearest.of(release).like(text, most)
    index_of = Nearest.of(release)
    own, text = index_of.text_of(str(document))
    return [row for row in index_of.like(text, most + 1) if row["doc_id"] != own][:most]


def _text_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES + 1)
        if len(data) > FILE_BYTES:
            raise SourceError(f"{path}: found more than {FILE_BYTES} bytes, expected a text; give a part of it")
        return data.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(
            f"{path}: found no readable text ({type(error).__name__}), expected a file in UTF-8; convert it"
        ) from error
