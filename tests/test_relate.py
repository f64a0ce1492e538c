"""Exact duplicates and clusters."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from corpus_gov.relate import clusters, exact, links
from corpus_gov.schemas import EDGES


def documents(digests: list[str], n_chars: int = 5) -> pa.Table:
    """Make the columns that the relation reads."""
    ids = [f"{n:032x}" for n in range(len(digests))]
    return pa.table({"doc_id": ids, "text_digest": digests, "n_chars": [n_chars] * len(digests)})


def test_equal_texts_are_related_to_the_smallest_id():
    """Each copy has one verified edge, to the smallest doc_id of its text."""
    rows = exact.split(documents(["bb" * 32, "aa" * 32, "bb" * 32, "bb" * 32]))

    found = exact.join(rows.append_column("home", pa.array([4, 5, 6, 7], pa.uint32())))

    assert [found[side].tolist() for side in ("home_a", "home_b")] == [[4, 4], [6, 7]]
    edges = links.edges(links.ordered(found))
    assert edges.schema.equals(EDGES)
    assert [(row["a"][-1], row["b"][-1], row["similarity"]) for row in edges.to_pylist()] == [
        ("0", "2", 10_000),
        ("0", "3", 10_000),
    ]


def test_empty_documents_are_no_duplicates():
    """Documents without text share a digest and say nothing of each other."""
    assert len(exact.split(documents(["aa", "aa"], n_chars=0))) == 0


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=30), st.randoms(), st.integers(0, 30))
def test_clusters_are_components_named_by_their_smallest(pairs, source, cut):
    """Components are those that a plain search finds, for any order of the links and any cut of them."""
    pairs = sorted({(min(p), max(p)) for p in pairs if p[0] != p[1]})
    shuffled = source.sample(pairs, len(pairs))
    a, b = np.array([*shuffled, (0, 0)]).T
    parent = clusters.singles(13)

    for part in (slice(cut), slice(cut, None)):
        clusters.unite(parent, a[part], b[part])
    clusters.settle(parent)

    label = components(pairs)
    assert parent.tolist() == [label.get(n, n) for n in range(13)]
    assert clusters.roots(13, a, b).tolist() == parent.tolist()


def components(pairs) -> dict[int, int]:
    """Find components by repeated relabelling."""
    label = {n: n for pair in pairs for n in pair}
    for _ in label:
        for a, b in pairs:
            label[a] = label[b] = min(label[a], label[b])
    return label
