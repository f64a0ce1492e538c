"""WARC files written byte by byte, so that tests can be wrong on purpose."""

import gzip

PAGE = "<html><head><title>{title}</title></head><body><main><p>{text}</p></main></body></html>"


def page(title: str = "A page", text: str = "A sentence that is long enough to be the main content.") -> bytes:
    """Return a small HTML page in UTF-8."""
    return PAGE.format(title=title, text=text).encode()


def record(kind: str, block: bytes, *, length: int | None = None, **headers: str) -> bytes:
    """Return one WARC record; `length` may lie."""
    lines = {
        "WARC-Type": kind,
        "WARC-Record-ID": f"<urn:uuid:00000000-0000-4000-8000-{len(block):012d}>",
        "WARC-Date": "2024-05-06T07:08:09Z",
        "Content-Length": str(len(block) if length is None else length),
    } | {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return b"WARC/1.0\r\n" + head.encode() + b"\r\n" + block + b"\r\n\r\n"


def response(
    body: bytes,
    uri: str = "http://site.example/page",
    *,
    status: str = "200 OK",
    content_type: str | None = "text/html",
    http: bytes = b"",
    length: int | None = None,
) -> bytes:
    """Return a response record; `http` is more header lines, each with its line end."""
    typed = f"Content-Type: {content_type}\r\n".encode() if content_type else b""
    block = f"HTTP/1.1 {status}\r\n".encode() + typed + http + b"\r\n" + body
    headers = {"WARC_Target_URI": uri, "Content_Type": "application/http; msgtype=response"}
    return record("response", block, length=length, **headers)


def request(uri: str = "http://site.example/page") -> bytes:
    """Return a request record."""
    headers = {"WARC_Target_URI": uri, "Content_Type": "application/http; msgtype=request"}
    return record("request", b"GET / HTTP/1.1\r\nHost: site.example\r\n\r\n", **headers)


def zipped(*records: bytes) -> bytes:
    """Compress each record as a gzip member of its own."""
    return b"".join(gzip.compress(one, mtime=0) for one in records)
