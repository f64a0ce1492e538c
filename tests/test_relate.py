"""Exact duplicates and clusters."""

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from corpus_gov.relate import exact
from corpus_gov.relate.clusters import clusters
from corpus_gov.schemas import CLUSTERS, EDGES


def documents(digests: list[str], n_chars: int = 5) -> pa.Table:
    """Make the columns that the relation reads."""
    ids = [f"{n:032x}" for n in range(len(digests))]
    return pa.table({"doc_id": ids, "text_digest": digests, "n_chars": [n_chars] * len(digests)})


def test_equal_texts_are_related_to_the_smallest_id():
    """Each copy has one verified edge, to the smallest doc_id of its text."""
    rows = exact.split(documents(["bb" * 32, "aa" * 32, "bb" * 32, "bb" * 32]))

    edges = exact.join(rows.append_column("home", pa.array([4, 5, 6, 7], pa.uint32())))

    assert edges.select(EDGES.names).cast(EDGES).schema.equals(EDGES)
    assert edges.select(["home_a", "home_b"]).to_pydict() == {"home_a": [4, 4], "home_b": [6, 7]}
    assert [(row["a"][-1], row["b"][-1], row["similarity"]) for row in edges.to_pylist()] == [
        ("0", "2", 10_000),
        ("0", "3", 10_000),
    ]


def test_empty_documents_are_no_duplicates():
    """Documents without text share a digest and say nothing of each other."""
    assert len(exact.split(documents(["aa", "aa"], n_chars=0))) == 0


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=30), st.randoms())
def test_clusters_are_components_named_by_their_smallest(pairs, source):
    """Clusters equal the components that a plain search finds, for any order of the edges."""
    pairs = sorted({(min(p), max(p)) for p in pairs if p[0] != p[1]})
    shuffled = source.sample(pairs, len(pairs))

    found = clusters(edges_of(shuffled))

    assert found.schema.equals(CLUSTERS)
    assert dict(zip(*found.to_pydict().values(), strict=True)) == components(pairs)


def edges_of(pairs) -> pa.Table:
    """Make EDGES of pairs of numbers."""
    rows = [{"a": f"{a:02d}", "b": f"{b:02d}", "kind": "exact", "similarity": 10_000} for a, b in pairs]
    return pa.Table.from_pylist(rows, schema=EDGES)


def components(pairs) -> dict[str, str]:
    """Find components by repeated relabelling."""
    label = {n: n for pair in pairs for n in pair}
    for _ in label:
        for a, b in pairs:
            label[a] = label[b] = min(label[a], label[b])
    return {f"{n:02d}": f"{root:02d}" for n, root in label.items()}
