"""The invented sites of pages.yaml: their pages as HTML, and the truth about each page."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Any, Final

import yaml
from example_answers import Truth
from example_prose import Article, article

PLAN: Final = yaml.safe_load((Path(__file__).parent / "pages.yaml").read_text(encoding="utf-8"))
SENTENCES: Final = PLAN["sentences"]


@dataclass(frozen=True)
class Plant:
    """What sets one page apart from the others of its site."""

    add: tuple[str, ...] = ()
    """Names of sentences that become one more paragraph."""
    title: str = ""
    author: str = ""
    notice: str = ""
    pii: tuple[str, ...] = ()
    denied: bool = False


@dataclass(frozen=True)
class Site:
    """An invented site; the fields are those of pages.yaml."""

    host: str
    name: str
    lang: str
    notice: str
    robots: str | None
    pages: int
    plants: Mapping[str, Plant]
    charset: str = "utf-8"
    label: str = "utf-8"
    label_in: str = "header"
    filing: str = ""

    @property
    def optout(self) -> str:
        """What its robots.txt says to training agents about most pages."""
        return {None: "not_evaluated", "no-training": "denied"}.get(self.robots, "allowed")


@dataclass(frozen=True)
class Page:
    """One page as served, and the truth about it."""

    uri: str
    site: Site
    body: bytes
    truth: Truth


def sites() -> list[Site]:
    """Read the sites of pages.yaml."""
    found = []
    for entry in PLAN["sites"]:
        plants: dict[str, Plant] = {}
        for plant in entry["plants"]:
            values: dict[str, Any] = {
                key: tuple(value) if isinstance(value, list) else value for key, value in plant.items()
            }
            paths = values.pop("pages")
            plants.update(dict.fromkeys(paths, Plant(**values)))
        found.append(Site(**(entry | {"plants": plants})))
    return found


def html(site: Site, story: Article, notice: str, author: str = "") -> bytes:
    """Lay an article out with a navigation, an aside and a footer, in the site's charset."""
    zh = site.lang == "zh"
    said = PLAN["notices"][notice]
    foot = said[site.lang].format(name=site.name)
    names = ("首页", "栏目", "往期", "关于我们") if zh else ("Home", "Sections", "Archive", "About")
    links = "".join(f'<li><a href="/{n}">{name}</a></li>' for n, name in enumerate(names))
    sections = "".join(
        f"<h2>{escape(heading)}</h2>" + "".join(f"<p>{escape(line)}</p>\n" for line in paragraphs)
        for heading, paragraphs in story.sections
    )
    meta = (
        f'<meta http-equiv="Content-Type" content="text/html; charset={site.label}">' if site.label_in == "meta" else ""
    )
    by = f'<meta name="author" content="{escape(author)}">' if author else ""
    return (
        f'<!DOCTYPE html>\n<html lang="{"zh-CN" if zh else "en"}"><head>{meta}<title>{escape(story.title)}</title>'
        f"{said['head']}{by}</head>\n<body><nav><ul>{links}"
        f"</ul></nav>\n<main><article><h1>{escape(story.title)}</h1>\n{sections}</article></main>\n"
        f'<aside><ul><li><a href="/next">{"下一篇" if zh else "Next"}</a></li></ul></aside>\n'
        f"<footer><p>{foot}</p><p>{site.filing}</p></footer></body></html>\n"
    ).encode(site.charset)


def page(site: Site, path: str) -> Page:
    """Write one page."""
    uri, plant = f"https://{site.host}{path}", site.plants.get(path, Plant())
    story = article(site.lang, uri)
    story = story.plus("".join(SENTENCES[name] for name in plant.add)) if plant.add else story
    story = replace(story, title=plant.title) if plant.title else story
    notice = plant.notice or site.notice
    optout = "denied" if plant.denied else site.optout
    truth = Truth(rights=PLAN["notices"][notice]["state"], optout=optout, pii=plant.pii)
    return Page(uri, site, html(site, story, notice, plant.author), truth)


def copied(original: Page, uri: str, host: Site) -> Page:
    """Serve the very bytes of a page again under another address, labelled as the original is."""
    denied = original.truth.optout == "denied"
    copy_of = None if denied else original.uri
    truth = replace(original.truth, optout=host.optout, copy_of=copy_of, copy_of_denied=denied)
    return Page(uri, original.site, original.body, truth)


def pages() -> list[Page]:
    """Return every page in the order it is fetched; originals come before their copies."""
    found: dict[str, Page] = {}
    for site in sites():
        numbered = [f"/{n:02d}.html" for n in range(site.pages)]
        for path in numbered + [path for path in site.plants if path not in numbered]:
            one = page(site, path)
            found[one.uri] = one
    hosts = {site.host: site for site in sites()}
    for entry in PLAN["copies"]:
        for n in entry["numbers"]:
            uri = entry["at"].format(n)
            found[uri] = copied(found[entry["of"].format(n)], uri, hosts[uri.split("/")[2]])
    return list(found.values())
