"""A local S3 server in this process; one request at a time, so that its conditional writes have one winner."""

import logging
import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

ENVIRONMENT = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_ENDPOINT", "AWS_ALLOW_HTTP")
BUCKET = "corpora"


def keep_versions() -> None:
    """Let the bucket keep what is written over and removed from now on."""
    _client().put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})


def kept(url: str, prefix: str) -> list[str]:
    """Name the objects below a folder of the bucket that are removed and of which it keeps versions."""
    folder = url.removeprefix(f"s3://{BUCKET}/")
    found = _client().list_object_versions(Bucket=BUCKET, Prefix=f"{folder}/{prefix}")
    removed = {one["Key"] for one in found.get("DeleteMarkers", ()) if one["IsLatest"]}
    return sorted({one["Key"] for one in found.get("Versions", ())} & removed)


def _client() -> Any:
    import boto3

    of = os.environ
    return boto3.client(
        "s3",
        endpoint_url=of["AWS_ENDPOINT"],
        region_name=of["AWS_REGION"],
        aws_access_key_id=of["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=of["AWS_SECRET_ACCESS_KEY"],
    )


@contextmanager
def serving() -> Iterator[str]:
    """Serve an empty bucket for the length of a `with` block and point the environment at it; yields its address."""
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=False)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    before = {name: os.environ.get(name) for name in ENVIRONMENT}
    values = ("tester", "not a secret", "us-east-1", f"http://127.0.0.1:{server.server_port}", "true")
    os.environ.update(dict(zip(ENVIRONMENT, values, strict=True)))
    _client().create_bucket(Bucket=BUCKET)
    try:
        yield f"s3://{BUCKET}/{secrets.token_hex(8)}"
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        server.shutdown()
        thread.join()
        server.server_close()
