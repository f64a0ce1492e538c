"""A workspace made from the example corpus, for `corpus-gov demo` and the notebook."""

import shutil
from datetime import date
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Final

from corpus_gov import keys
from corpus_gov.errors import ConfigError
from corpus_gov.workspace import Release, Workspace, open_workspace

AS_OF: Final = date(2026, 11, 1)
"""The demo's own date: its dossiers and crawl are of that autumn, and its manifest never changes."""


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
        ConfigError: the folder holds something that is no demo.
    """
    marker = folder / "answers.json"
    if folder.exists() and any(folder.iterdir()) and not marker.is_file():
        raise ConfigError(f"{folder}: found files that are no demo, expected an empty or new folder; name another")
    if folder.exists():
        shutil.rmtree(folder)
    _script().make(folder)
    workspace = open_workspace(folder)
    if not workspace.keys_folder.exists():
        keys.Keys.create(workspace.keys_folder, workspace.root)
    return workspace


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
