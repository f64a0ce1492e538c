"""The command in a process of its own that is forked from one which has loaded everything: a start costs nothing."""

import io
import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from corpus_gov.engine import can_fork, prefork


def run(
    arguments: Sequence[str], environment: Mapping[str, str], *, script: str = "", given: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """Run `corpus-gov` as a shell would, with its own output, environment and exit code.

    What a library leaves to be done when Python ends is not done; the command leaves nothing to that.

    Args:
        arguments: of the command.
        environment: all of it.
        script: Python to run in place of the command; it finds `arguments` in sys.argv.
        given: standard input.
    """
    if not can_fork():
        line = [sys.executable, *(["-c", script] if script else ["-m", "corpus_gov.cli"]), *arguments]
        return subprocess.run(line, env=environment, input=given, capture_output=True, check=False)
    prefork()
    with tempfile.TemporaryDirectory(prefix="forked-") as name:
        folder = Path(name)
        (folder / "0").write_bytes(given)
        process = multiprocessing.get_context("forkserver").Process(
            target=_command, args=(list(arguments), dict(environment), script, name)
        )
        process.start()
        process.join()
        out, said = ((folder / stream).read_bytes() for stream in "12")
    return subprocess.CompletedProcess(list(arguments), process.exitcode or 0, out, said)


def _command(arguments: list[str], environment: dict[str, str], script: str, folder: str) -> None:
    for stream, flags in enumerate((os.O_RDONLY, os.O_WRONLY | os.O_CREAT, os.O_WRONLY | os.O_CREAT)):
        os.dup2(os.open(os.path.join(folder, str(stream)), flags), stream)  # noqa: PTH118 - a descriptor is asked for
    # Streams of the process that was forked belong to somebody else.
    sys.stdin, sys.stdout, sys.stderr = (
        io.TextIOWrapper(os.fdopen(stream, mode), encoding="utf-8", write_through=True)
        for stream, mode in enumerate(("rb", "wb", "wb"))
    )
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None
    sys.argv = ["corpus-gov", *arguments]
    if script:
        exec(compile(script, "<script>", "exec"), {"__name__": "__main__"})  # noqa: S102 - of the tests themselves
        return
    from corpus_gov import cli

    cli.main()
