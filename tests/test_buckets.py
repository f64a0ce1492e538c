"""Workspaces on S3: what only a bucket can do wrong; the five operations are tested with the other stores."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import s3_server
from typer.testing import CliRunner

from corpus_gov import buckets, cli
from corpus_gov.errors import ConfigError, StoreError
from corpus_gov.store import Missing, open_store

TEXTS = ("A first text about the weather in the north.", "第二篇文章谈的是南方的雨季和收成。")


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    with s3_server.serving() as address:
        yield address


@pytest.mark.parametrize("address", ["s3://", "s3://a", "s3://Bucket/x", "s3://bucket//x", "s3://key:secret@bucket/x"])
def test_an_odd_address_is_refused(address: str) -> None:
    """Only a bucket and a folder make an address; credentials never stand in it."""
    with pytest.raises(ConfigError, match="expected 's3://BUCKET'"):
        open_store(address)


@pytest.mark.parametrize("name", ["新/文件 a.txt", "p%41", "t~x", "x#y", "q?z", "a*b", "d.[1]+&=", "e\u0301"])
def test_names_come_back_as_they_were(bucket: str, name: str) -> None:
    """What an address would read otherwise is a letter of a name."""
    store = open_store(f"{bucket}-names")

    store.put(name, b"x")

    assert store.read(name) == b"x"
    assert name in store.list()
    store.delete(name)
    assert store.list() == []


def test_a_store_that_cannot_be_reached_is_named(bucket: str) -> None:
    """The error names object, store and usual causes, and quotes neither request nor credentials."""
    store = open_store("s3://no-such-bucket/corpus")

    for operation, verb in ((store.read, "read"), (lambda name: store.put(name, b"x"), "write"), (store.list, "list")):
        with pytest.raises(
            StoreError, match=rf"^a/b: cannot {verb} at s3://no-such-bucket/corpus: .*AWS_ENDPOINT"
        ) as seen:
            operation("a/b")
        assert not isinstance(seen.value, Missing)
        assert "not a secret" not in str(seen.value)


def test_a_store_that_writes_twice_is_refused(monkeypatch: pytest.MonkeyPatch, bucket: str) -> None:
    """A store that ignores If-None-Match is found before a workspace is made on it, and nothing is left there."""
    real = buckets._library().put
    store = buckets.BucketStore(f"{bucket}-twice")

    def put(*given: Any, mode: str | None = None, **named: Any) -> Any:
        assert mode == "create"
        return real(*given, **named)

    monkeypatch.setattr(buckets._library(), "put", put)

    with pytest.raises(ConfigError, match="wrote a name twice"):
        store.check()
    assert store.list() == []


def test_a_corpus_in_a_bucket(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run with two workers, a second run, verification and explanation work on s3:// as in a folder."""
    monkeypatch.setenv("CORPUS_GOV_KEYS", str(tmp_path / "keys"))
    for number, text in enumerate(TEXTS):
        (tmp_path / f"{number}.txt").write_text(text, encoding="utf-8")
    run, folder = CliRunner(), f"{bucket}-corpus"

    first = run.invoke(
        cli.app, ["run", folder, "--input", str(tmp_path / "*.txt"), "--source", "site", "--workers", "2"]
    )
    assert first.exit_code == 0, first.output
    verified = run.invoke(cli.app, ["verify", folder])
    assert verified.exit_code == 0, verified.output
    again = run.invoke(cli.app, ["run", folder, "--workers", "1"])
    assert again.exit_code == 0, again.output

    assert "nothing" in again.output.lower() or "unchanged" in again.output.lower()
    assert [name for name in open_store(folder).list("releases/") if name.endswith("run.json")]
    # Nothing of it lies in the folder that a path of that name would mean.
    assert not Path("s3:").exists()
    assert os.environ["AWS_ENDPOINT"].startswith("http://127.0.0.1")
