"""A local S3 server in this process; one request at a time, so that its conditional writes have one winner."""

import logging
import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager

ENVIRONMENT = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_ENDPOINT", "AWS_ALLOW_HTTP")
BUCKET = "corpora"


@contextmanager
def serving() -> Iterator[str]:
    """Serve an empty bucket for the length of a `with` block and point the environment at it; yields its address."""
    import boto3
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=False)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    before = {name: os.environ.get(name) for name in ENVIRONMENT}
    values = ("tester", "not a secret", "us-east-1", f"http://127.0.0.1:{server.server_port}", "true")
    os.environ.update(dict(zip(ENVIRONMENT, values, strict=True)))
    client = boto3.client(
        "s3",
        endpoint_url=values[3],
        region_name=values[2],
        aws_access_key_id=values[0],
        aws_secret_access_key=values[1],
    )
    client.create_bucket(Bucket=BUCKET)
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
