"""Merkle trees against the published vectors and against the recursive definition of RFC 9162."""

from hashlib import sha256

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from corpus_gov import merkle
from corpus_gov.errors import IntegrityError

LEAVES = [bytes.fromhex(leaf) for leaf in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
)]  # fmt: skip
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
SIZES = st.integers(1, 70)


def tree(n: int) -> bytes:
    return b"".join(merkle.leaf_hash(str(i).encode()) for i in range(n))


def split(hashes: list[bytes]) -> int:
    return max(power for power in (2**i for i in range(len(hashes))) if power < len(hashes))


def naive_root(hashes: list[bytes]) -> bytes:
    if not hashes:
        return sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    k = split(hashes)
    return sha256(b"\x01" + naive_root(hashes[:k]) + naive_root(hashes[k:])).digest()


def naive_path(index: int, hashes: list[bytes]) -> list[bytes]:
    if len(hashes) == 1:
        return []
    k = split(hashes)
    if index < k:
        return [*naive_path(index, hashes[:k]), naive_root(hashes[k:])]
    return [*naive_path(index - k, hashes[k:]), naive_root(hashes[:k])]


def naive_subproof(m: int, hashes: list[bytes], *, known: bool) -> list[bytes]:
    if m == len(hashes):
        return [] if known else [naive_root(hashes)]
    k = split(hashes)
    if m <= k:
        return [*naive_subproof(m, hashes[:k], known=known), naive_root(hashes[k:])]
    return [*naive_subproof(m - k, hashes[k:], known=False), naive_root(hashes[:k])]


def parts(hashes: bytes) -> list[bytes]:
    return [hashes[i : i + 32] for i in range(0, len(hashes), 32)]


@pytest.mark.parametrize("n", range(9))
def test_roots_of_the_reference_leaves(n: int) -> None:
    """The trees of the first n Certificate Transparency reference leaves have the published roots."""
    hashes = b"".join(map(merkle.leaf_hash, LEAVES[:n]))

    assert merkle.root(hashes).hex() == ROOTS[n]


@pytest.mark.parametrize("block", [2, 8])
def test_blocks_do_not_show_in_the_root(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashing block by block, and blocks of blocks, gives the recursive definition's root."""
    monkeypatch.setattr(merkle, "BLOCK", block)

    for n in range(70):
        assert merkle.root(tree(n)) == naive_root([merkle.leaf_hash(str(i).encode()) for i in range(n)])


@given(st.integers(0, 70))
def test_a_root_follows_the_recursive_definition(n: int) -> None:
    """Pairing level by level gives the root of the definition for every size."""
    assert merkle.root(tree(n)) == naive_root(parts(tree(n)))


@given(SIZES, st.data())
def test_an_inclusion_proof_holds_for_its_leaf_only(n: int, data: st.DataObject) -> None:
    """The proof is the one of the definition, holds for its leaf and for no other leaf, index or root."""
    index, other = data.draw(st.integers(0, n - 1)), data.draw(st.integers(0, n - 1))
    hashes = tree(n)
    leaf, top = parts(hashes)[index], merkle.root(hashes)

    proof = merkle.inclusion_proof(hashes, index)

    assert proof == naive_path(index, parts(hashes))
    merkle.verify_inclusion(leaf, index, n, proof, top)
    for wrong in ((bytes(32), index, n, proof, top), (leaf, index, n, proof, bytes(32)), (leaf, n, n, proof, top)):
        with pytest.raises(IntegrityError):
            merkle.verify_inclusion(*wrong)
    assume(other != index)
    with pytest.raises(IntegrityError):
        merkle.verify_inclusion(leaf, other, n, proof, top)


@given(SIZES, st.data())
def test_a_consistency_proof_holds_for_a_prefix_only(n: int, data: st.DataObject) -> None:
    """The proof is the one of the definition, holds for the older tree and for no other size or root."""
    m = data.draw(st.integers(1, n))
    hashes = tree(n)
    old, top = merkle.root(hashes[: 32 * m]), merkle.root(hashes)

    proof = merkle.consistency_proof(hashes, m)

    assert proof == naive_subproof(m, parts(hashes), known=True)
    merkle.verify_consistency(m, old, n, top, proof)
    for wrong in ((m, bytes(32), n, top, proof), (m, old, n, bytes(32), proof), (n + 1, old, n, top, proof)):
        with pytest.raises(IntegrityError):
            merkle.verify_consistency(*wrong)


@given(SIZES, st.data())
def test_a_proof_of_another_length_fails(n: int, data: st.DataObject) -> None:
    """A proof with one hash too many or too few is refused, whatever the hash."""
    hashes, m = tree(n), data.draw(st.integers(1, n))
    leaf, top, old = parts(hashes)[m - 1], merkle.root(hashes), merkle.root(hashes[: 32 * m])
    path, steps = merkle.inclusion_proof(hashes, m - 1), merkle.consistency_proof(hashes, m)

    for wrong in ([*path, bytes(32)], *([path[:-1]] if path else [])):
        with pytest.raises(IntegrityError):
            merkle.verify_inclusion(leaf, m - 1, n, wrong, top)
    for wrong in ([*steps, bytes(32)], *([steps[:-1]] if steps else [])):
        with pytest.raises(IntegrityError):
            merkle.verify_consistency(m, old, n, top, wrong)


def test_every_tree_extends_the_empty_one() -> None:
    """Nothing has to be shown for an empty older tree, but its root must be that of no leaves."""
    top = merkle.root(tree(3))

    assert merkle.consistency_proof(tree(3), 0) == []
    merkle.verify_consistency(0, merkle.root(b""), 3, top, [])
    with pytest.raises(IntegrityError, match="expected 'e3b0c442"):
        merkle.verify_consistency(0, bytes(32), 3, top, [])


def test_what_is_not_in_the_tree_cannot_be_proved() -> None:
    """An index or older size outside the tree, and a cut tree file, are refused by name."""
    with pytest.raises(IntegrityError, match="no leaf 3"):
        merkle.inclusion_proof(tree(3), 3)
    with pytest.raises(IntegrityError, match="no older tree of 4"):
        merkle.consistency_proof(tree(3), 4)
    with pytest.raises(IntegrityError, match="multiple of 32"):
        merkle.root(tree(3)[:-1])
