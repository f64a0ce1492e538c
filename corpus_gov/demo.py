"""A workspace made from the example corpus, for `corpus-gov demo` and the notebooks."""

import json
import os
import shutil
import tempfile
from datetime import date
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Final

from corpus_gov import config, keys, pipeline
from corpus_gov.engine import Engine
from corpus_gov.errors import ConfigError
from corpus_gov.workspace import SETTINGS, Release, Workspace, open_workspace

AS_OF: Final = date(2026, 11, 1)
"""The demo's own date: its dossiers and crawl are of that autumn, and its manifest never changes."""

PLACE: Final = "CORPUS_GOV_DEMO"
"""Environment variable: the folder of a demo that was run, so that not every notebook makes one."""

ANSWERS: Final = "answers.json"

PARTS: Final = frozenset(
    {
        *("incoming", "sources", ANSWERS, SETTINGS, "captures", "snapshots", "documents", "artefacts", "batches"),
        *("releases", "ledger", "lease", "reviews", "requests", "suppression", "register", "expectations", "gates"),
    }
)
"""All that a demo consists of; a folder that holds anything else is left alone."""


def examples() -> Path:
    """Return the folder of the examples: beside the package in a checkout, inside it in a wheel."""
    here = Path(__file__).parent
    for folder in (here / "shipped" / "examples", here.parent / "examples"):
        if (folder / "make_corpus.py").is_file():
            return folder
    raise ConfigError(f"{here}: found no examples, expected make_corpus.py beside or inside the package; reinstall it")


def prepare(folder: Path) -> Workspace:
    """Make the example corpus in `folder` and a workspace around it; an earlier demo there is replaced.

    Raises:
        ConfigError: the folder holds something that no demo made; nothing was removed.
    """
    if folder.exists():
        _clear(folder)
    _script().make(folder)
    workspace = open_workspace(folder)
    if not workspace.keys_folder.exists():
        keys.Keys.create(workspace.keys_folder, workspace.root)
    return workspace


def ready(*, copy: bool = False) -> Workspace:
    """Open a demo with a release: the one at $CORPUS_GOV_DEMO, else a new one in a temporary folder.

    Args:
        copy: open a copy of it, for whoever goes on to publish in it; a new one is nobody else's anyway.

    Raises:
        ConfigError: what lies at $CORPUS_GOV_DEMO is no demo, or was not run.
    """
    made = os.environ.get(PLACE)
    if not made:
        workspace = prepare(_elsewhere())
        with Engine(workers=1) as engine:
            pipeline.run(workspace, engine=engine, as_of=AS_OF)
        return workspace
    workspace = open_workspace(made)
    if workspace.settings.id != _own().id:
        # Its keys sign what counts: a copy that publishes beside it would be a fork of its ledger.
        raise ConfigError(
            f"{PLACE}: found the workspace {workspace.settings.id!r} in {made!r}, expected a demo; "
            "open other workspaces with open_workspace"
        )
    workspace.release()
    return open_workspace(shutil.copytree(made, _elsewhere())) if copy else workspace


def _clear(folder: Path) -> None:
    """Remove an earlier demo, and nothing that is not one."""
    found = [] if not folder.is_dir() else sorted(folder.iterdir())
    if folder.is_dir() and not found:
        return
    problem = _foreign(folder, {path.name for path in found})
    if problem:
        raise ConfigError(
            f"{folder}: found {problem}, expected an empty or new folder, or an earlier demo; name another"
        )
    for path in found:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _foreign(folder: Path, names: set[str]) -> str:
    """Say what in the folder no demo made; "" where all of it is a demo's."""
    if not folder.is_dir():
        return "a file"
    if missing := sorted({ANSWERS, SETTINGS} - names):
        return f"files but no {missing[0]}"
    if other := sorted(names - PARTS):
        return f"{other[0]!r}, which no demo makes"
    try:
        settings = config.load_settings((folder / SETTINGS).read_text(encoding="utf-8"), SETTINGS)
        inputs = set(json.loads((folder / ANSWERS).read_bytes())["records"])
    except (ConfigError, OSError, ValueError, KeyError, TypeError):
        return f"a {SETTINGS} or {ANSWERS} that no demo wrote"
    if settings.id != _own().id:
        return f"the workspace {settings.id!r}"
    # What somebody wanted to try on a demo is somebody's all the same.
    inputs |= {f"sources/{path.name}" for path in (examples() / "sources").iterdir()}
    present = (path for name in ("incoming", "sources") for path in (folder / name).rglob("*") if not path.is_dir())
    added = sorted({path.relative_to(folder).as_posix() for path in present} - inputs)
    return f"{added[0]!r}, which no demo makes" if added else ""


def _elsewhere() -> Path:
    return Path(tempfile.mkdtemp(prefix="corpus-gov-demo-")) / "demo"


def _own() -> config.Settings:
    return config.load_settings((examples() / SETTINGS).read_text(encoding="utf-8"), SETTINGS)


def an_interesting_document(release: Release) -> str:
    """Return the doc_id of a redacted document with the most findings in its text: there is most to explain."""
    query = """
        select m.doc_id from manifest m left join findings f on f.doc_id = m.doc_id and f."column" = 'text'
        group by m.doc_id, m.disposition order by m.disposition = 'redact' desc, count(f.rule) desc, m.doc_id limit 1
    """
    return str(release.sql(query).fetchall()[0][0])


def _script() -> ModuleType:
    path = examples() / "make_corpus.py"
    spec = spec_from_file_location("corpus_gov_make_corpus", path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{path}: cannot be loaded; reinstall the package")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
