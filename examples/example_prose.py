"""Articles composed from the sentence tables beside this module, the same ones every time."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Final, TypeVar

T = TypeVar("T")
HERE: Final = Path(__file__).parent


class Dice:
    """Numbers that follow from a name: the same on every Python, unlike `random`'s choices."""

    def __init__(self, name: str) -> None:
        """Start the sequence of that name."""
        self._name, self._count = name, 0

    def below(self, bound: int) -> int:
        """Return a whole number from 0 to bound - 1."""
        self._count += 1
        digest = hashlib.sha256(f"{self._name}/{self._count}".encode()).digest()
        return int.from_bytes(digest[:8], "big") % bound

    def take(self, items: Sequence[T], count: int) -> list[T]:
        """Return different items in a random order."""
        rest = list(items)
        return [rest.pop(self.below(len(rest))) for _ in range(count)]


PLACES = {
    "zh": [a + b for a in "鹭雁松藤榴梯沙梅桂柳枫荷" for b in ("溪口", "家坞", "石渡", "叶湾", "云岭", "花坪")],
    "en": [a + b for a in ("Alder", "Bracken", "Cold", "Dun", "Elm", "Fern", "Gorse", "Heron", "Ivy", "Lark")
           for b in ("wick", "ford", "holt", "mere", "combe", "stead")],
}  # fmt: skip
MONTHS = {
    "zh": ["一", "二", "三", "四", "五", "六", "七", "八", "九", "十", "十一", "十二"],
    "en": ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
           "November", "December"],
}  # fmt: skip


@dataclass(frozen=True)
class Topic:
    """Titles and sentences about one thing."""

    titles: list[str]
    sentences: list[str]


@dataclass(frozen=True)
class Article:
    """A title, and sections of paragraphs under headings."""

    title: str
    sections: tuple[tuple[str, tuple[str, ...]], ...]

    @property
    def text(self) -> str:
        """The article as plain text."""
        return "\n".join(line for heading, paragraphs in self.sections for line in (heading, *paragraphs))

    def plus(self, sentence: str) -> "Article":
        """Return the article with one more paragraph at its end."""
        *first, (heading, paragraphs) = self.sections
        return replace(self, sections=(*first, (heading, (*paragraphs, sentence))))


@cache
def topics(lang: str) -> list[Topic]:
    """Read a table of prose: `# topic`, `= title`, sentence; {place}, {n} and others are filled in."""
    found: list[Topic] = []
    for line in (HERE / f"prose.{lang}.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            found.append(Topic([], []))
        elif line.startswith("= "):
            found[-1].titles.append(line[2:])
        elif line:
            found[-1].sentences.append(line)
    return found


def article(lang: str, name: str) -> Article:
    """Compose an article about two topics; two articles rarely share more than two sentences."""
    dice = Dice(name)
    places = dice.take(PLACES[lang], 2)
    month = MONTHS[lang][dice.below(12)]

    def filled(template: str) -> str:
        # The three numbers are fresh for every sentence, whether it uses them or not.
        year, n, m = 1921 + dice.below(98), 12 + dice.below(87), 3 + dice.below(9)
        return template.format(place=places[0], other=places[1], month=month, year=year, n=n, m=m)

    title, sections = "", []
    for topic in dice.take(topics(lang), 2):
        name, heading = (filled(template) for template in dice.take(topic.titles, 2))
        title = title or name
        lines = [filled(sentence) for sentence in dice.take(topic.sentences, 5)]
        glue = "" if lang == "zh" else " "
        sections.append((heading, (glue.join(lines[:3]), glue.join(lines[3:]))))
    return Article(title, tuple(sections))
