"""The page around the sections: one HTML file that loads nothing. Every value is escaped here, and nowhere else."""

from functools import cache
from importlib.resources import files
from typing import Any, Final

from markupsafe import Markup

from corpus_gov.reporting import checked, decided, origins
from corpus_gov.reporting.blocks import percent
from corpus_gov.reporting.gathered import Gathered
from corpus_gov.reporting.phrases import LANGUAGES, Phrases, written
from corpus_gov.terminal import plain

SECTIONS: Final = (
    origins.came, decided.funnel, decided.decided, origins.sources, origins.rights, origins.aigc, origins.languages,
    decided.copies, decided.personal, checked.rules, checked.checks, checked.trend, checked.run, checked.verify,
)  # fmt: skip


def html(of: Gathered, say: Phrases) -> str:
    """Write the report of a release in one language."""
    removed = of.counts["documents"] - of.released
    return str(
        _template().render(
            lang=LANGUAGES[say.language],
            title=say("title", corpus=of.corpus, release=of.name),
            style=Markup(_read("page.css")),  # noqa: S704 - our own file
            say=say,
            of=of,
            tiles=[
                (say("tile.records"), of.counts["records"]),
                (say("tile.documents"), of.counts["documents"]),
                (say("tile.released"), of.released),
                (say("tile.removed"), percent(removed, of.counts["documents"])),
            ],
            facts=_facts(of, say),
            sections=[section(say, of) for section in SECTIONS],
            drawn=Markup,
        )
    )


def _facts(of: Gathered, say: Phrases) -> list[tuple[str, str]]:
    run = of.run
    return [
        (say("head.release"), of.name),
        (say("head.made"), f"{run['when'][:16].replace('T', ' ')} UTC"),
        (say("head.as_of"), run["as_of"]),
        (say("head.owner"), run["who"]),
        (say("head.policy"), say("head.policy_value", name=run["policy"]["name"], version=run["policy"]["version"])),
        (say("head.parent"), run["parent"] or say("none")),
    ]


@cache
def _template() -> Any:
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415 - a tenth of a second

    # What came from outside may hold characters that turn the direction of a line: written out, then escaped.
    made = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, finalize=_shown)
    return made.from_string(_read("page.html"))


def _shown(value: Any) -> Any:
    if isinstance(value, Markup):
        return value
    return plain(value) if isinstance(value, str) else written(value)


def _read(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
