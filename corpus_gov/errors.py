"""Errors, split by who must act.

A message is one line that says where, what was found, what was expected and what to do. It never holds
text of a document: messages end in logs.
"""

import os


class CorpusGovError(Exception):
    """Anything that corpus_gov raises on purpose; catch a subclass to decide what to do."""


class ConfigError(CorpusGovError):
    """The workspace's configuration, a dossier or an argument is wrong: its author edits it; nothing ran."""


class RuleError(CorpusGovError):
    """A rule pack is wrong: its author edits the YAML; nothing ran."""


class PolicyError(CorpusGovError):
    """A policy is wrong or needs what was not screened: add the pack or drop the clause; nothing ran."""


class SchemaError(CorpusGovError):
    """A batch lacks promised columns: a bug in a source, measure or screen."""


class SourceError(CorpusGovError):
    """An input cannot be read: it is recorded as rejected, the run goes on and the captures say so."""


class StoreError(CorpusGovError):
    """Output was not durably written, or another writer holds the lease: the run stops; safe to run again."""


class GateError(CorpusGovError):
    """An expectation on the tables failed: nothing was released; a person reads the result and decides."""


class AlarmError(CorpusGovError):
    """A run would remove more than the policy expects: nothing was released; a person looks and accepts it by name."""


class IntegrityError(CorpusGovError):
    """A digest, signature or count does not hold: the run stops and is never retried; a person looks."""


def place(error: BaseException) -> str:
    """Name the innermost line of this package that an exception came through: "corpus_gov/seal.py:12".

    The message of a foreign exception may quote a document; its class and place do not.
    """
    frame, found = error.__traceback__, "unknown"
    while frame is not None:
        file = frame.tb_frame.f_code.co_filename
        if f"{os.sep}corpus_gov{os.sep}" in file:
            found = f"corpus_gov/{file.rsplit('corpus_gov' + os.sep, 1)[1]}:{frame.tb_lineno}"
        frame = frame.tb_next
    return found
