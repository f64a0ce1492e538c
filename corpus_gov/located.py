"""TOML and YAML as people write them, with the line of every key.

Files may come from elsewhere: they are limited in size and depth, and YAML has no aliases, anchors or tags.
"""

import re
import tomllib
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Self

import yaml

from corpus_gov.errors import ConfigError, CorpusGovError

MAX_CHARS: Final = 4 * 1024 * 1024
"""Longest text that is read: a long keyword list fits, a bomb does not."""

MAX_DEPTH: Final = 20
"""Deepest nesting of YAML that is read; the parser itself recurses."""

NOT_EMPTY: Final = re.compile("(?s).+")

_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The parser in C reads the shipped packs in a tenth of the second that the one in Python takes."""

Key = tuple[Hashable, ...]
"""Path of a key: names, and numbers of list items."""

Lines = Mapping[Key, int]
"""Line of each key, counted from 1."""


def read_toml(text: str, where: str) -> tuple[dict[str, Any], Lines]:
    """Parse TOML.

    Args:
        text: the file's content.
        where: its name in messages.

    Raises:
        ConfigError: it is too long or no TOML.
    """
    _check_size(text, where)
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))
        raise ConfigError(
            f"{where}:{line[1] if line else text.count(chr(10)) + 1}: found no valid TOML, expected `key = value` "
            "lines under [section] headings; check quotes and brackets there"
        ) from error
    return data, _toml_lines(text)


def read_yaml(text: str, where: str) -> tuple[Any, Lines]:
    """Parse one document of plain YAML; an empty one is None.

    Raises:
        ConfigError: it is too long or too deep, no YAML, repeats a key, or has an alias, anchor or tag.
    """
    _check_size(text, where)
    try:
        _refuse_machinery(text, where)
        loader = _LOADER(text)
        node = loader.get_single_node()
        if node is None:
            return None, {}
        return loader.construct_document(node), dict(_yaml_lines(node, (), where))
    except yaml.YAMLError as error:
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", "unreadable characters")
        raise ConfigError(
            f"{where}:{mark.line + 1 if mark else 1}: found no valid YAML ({problem}), expected "
            "`key: value` lines; check indentation and quotes there"
        ) from error
    except ValueError as error:
        # PyYAML hands impossible dates such as 2026-02-30 to datetime, which says no without a place.
        raise ConfigError(f"{where}:1: found {error}, expected dates of the calendar; correct the value") from error


@dataclass(frozen=True)
class Entry:
    """A mapping of a YAML file with the place of each key: what is wrong in it is said with file, line and key.

    Every method takes a key of the mapping and raises `failure` where its value is not of the form asked for.

    Attributes:
        content: what the file says there; a mapping once `only` has returned.
        path: where it stands in the file.
        lines: of all keys of the file.
        where: name of the file in messages.
        failure: class of errors, by whose file it is.
        kind: what the mapping is called in messages, with its `id`: "clause 'a.b'".
    """

    content: Any
    path: Key
    lines: Lines
    where: str
    failure: type[CorpusGovError]
    kind: str = ""

    @classmethod
    def read(cls, text: str, where: str, failure: type[CorpusGovError]) -> Self:
        """Parse a file whose top is a mapping; the keys are not looked at."""
        try:
            content, lines = read_yaml(text, where)
        except ConfigError as error:
            # Whose file it is decides who must act.
            raise failure(str(error)) from error
        return cls(content, (), lines, where, failure)

    def line(self, key: str | None = None) -> int:
        """Return the line of a key, or else of the mapping."""
        return self.lines.get((*self.path, key) if key else self.path, self.lines.get(self.path, 1))

    def place(self, key: str | None = None) -> str:
        """Name a key, or the mapping, for a message: file, line, and what it is part of."""
        name = self.content.get("id") if isinstance(self.content, dict) else None
        owner = f": {self.kind} {name!r}" if self.kind and isinstance(name, str) else ""
        return f"{self.where}:{self.line(key)}{owner}{f': {key}' if key else ''}"

    def error(self, key: str | None, problem: str) -> CorpusGovError:
        """Build the error that says where a value is and what is wrong with it."""
        return self.failure(f"{self.place(key)}: {problem}")

    def only(self, known: Iterable[str]) -> None:
        """Check that this is a mapping, and has no other keys."""
        if not isinstance(self.content, dict):
            raise self.error(None, f"found a {type(self.content).__name__}, expected keys {list(known)!r}; write them")
        for key in self.content:
            if key not in known:
                raise self.error(str(key), f"found an unknown key, expected one of {list(known)!r}; correct it")

    def get(self, key: str) -> Any:
        """Return the value of a key that must be there."""
        if key not in self.content:
            raise self.error(None, f"found no key {key!r}; add it")
        return self.content[key]

    def below(self, key: str) -> Self:
        """Return the mapping under a key."""
        return replace(self, content=self.content.get(key), path=(*self.path, key))

    def entries(self, key: str, kind: str, *, needed: bool = True) -> list[Self]:
        """Return the mappings of a list; one that need not be there is empty then."""
        items = self.get(key) if needed else self.content.get(key, [])
        if not isinstance(items, list) or (needed and not items):
            raise self.error(key, f"found a {type(items).__name__}, expected a list with an entry at least; write it")
        return [replace(self, content=item, path=(*self.path, key, i), kind=kind) for i, item in enumerate(items)]

    def text(self, key: str, form: re.Pattern[str] | None = None) -> str:
        """Return a text that is not blank, of that form."""
        value = self.get(key)
        if not isinstance(value, str) or not value.strip():
            raise self.error(key, f"found {value!r}, expected text; write it, in quotes if it looks like a number")
        if form and not form.fullmatch(value):
            raise self.error(key, f"found {value!r}, expected the form {form.pattern}; correct it")
        return value

    def texts(self, key: str, form: re.Pattern[str] = NOT_EMPTY, *, needed: bool = True) -> tuple[str, ...]:
        """Return a list of texts of that form; one that need not be there is empty then."""
        values = self.get(key) if needed else self.content.get(key, [])
        if not isinstance(values, list) or not all(isinstance(v, str) and form.fullmatch(v) for v in values):
            problem = f"found {values!r:.80}, expected a list of texts of the form {form.pattern}"
            raise self.error(key, f"{problem}; write it as [...], numbers in quotes")
        return tuple(values)

    def count(self, key: str, *, least: int = 0) -> int:
        """Return a whole number."""
        value = self.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise self.error(key, f"found {value!r}, expected a whole number of at least {least}; correct it")
        return value

    def share(self, key: str) -> int | None:
        """Return a number from 0 to 1 as whole ten-thousandths; None where the key is not there."""
        value = self.content.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise self.error(key, f"found {value!r}, expected a number from 0 to 1; correct it")
        return round(value * 10_000)

    def flag(self, key: str) -> bool:
        """Return true or false; false where the key is not there."""
        value = self.content.get(key, False)
        if not isinstance(value, bool):
            raise self.error(key, f"found {value!r}, expected true or false; choose one")
        return value

    def choice(self, key: str, choices: tuple[str, ...], default: str | None = None) -> str:
        """Return one of some texts."""
        value = self.content.get(key, default)
        if value not in choices:
            raise self.error(key, f"found {value!r}, expected one of {choices!r}; choose one")
        return str(value)


def _check_size(text: str, where: str) -> None:
    if len(text) > MAX_CHARS:
        raise ConfigError(f"{where}:1: found {len(text)} characters, expected at most {MAX_CHARS}; shorten the file")


def _toml_lines(text: str) -> dict[Key, int]:
    """Find the line of each plain `key =` under its [section]; a key written otherwise has its section's line."""
    section: Key = ()
    lines: dict[Key, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if heading := re.match(r"\s*\[+\s*([\w.-]+)\s*\]+", line):
            section = tuple(heading[1].split("."))
            lines[section] = number
        elif key := re.match(r"\s*\"?([\w-]+)\"?\s*=", line):
            lines.setdefault((*section, key[1]), number)
    return lines


def _refuse_machinery(text: str, where: str) -> None:
    """Aliases can blow up a small file and tags can name types; no dossier needs either."""
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        named = isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None)
        if named or getattr(event, "tag", None) or depth > MAX_DEPTH:
            found = (
                "an alias or anchor" if named else "a tag" if depth <= MAX_DEPTH else f"more than {MAX_DEPTH} levels"
            )
            line = event.start_mark.line + 1 if event.start_mark else 1
            raise ConfigError(f"{where}:{line}: found {found}, expected plain YAML; write the value out")


def _yaml_lines(node: yaml.Node, path: Key, where: str) -> Iterator[tuple[Key, int]]:
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield (*path, index), item.start_mark.line + 1
            yield from _yaml_lines(item, (*path, index), where)
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            line = key.start_mark.line + 1
            if str(key.value) in seen:
                raise ConfigError(
                    f"{where}:{line}: {key.value}: found the key twice, expected it once; remove one of the two"
                )
            seen.add(str(key.value))
            yield (*path, key.value), line
            yield from _yaml_lines(value, (*path, key.value), where)
