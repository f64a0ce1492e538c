"""Workers: order of results, errors without arguments, key ranges, a scheduler started by hand."""

import os

import pyarrow as pa
import pytest
from cluster import cluster
from hypothesis import given
from hypothesis import strategies as st

from corpus_gov.engine import Engine, ranges_for, split_by_range
from corpus_gov.errors import ConfigError, IntegrityError, SourceError


def double(number: int) -> int:
    return 2 * number


def fail(number: int) -> int:
    raise ValueError(f"secret {number}")


def refuse(number: int) -> int:
    raise IntegrityError(f"item {number}: does not hold")


def die(number: int) -> None:
    os._exit(1)


@pytest.mark.parametrize("workers", [1, 2])
def test_results_keep_the_order(workers):
    """Results come in the order of the items, whoever is ready first."""
    with Engine(workers=workers) as engine:
        assert engine.map("double", double, list(range(20))) == [2 * n for n in range(20)]
        assert engine.map("double", double, []) == []


def test_errors_keep_their_class_and_lose_their_words():
    """Our own errors arrive as they are; the message of a foreign one, which may quote a text, does not."""
    with Engine(workers=1) as engine:
        with pytest.raises(IntegrityError, match="item 3: does not hold"):
            engine.map("refuse", refuse, [3])
        with pytest.raises(RuntimeError, match="ValueError") as error:
            engine.map("fail", fail, [3])
    assert "secret" not in str(error.value)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_dead_worker_says_what_to_do(capfd):
    """A worker that dies again and again fails the run with the stage and the remedy."""
    with Engine(workers=2) as engine, pytest.raises(SourceError, match=r"a worker died.*smaller shards"):
        engine.map("die", die, [1])


def test_scheduler_excludes_local_options():
    """Options of local workers beside an address are a mistake."""
    with pytest.raises(ConfigError, match="leave --workers"):
        Engine(scheduler="tcp://127.0.0.1:1", workers=2)


@pytest.mark.slow
def test_a_scheduler_with_two_workers_started_by_hand(tmp_path):
    """An engine connects to running workers and uses them all."""
    with cluster(tmp_path) as address, Engine(scheduler=address) as engine:
        engine._client.wait_for_workers(2, timeout=60)

        assert engine.map("double", double, list(range(8))) == [2 * n for n in range(8)]


@given(st.lists(st.binary(min_size=4, max_size=4), max_size=50), st.integers(1, 9))
def test_ranges_hold_every_row_once_in_order(keys, ranges):
    """Ranges together hold every row, in order of the key, and equal keys share a range."""
    table = pa.table({"key": [key.hex() for key in keys], "row": list(range(len(keys)))})

    parts = split_by_range(table, "key", ranges)

    joined = [key for part in parts for key in part["key"].to_pylist()]
    assert len(parts) == ranges
    assert joined == sorted(table["key"].to_pylist())
    homes = [set(part["key"].to_pylist()) for part in parts]
    assert sum(len(home) for home in homes) == len(set(joined))


def test_number_of_ranges_depends_on_rows_alone():
    """One range for few rows, never none."""
    assert [ranges_for(rows, 100) for rows in (0, 1, 100, 101, 1000)] == [1, 1, 1, 2, 10]
