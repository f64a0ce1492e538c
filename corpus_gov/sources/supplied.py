"""Files about opt-outs that somebody saved beside a crawl: which host and time each is of, by where it lies."""

import re
from datetime import UTC, datetime
from typing import Final, NamedTuple

FOLDER: Final = "optout-snapshots"
"""Name of the folder, anywhere in a path; in it a folder for each host, and in that one for each time where known."""

FILES: Final = {
    "robots.txt": "/robots.txt",
    "ai.txt": "/ai.txt",
    "tdmrep.json": "/.well-known/tdmrep.json",
    "license.xml": "/license.xml",
    "rsl.xml": "/rsl.xml",
}
"""File names and the paths that they stand for; a folder whose name begins with a dot would be passed over."""

_PLACE = re.compile(
    rf"(?:^|/){FOLDER}/(?P<host>[A-Za-z0-9.-]+)(?:_(?P<port>[0-9]{{1,5}}))?"
    rf"(?:/(?P<time>[0-9]{{8}}T[0-9]{{6}}Z))?/(?P<file>[a-z]+\.[a-z]+)\Z"
)


class Place(NamedTuple):
    """What a supplied file is of."""

    uri: str
    fetched_at: datetime | None


def place(name: str) -> Place | None:
    """Read host, port, time and kind off a logical name; None for what is no supplied file.

    `optout-snapshots/example.org/20260301T120000Z/robots.txt` is the robots.txt of example.org at that time (UTC), and
    `optout-snapshots/example.org_8080/robots.txt` that of its port 8080 at no known time.
    """
    match = _PLACE.search(name)
    if not match or match["file"] not in FILES:
        return None
    try:
        time = datetime.strptime(match["time"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC) if match["time"] else None
    except ValueError:
        return None
    port = f":{match['port']}" if match["port"] else ""
    return Place(f"https://{match['host'].lower()}{port}{FILES[match['file']]}", time)
