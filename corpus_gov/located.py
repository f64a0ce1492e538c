"""TOML and YAML as people write them, with the line of every key.

Files may come from elsewhere: they are limited in size and depth, and YAML has no aliases, anchors or tags.
"""

import re
import tomllib
from collections.abc import Hashable, Iterator, Mapping
from typing import Any, Final

import yaml

from corpus_gov.errors import ConfigError

MAX_CHARS: Final = 4 * 1024 * 1024
"""Longest text that is read: a long keyword list fits, a bomb does not."""

MAX_DEPTH: Final = 20
"""Deepest nesting of YAML that is read; the parser itself recurses."""

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
        loader = yaml.SafeLoader(text)
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
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
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
