"""Workspaces on S3: what only a bucket can do wrong; the five operations are tested with the other stores."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import s3_server
from typer.testing import CliRunner

from corpus_gov import buckets, cli, leakscan
from corpus_gov.errors import ConfigError, StoreError
from corpus_gov.store import Missing, open_store
from corpus_gov.workspace import open_workspace

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


@pytest.fixture(scope="module")
def corpus(bucket: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A workspace in the bucket, with one release by two workers."""
    folder = tmp_path_factory.mktemp("corpus")
    for number, text in enumerate(TEXTS):
        (folder / f"{number}.txt").write_text(text, encoding="utf-8")
    url = f"{bucket}-corpus"
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("CORPUS_GOV_KEYS", str(folder / "keys"))
        told("run", url, "--input", str(folder / "*.txt"), "--source", "site", "--workers", "2")
        yield url


def told(*words: str) -> str:
    """Return what a command says that ends well."""
    result = CliRunner().invoke(cli.app, list(words))
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def test_a_corpus_in_a_bucket(corpus: str) -> None:
    """A run with two workers, a second run and verification work on s3:// as in a folder."""
    told("verify", corpus)
    again = told("run", corpus, "--workers", "1")

    assert "nothing" in again.lower() or "unchanged" in again.lower()
    assert [name for name in open_store(corpus).list("releases/") if name.endswith("run.json")]
    # Nothing of it lies in the folder that a path of that name would mean.
    assert not Path("s3:").exists()
    assert os.environ["AWS_ENDPOINT"].startswith("http://127.0.0.1")


def test_an_erasure_in_a_bucket(corpus: str, tmp_path: Path) -> None:
    """Bytes leave every object, releases verify; what versions the bucket keeps is named as not reached."""
    s3_server.keep_versions()
    store = open_store(corpus)
    (gone,) = [
        row["doc_id"] for row in open_workspace(corpus).release().table("documents", ["doc_id", "text"]).to_pylist()
        if row["text"].startswith(TEXTS[0])
    ]  # fmt: skip
    asked = json.loads(told("erase", "ask", corpus, "--by", "doc_id", "--value", gone, "--basis", "eu.gdpr.17",
                            "--actor", "li.na", "--json"))["request"]  # fmt: skip

    assert json.loads(told("erase", "fulfil", corpus, asked, "--json"))["state"] == "suppressed"
    assert leakscan.scan(store, {"text": TEXTS[0].encode()}).found
    assert json.loads(told("erase", "fulfil", corpus, asked, "--physical", "--json"))["state"] == "fulfilled"

    assert leakscan.scan(store, {"text": TEXTS[0].encode()}).found == ()
    assert "r0001 is complete: 2 rows, 1 of them erased." in told("verify", corpus)
    told("erase", "certificate", corpus, asked, "--out", str(tmp_path / "erasure"))
    checked = told("verify-certificate", str(tmp_path / "erasure.json"), "--workspace", corpus)
    assert "- older versions of objects, where the bucket keeps any." in checked
    # It keeps some: the very bytes that nothing in the workspace names any more.
    assert s3_server.kept(corpus, "documents/")
