"""Rule packs: YAML in, frozen rules out, each with the file and line it came from.

A pack is treated as hostile: it is limited in size and depth, has no aliases, anchors or tags, and every key
that nobody reads is an error. Patterns are checked by the screen that uses them, before it looks at a text.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from hashlib import sha256
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final

from corpus_gov import wordlists
from corpus_gov.errors import RuleError
from corpus_gov.located import Entry

MAX_BYTES: Final = 4 * 1024 * 1024
"""Largest pack that is read at all."""

STATUSES: Final = ("experimental", "stable", "deprecated")

SHIPPED: Final = ("rules", "expectations", "flows", "examples")

_PACK_NAME = re.compile(r"[a-z0-9_]+(?:\.[a-z0-9_]+)+")
_RULE_ID = re.compile(r"[a-z0-9_]+(?:\.[a-z0-9_]+)+")
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_FILE = re.compile(r"(?:[a-z0-9_]+/)*[a-z0-9_]+\.txt")
_PLACEHOLDER = re.compile(r"\[[A-Z][A-Z0-9_]*\]")
_PACK_KEYS: Final = ("pack", "version", "why", "rules", "updated")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True)
class Params(Mapping[str, Any]):
    """A mapping that nothing can change, so that a rule can be a key of a cache; lists in it are tuples."""

    items_: tuple[tuple[str, Any], ...] = ()

    def __getitem__(self, key: str) -> Any:
        """Return the value of `key`."""
        for name, value in self.items_:
            if name == key:
                return value
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the keys in the order of the pack."""
        return (name for name, _ in self.items_)

    def __len__(self) -> int:
        """Count the keys."""
        return len(self.items_)


@dataclass(frozen=True)
class Rule:
    """One entry of a pack.

    `severity` says which placeholder wins where spans overlap: the higher one; an empty placeholder cuts, and comes
    before all others. `normaliser` names the normal form that `seal` digests. Two rules are equal when they say the
    same, wherever they are written.
    """

    id: str
    version: int
    screen: str
    params: Params
    category: str
    why: str
    legal: tuple[str, ...]
    source: str
    status: str
    hits: tuple[str, ...]
    misses: tuple[str, ...]
    known_misses: tuple[str, ...] = ()
    known_false_alarms: tuple[str, ...] = ()
    placeholder: str | None = None
    severity: int = 0
    normaliser: str | None = None
    file: str = field(default="", compare=False)
    line: int = field(default=0, compare=False)

    @property
    def name(self) -> str:
        """Name the rule as manifests do: id@version."""
        return f"{self.id}@{self.version}"

    def error(self, problem: str) -> RuleError:
        """Build the error that says where this rule is and what is wrong with it."""
        return RuleError(f"{self.file}:{self.line}: rule {self.id!r} (version {self.version}): {problem}")


@dataclass(frozen=True)
class RulePack:
    """Rules that are versioned and named together."""

    name: str
    version: int
    rules: tuple[Rule, ...]
    slots: tuple[Rule, ...] = ()
    """Rules that wait for an operator's list of words: not in force, and what they are about is not screened."""
    updated: str = ""
    """Day on which somebody last went through its words; says nothing about findings, and is no part of the digest."""

    @cached_property
    def digest(self) -> str:
        """SHA-256, hex, over what the pack says; comments, line breaks and place of the file do not count."""
        content = {"pack": self.name, "version": self.version, "rules": [_plain(rule) for rule in self.rules]}
        return sha256(json.dumps(content, sort_keys=True, ensure_ascii=True).encode()).hexdigest()

    @property
    def ref(self) -> str:
        """Name the pack as manifests do: name@version:digest."""
        return f"{self.name}@{self.version}:{self.digest}"


def shipped(kind: str = "rules") -> Traversable:
    """Return a folder that comes with the package: rules, flows or examples.

    A wheel carries it under `corpus_gov/shipped`; in a checkout it lies beside the package.

    Raises:
        RuleError: neither has it: the installation is broken.
    """
    package = resources.files("corpus_gov")
    for folder in (package / "shipped" / kind, Path(str(package)).parent / kind):
        if kind in SHIPPED and folder.is_dir():
            return folder
    raise RuleError(f"{package}: found no folder {kind!r}, expected one of {SHIPPED!r}; install corpus-gov again")


def load_pack(name: str, folder: Path | None = None) -> RulePack:
    """Read one pack: `cn.pii` is `cn/pii.yaml`.

    Args:
        name: of the pack.
        folder: an operator's own rules; the shipped ones where None.

    Raises:
        RuleError: there is no such pack, or it breaks a rule of packs; names file and line.
    """
    if not _PACK_NAME.fullmatch(name):
        raise RuleError(f"pack {name!r}: expected a name such as 'cn.pii'; correct the list of packs")
    path = "/".join(name.split(".")) + ".yaml"
    file = (shipped() if folder is None else folder).joinpath(path)
    where = f"{'rules' if folder is None else folder}/{path}"
    if not file.is_file():
        raise RuleError(f"{where}: found no such file for pack {name!r}; correct the name or the rules folder")
    data, above = file.read_bytes(), "/".join(name.split(".")[:-1])
    base = (shipped() if folder is None else folder).joinpath(above)
    named = {one for rule in read_pack(data, where, name).rules for one in _named(rule) if _is_path(one)}
    files = {one: base.joinpath(one) for one in sorted(named)}
    lists = tuple((one, found.read_bytes() if found.is_file() else None) for one, found in files.items())
    return _completed(data, where, name, f"{'rules' if folder is None else folder}/{above}", lists)


# As `read_pack`: a pack whose lists say what they said is the one that was read, with the digest that it had.
@lru_cache(maxsize=32)
def _completed(data: bytes, where: str, name: str, above: str, lists: tuple[tuple[str, bytes | None], ...]) -> RulePack:
    """Put the content of the files that its rules name, None where there is none, into a pack; `above` their folder."""
    pack, content = read_pack(data, where, name), dict(lists)
    read = [_with_lists(rule, content, above) for rule in pack.rules]
    waiting = [rule for rule, filled in zip(pack.rules, read, strict=True) if filled is None]
    return replace(pack, rules=tuple(rule for rule in read if rule is not None), slots=tuple(waiting))


def load_packs(names: Iterable[str], folder: Path | None = None) -> tuple[RulePack, ...]:
    """Read several packs, in the given order.

    Raises:
        RuleError: as for `load_pack`, or a rule id stands in two of them.
    """
    packs = tuple(load_pack(name, folder) for name in names)
    _check_unique(rule for pack in packs for rule in pack.rules)
    return packs


def concern(packs: Sequence[RulePack], screen: str) -> RulePack:
    """Gather the rules of one screen in a pack of its own.

    The order of `packs` does not matter: rules are sorted by id, so that equal rules have one digest.
    """
    rules = sorted((rule for pack in packs for rule in pack.rules if rule.screen == screen), key=lambda rule: rule.id)
    return RulePack(name=screen, version=1, rules=tuple(rules))


# Keyed by what the file says: a pack that was edited is read anew, in a process of any age.
@lru_cache(maxsize=32)
def read_pack(data: bytes, where: str, name: str) -> RulePack:
    """Parse the bytes of one pack.

    Args:
        data: UTF-8 YAML with the keys pack, version, why, rules.
        where: name of the file in messages.
        name: what `pack` must say.

    Raises:
        RuleError: names `where`, the line, what was found and what to do.
    """
    top = Entry.read(_text(data, where), where, RuleError)
    top.only(_PACK_KEYS)
    if (said := top.text("pack")) != name:
        raise top.error("pack", f"found {said!r}, expected {name!r}; the name must be that of the file")
    top.text("why")
    rules = tuple(_rule(entry) for entry in top.entries("rules", "rule"))
    _check_unique(rules)
    updated = top.text("updated", _DAY) if "updated" in top.content else ""
    return RulePack(name=name, version=top.count("version", least=1), rules=rules, updated=updated)


def check_params(rule: Rule, needed: Mapping[str, type], optional: Mapping[str, type]) -> None:
    """Fail unless a rule's params are exactly what its screen reads; screens call it before they look.

    Raises:
        RuleError: a key is missing, unknown or of another type.
    """
    known = {**needed, **optional}
    for key, value in rule.params.items():
        if key not in known:
            raise rule.error(f"unknown key {key!r} in params; screens.{rule.screen} reads {sorted(known)!r}")
        if not isinstance(value, known[key]) or (isinstance(value, bool) and known[key] is not bool):
            raise rule.error(f"params.{key} is a {type(value).__name__}, expected {known[key].__name__}; correct it")
    if missing := sorted(needed.keys() - rule.params.keys()):
        raise rule.error(f"params lack {missing!r}; screens.{rule.screen} cannot do without")


def _text(data: bytes, where: str) -> str:
    if len(data) > MAX_BYTES:
        raise RuleError(f"{where}:1: found {len(data)} bytes, expected at most {MAX_BYTES}; split the pack")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise RuleError(f"{where}:{line}: found no valid UTF-8; save the file as UTF-8") from error


def _named(rule: Rule) -> tuple[Any, ...]:
    """Return the files that a rule names, the one of its slot first."""
    files, slot = rule.params.get("files", ()), rule.params.get("slot")
    return (*((slot,) if slot else ()), *(files if isinstance(files, tuple) else (files,)))


def _is_path(file: Any) -> bool:
    return isinstance(file, str) and _FILE.fullmatch(file) is not None


def _with_lists(rule: Rule, content: Mapping[str, bytes | None], where: str) -> Rule | None:
    """Put the lists that a rule's `files` and `slot` name into its `words`; None where the slot has no file yet.

    Lists that none of its `find` and `allow` names are left out: another rule's words are none of this one's digest.
    """
    slot = rule.params.get("slot")
    if "files" not in rule.params and slot is None:
        return rule
    words: dict[str, Any] = dict(rule.params.get("words", {}))
    for file in _named(rule):
        if not _is_path(file):
            raise rule.error(f"params names the file {file!r}, expected a path such as 'words/offers.txt'; correct it")
        if (data := content[file]) is None:
            if file == slot:
                return None
            raise rule.error(f"found no file {where}/{file}; put it there or correct the name")
        for name, entries in _lists(data, f"{where}/{file}").items():
            if name in words:
                raise rule.error(f"the list {name!r} of {file} is there already; rename one of them")
            words[name] = entries
    if wanted := _texts_in((rule.params.get("find", ()), rule.params.get("allow", ()))):
        words = {name: entries for name, entries in words.items() if name in wanted}
    params = {**rule.params, "words": Params(tuple(words.items()))}
    return replace(rule, params=Params(tuple(params.items())))


@lru_cache(maxsize=64)
def _lists(data: bytes, where: str) -> Mapping[str, Any]:
    lists: Params = _freeze(wordlists.parse(data, where), RuleError)
    return lists


def _texts_in(value: Any) -> set[str]:
    """Return all texts in nested params, keys left out."""
    if isinstance(value, Mapping):
        return {text for item in value.values() for text in _texts_in(item)}
    if isinstance(value, tuple):
        return {text for item in value for text in _texts_in(item)}
    return {value} if isinstance(value, str) else set()


def _check_unique(rules: Iterable[Rule]) -> None:
    seen: dict[str, Rule] = {}
    for rule in rules:
        if first := seen.get(rule.id):
            raise rule.error(f"the id stands at {first.file}:{first.line} already; ids are unique across packs")
        seen[rule.id] = rule


def _rule(entry: Entry) -> Rule:
    entry.only(_RULE_KEYS)
    return Rule(
        **{key: read(entry, key) for key, read in _RULE_KEYS.items() if key in entry.content or key in _REQUIRED},
        file=entry.where,
        line=entry.line(),
    )


def _params(entry: Entry, key: str) -> Params:
    value = entry.get(key)
    if not isinstance(value, dict):
        raise entry.error(key, f"found a {type(value).__name__}, expected keys and values; write {{}} for none")
    frozen: Params = _freeze(value, lambda problem: entry.error(key, problem))
    return frozen


_RULE_KEYS: Final[Mapping[str, Callable[[Entry, str], Any]]] = {
    "id": lambda entry, key: entry.text(key, _RULE_ID),
    "version": lambda entry, key: entry.count(key, least=1),
    "screen": lambda entry, key: entry.text(key, _NAME),
    "params": _params,
    "category": Entry.text,
    "why": Entry.text,
    "legal": Entry.texts,
    "source": Entry.text,
    "status": lambda entry, key: entry.choice(key, STATUSES),
    "hits": Entry.texts,
    "misses": Entry.texts,
    "known_misses": Entry.texts,
    "known_false_alarms": Entry.texts,
    # Empty means that spans are cut, with nothing in their place.
    "placeholder": lambda entry, key: "" if entry.get(key) == "" else entry.text(key, _PLACEHOLDER),
    "severity": Entry.count,
    "normaliser": lambda entry, key: entry.text(key, _NAME),
}
_REQUIRED: Final = frozenset(list(_RULE_KEYS)[:11])


def _freeze(value: Any, error: Callable[[str], Exception]) -> Any:
    if isinstance(value, dict):
        if wrong := [key for key in value if not isinstance(key, str)]:
            raise error(f"found the key {wrong[0]!r}, expected text; put it in quotes")
        return Params(tuple((key, _freeze(item, error)) for key, item in value.items()))
    if isinstance(value, list):
        return tuple(_freeze(item, error) for item in value)
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise error(f"found a {type(value).__name__}, expected text, numbers, lists or keys; put it in quotes")


def _plain(value: Any) -> Any:
    """Turn rules and params into what JSON can write; the place of a rule is not part of what it says."""
    if isinstance(value, str):
        return value
    if isinstance(value, Rule):
        return {key: _plain(getattr(value, key)) for key in _RULE_KEYS}
    # Params and no Mapping: the test for an abstract class took half of the time of a digest.
    if isinstance(value, Params):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
