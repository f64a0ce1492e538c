"""The matching view, shingles and minhash signatures."""

from hashlib import sha256
from unicodedata import normalize

import numpy as np
import pyarrow as pa
import pytest
from datasketch import LeanMinHash, MinHash
from hypothesis import given
from hypothesis import strategies as st

from corpus_gov.errors import ConfigError, SchemaError
from corpus_gov.kernels import folding, minhash, shingles
from corpus_gov.kernels.folding import Folding, fold
from corpus_gov.kernels.scripts import LAST
from corpus_gov.relate import near
from corpus_gov.relate.presets import PRESETS, Preset

DEFAULT = PRESETS["default"]
MASK_32, MASK_64 = 2**32 - 1, 2**64 - 1
CHARACTERS = st.one_of(
    st.characters(exclude_categories=["Cs"]),
    st.sampled_from(list("aA é,。 \n1９Ⅳﬁßİﷺガｶﾞ한臺台หนัง\u200b\u0301𠀀Ｗ")),
)
TEXTS = st.text(CHARACTERS, max_size=80)


def texts_of(*values: str | None) -> pa.Array:
    """Make a column of texts."""
    return pa.array(values, pa.large_string())


def tokens_of(text: str, view: Folding = DEFAULT.folding) -> list[tuple[bool, tuple[int, ...]]]:
    """Cut a text into tokens in plain Python: (whether it is a word, its folded code points)."""
    entries, more = folding.table(view)
    found, word = [], []
    for character in text:
        entry = int(entries[min(ord(character), LAST)])
        parts = [entry]
        if entry >> 28 == folding.EXPANDED >> 28:
            parts, at = [], entry & 0xFFFFFFF
            while True:
                parts.append(int(more[at]) & ~folding.FINAL)
                if int(more[at]) & folding.FINAL:
                    break
                at += 1
        for part in parts:
            kind, point = part >> 28 << 28, part & 0xFFFFFFF
            if kind in {folding.SEPARATOR, folding.SINGLE} and word:
                found.append((True, tuple(word)))
                word = []
            if kind == folding.SINGLE:
                found.append((False, (point,)))
            if kind == folding.WORD:
                word.append(point)
    return [*found, (True, tuple(word))] if word else found


def hash_of(points: tuple[int, ...]) -> int:
    """Hash a token as docstrings say: FNV-1a over code points, finished."""
    running = 0
    for point in points:
        running = (running ^ (point << 3 | 1)) * 0x100000001B3 & MASK_64
    word = (running ^ running >> 32) * 0x9E3779B97F4A7C15 & MASK_64
    return (word ^ word >> 32) & ~7


def base_hashes_of(text: str, k: int, view: Folding) -> list[int]:
    """Hash the shingles of a text to 32 bits in plain Python."""
    hashes = [hash_of(points) >> 32 for _, points in tokens_of(text, view)]
    k = min(k, len(hashes))
    found = []
    for start in range(len(hashes) - k + 1 if k else 0):
        running = 0x9747B28C + k
        for token in hashes[start : start + k]:
            mixed = (running ^ token) * 0xCC9E2D51 & MASK_32
            running = mixed ^ mixed >> 15
        found.append(running)
    return found


@given(st.lists(TEXTS, max_size=6), st.sampled_from(sorted(PRESETS)))
def test_signatures_are_datasketch_minhashes(texts, name):
    """Every minhash signature equals datasketch's over the shingles that plain Python finds."""
    preset = PRESETS[name]

    found = near.signatures(texts_of(*texts), preset)

    for row, text in enumerate(texts):
        expected = MinHash(num_perm=preset.permutations, seed=preset.seed, hashfunc=int)
        hashes = base_hashes_of(text, preset.shingle, preset.folding)
        if hashes:
            expected.update_batch(hashes)
        assert near.matrix(found)[row].tolist() == expected.hashvalues.tolist()
        assert found[row].is_valid == bool(hashes)


def test_long_texts_are_read_in_blocks_without_a_seam():
    """A text of many blocks has the signature of its shingles, whatever its words are."""
    rng = np.random.default_rng(4)
    text = " ".join(str(number) for number in rng.integers(0, 10**6, 20_000)) + "终于完了" * 3_000

    found = near.matrix(near.signatures(texts_of(text), DEFAULT))[0]

    tokens, _ = shingles.tokens(texts_of(text), DEFAULT.folding)
    expected = MinHash(num_perm=DEFAULT.permutations, seed=1, hashfunc=int)
    expected.update_batch(minhash.base_hashes(tokens, DEFAULT.shingle).tolist())
    assert found.tolist() == expected.hashvalues.tolist()
    assert len(tokens) == 20_000 + 12_000


@given(TEXTS)
def test_tokens_are_hashes_of_folded_code_points(text):
    """The compiled tokens are those that plain Python cuts and hashes."""
    found, offsets = shingles.tokens(texts_of("x", text), DEFAULT.folding)

    assert found[offsets[1] :].tolist() == [hash_of(points) for _, points in tokens_of(text)]


@given(TEXTS)
def test_the_view_written_out_has_the_same_tokens(text):
    """Folding twice is folding once, and the folded text has the tokens of the text."""
    folded = fold(texts_of(text), DEFAULT.folding)

    assert fold(folded, DEFAULT.folding) == folded
    assert (
        shingles.tokens(folded, DEFAULT.folding)[0].tolist()
        == shingles.tokens(texts_of(text), DEFAULT.folding)[0].tolist()
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ｆｕｌｌ　ｗｉｄｔｈ，１２", "full width, 12"),
        ("臺灣體育裏為爲", "台湾体育里为为"),
        ("Straße ﬁne ①", "STRASSE FINE 1"),
        ("soft\u00adhyphen\u200b", "softhyphen"),
        ("引号“一”！", '引号"一"。'),
        ("ガギ", "ｶﾞｷﾞ"),
        ("٣ apples", "3 apples"),
        ("don't", "don’t"),
    ],
)
def test_the_view_leaves_forms_out_of_account(one, other):
    """Width, case, punctuation, script, ligatures and invisible characters make no difference."""
    assert fold(texts_of(one), DEFAULT.folding) == fold(texts_of(other), DEFAULT.folding)


@given(st.text(st.characters(max_codepoint=0x4FF, exclude_categories=["Cs"]), max_size=40))
def test_composed_and_decomposed_letters_are_one(text):
    """The view does not see which normalisation form a writer's keyboard made."""
    assert fold(texts_of(normalize("NFC", text)), DEFAULT.folding) == fold(
        texts_of(normalize("NFD", text)), DEFAULT.folding
    )


def test_options_of_the_view():
    """Script and digits are left out of account only where that is asked for."""
    assert fold(texts_of("臺 2024"), Folding(script=False)).to_pylist() == ["臺2024"]
    assert fold(texts_of("臺 2024"), Folding(digits=True)).to_pylist() == ["台0000"]
    with pytest.raises(ConfigError, match="unit 'word'"):
        Folding(unit="word")


def test_the_table_is_the_same_on_every_python():
    """The entries of the default view are pinned: another table is another version."""
    entries, more = folding.table(Folding())

    digest = sha256(entries.tobytes() + more.tobytes()).hexdigest()
    assert digest == "a1cea8f024d9cf1561cebd4c9b6ddc3ebbd1cf8ad30b12d636c6d76208698602"


def test_folded_characters_stay_folded():
    """No traditional character folds to one that would fold further."""
    characters = folding.simplified()

    assert len(characters) > 3_000
    assert not set(characters.values()) & characters.keys()


def test_short_texts_have_one_shingle_of_all_their_tokens():
    """Texts of fewer tokens than a shingle are alike exactly when their folded texts are the same."""
    values = near.matrix(near.signatures(texts_of("Thank you!", "thank YOU", "you thank", "thank you thank"), DEFAULT))

    assert (values[0] == values[1]).all()
    assert not (values[0] == values[2]).any()
    assert not (values[0] == values[3]).any()


@pytest.mark.parametrize("text", ["", " \n\t", "…！！？", "\u200b\u200b", None])
def test_texts_without_tokens_have_no_signature(text):
    """White space, punctuation and nothing at all are no duplicates of each other."""
    assert near.signatures(texts_of(text), DEFAULT).null_count == 1


def test_signatures_of_any_slice_are_the_same():
    """Cutting a column into batches changes nothing."""
    column = texts_of(*(f"row {number} of a column that is cut into batches" for number in range(9)))

    whole = near.matrix(near.signatures(column, DEFAULT))
    assert (near.matrix(near.signatures(column.slice(4, 3), DEFAULT)) == whole[4:7]).all()
    assert (near.matrix(near.signatures(column, DEFAULT).slice(4, 3)) == whole[4:7]).all()


def test_datasketch_shares_the_memory():
    """A signature becomes a datasketch MinHash and comes back without a copy."""
    values = near.matrix(near.signatures(texts_of("one two three four five six"), DEFAULT))[0]

    wrapped = near.to_datasketch(values, DEFAULT)

    assert isinstance(wrapped, LeanMinHash)
    assert wrapped.jaccard(wrapped) == 1.0
    assert np.shares_memory(near.from_datasketch(wrapped, DEFAULT), values)
    with pytest.raises(SchemaError, match="expected"):
        near.from_datasketch(LeanMinHash(MinHash(num_perm=7)), DEFAULT)


def test_broken_bytes_are_read_within_their_value():
    """Bytes that are no UTF-8 give some tokens and never those of the next value."""
    data = pa.py_buffer(b"ab \xe6\xb1" + b"ab \xe6\xb1" + b"\xf0\x9f")
    column = pa.LargeStringArray.from_buffers(3, pa.py_buffer(np.array([0, 5, 10, 12], np.int64)), data)

    tokens, offsets = shingles.tokens(column, DEFAULT.folding)

    assert offsets.tolist() == [0, 1, 2, 2]
    assert tokens[0] == tokens[1]


def test_presets_refuse_impossible_numbers():
    """A preset names the number that is out of range."""
    with pytest.raises(ConfigError, match="shingle is 65"):
        Preset(65, 16, 7)
    with pytest.raises(ConfigError, match="anchors is 500"):
        Preset(5, 16, 7, anchors=500)


def test_keys_name_everything_that_decides():
    """Every parameter changes the key of what depends on it, and only of that."""
    other = Preset(5, DEFAULT.bands, DEFAULT.rows, seed=2)

    assert other.signature_key != DEFAULT.signature_key
    assert Preset(5, DEFAULT.bands, DEFAULT.rows, threshold=9_000).signature_key == DEFAULT.signature_key
    assert len({preset.edge_key for preset in PRESETS.values()}) == len(PRESETS)
