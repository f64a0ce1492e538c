"""Named parameters of near duplicates; everything that decides a minhash signature is in the key."""

from dataclasses import dataclass
from typing import Final

from corpus_gov.errors import ConfigError
from corpus_gov.kernels import folding, minhash, shingles
from corpus_gov.kernels.folding import Folding
from corpus_gov.schemas import SCALE

ALGORITHM: Final = "affine32"
"""datasketch's name of the permutation scheme."""


_VIEW: Final = Folding()


@dataclass(frozen=True)
class Preset:
    """How documents are compared.

    A pair of true similarity s becomes a candidate with probability 1 - (1 - s^rows)^bands.

    Raises:
        ConfigError: a number is out of range.
    """

    shingle: int
    """Tokens of a shingle."""
    bands: int
    rows: int
    """Permutations in a band."""
    threshold: int = 7_000
    """Least Jaccard similarity of an edge, in ten-thousandths."""
    folding: Folding = _VIEW
    seed: int = 1
    bucket: int = 128
    """Buckets up to this size give all their pairs."""
    anchors: int = 16
    """Larger ones give pairs with so many members: those of smallest text digest."""

    def __post_init__(self) -> None:
        """Refuse numbers that the kernels do not take."""
        limits = {
            "shingle": (self.shingle, 1, shingles.MAX_SHINGLE),
            "bands": (self.bands, 1, 1_000),
            "rows": (self.rows, 1, 100),
            "threshold": (self.threshold, 1, SCALE),
            "seed": (self.seed, 0, 2**32 - 1),
            "anchors": (self.anchors, 1, self.bucket),
        }
        for name, (value, least, most) in limits.items():
            if not least <= value <= most:
                raise ConfigError(f"near preset: {name} is {value!r}, expected {least} to {most}; change it")

    @property
    def permutations(self) -> int:
        """Numbers in a minhash signature."""
        return self.bands * self.rows

    @property
    def name(self) -> str:
        """Shingle, bands × rows, hash."""
        return f"{self.folding.unit}{self.shingle}-{self.bands}x{self.rows}-{ALGORITHM}"

    @property
    def signature_key(self) -> str:
        """All that decides the numbers of a minhash signature, versions included."""
        versions = f"minhash{minhash.VERSION}-shingle{shingles.VERSION}-{self.folding.key}-table{folding.VERSION}"
        return f"{ALGORITHM}-{versions}-k{self.shingle}-p{self.permutations}-seed{self.seed}"

    @property
    def edge_key(self) -> str:
        """All that decides the edges."""
        grouping = f"b{self.bands}-t{self.threshold}-m{self.bucket}-a{self.anchors}"
        return f"{self.signature_key}-{grouping}"


PRESETS: Final = {
    "default": Preset(5, 22, 5),
    "fineweb": Preset(5, 14, 8, threshold=7_500),
    "olmo3": Preset(5, 26, 11, threshold=7_500),
    "data_juicer": Preset(5, 32, 8, folding=Folding(unit="character")),
    "curator": Preset(24, 20, 13, threshold=8_000, folding=Folding(unit="character")),
}
"""Ours first, then shingle, bands and rows as others publish them (hashes and normalisation are ours): fineweb and
datatrove's default, OLMo 3's, Data-Juicer's in its benchmark, NeMo Curator's.

Bands only choose what is measured, so ours are chosen for recall: 22×5 makes candidates of .98 of the pairs at the
threshold itself and of .998 at .75, where 16×7 misses a quarter and a tenth, for 1.8 to 2.1 times the candidates and
one number less in a hundred. What others set by bands alone (fewer false pairs) is here the threshold's part. Five
tokens and .7 are the field's: shorter shingles, lower thresholds and characters find more edits, typing errors in
English words above all, but then fewer than .99 of the removals are right by labels: characters of manuals of fmin and
fmax are as alike as those of a text and its misspelt copy. `bench/near.py --only sweep` prints the trade."""
