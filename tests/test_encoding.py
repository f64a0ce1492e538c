"""What a wrong charset left: findings with places, recipes that replay, nothing repaired, good text left alone."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
import zstandard
from documents import documents
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus_gov.rules import RulePack, concern, load_packs
from corpus_gov.screens import look
from corpus_gov.sources import mojibake
from corpus_gov.sources.misread import LOST

PACK = concern(load_packs(["common.encoding"]), "encoding")
CHINESE = "网络数据处理者应当加强网络数据安全防护,建立健全网络数据安全管理制度。"
RUSSIAN = "Правила обработки данных"

MISREAD = {
    "gb18030>utf-8": "网络数据安全管理条例".encode().decode("gb18030"),
    "cp1252>utf-8": "Le café est fermé, à bientôt".encode().decode("latin-1"),
    "cp1252>gb18030": CHINESE.encode("gb18030").decode("latin-1"),
    "cp1252>big5hkscs": "個人資料之蒐集、處理及利用,應尊重當事人之權益。".encode("big5").decode("latin-1"),
    "cp1252>cp1251": "Привет всем, кто читает эти строки".encode("cp1251").decode("latin-1"),
    "cp1251>utf-8": RUSSIAN.encode().decode("cp1251"),
    "cp1252>utf-8|cp1252>utf-8": "née à".encode().decode("latin-1").encode().decode("latin-1"),
}


def found(text: str, **columns: str) -> list[dict]:
    return look("encoding", documents([text], **columns), PACK).to_pylist()


@pytest.mark.parametrize("recipe", MISREAD)
def test_misread_text_is_found_with_its_recipe(recipe: str) -> None:
    """A finding of misread text stands on it and notes the steps that bring the text back."""
    text = f"前言。\n{MISREAD[recipe]}\n結語。"

    notes = [row for row in found(text) if row["rule"] == "encoding.mojibake"]

    assert [row["note"] for row in notes] == [f"repair:{recipe}"]
    assert text[notes[0]["start"] : notes[0]["end"]] in MISREAD[recipe]


@pytest.mark.parametrize("recipe", MISREAD)
def test_a_recipe_replays(recipe: str) -> None:
    """Replaying the recipe on the place gives what stood there before it was misread."""
    text = MISREAD[recipe]

    (place,) = mojibake.find(text)

    undone = text[: place.start] + mojibake.repair(text[place.start : place.end], place.recipe) + text[place.end :]
    meant = text
    for step in recipe.split("|"):
        written, used = step.split(">")
        meant = meant.encode("latin-1" if written == "cp1252" else written).decode(used)
    assert (undone, place.exact) == (meant, True)


def test_what_was_lost_is_said_to_be_lost() -> None:
    """Where a byte is missing the note says that the recipe does not bring everything back."""
    text = "信息网站".encode().decode("cp1252", "replace")

    (row,) = [row for row in found(text) if row["rule"] == "encoding.mojibake"]

    assert row["note"] == "lossy:cp1252>utf-8"
    assert LOST in mojibake.repair(text[row["start"] : row["end"]], "cp1252>utf-8")


def test_findings_hold_no_text() -> None:
    """Notes are recipes and names of encodings: the repaired text might be personal data."""
    rows = [row for text in MISREAD.values() for row in found(text)]

    assert {row["note"] for row in rows} <= {None, *(f"repair:{recipe}" for recipe in MISREAD)}
    assert all(row["masked"] is None for row in rows)


def test_replaced_bytes_have_places() -> None:
    """Each run of U+FFFD is one finding, in the text and in the title."""
    rows = found("第��章 caf�", title="�")

    assert [(row["column"], row["start"], row["end"]) for row in rows if row["rule"] == "encoding.replaced"] == [
        ("text", 1, 3),
        ("text", 8, 9),
        ("title", 0, 1),
    ]


def test_a_lying_label_is_named() -> None:
    """The note says what was declared and what was used, in one naming."""
    rows = found("é", charset_declared="x-gbk", charset_used="utf-8")

    assert [(row["rule"], row["note"], row["end"]) for row in rows] == [("encoding.label_lies", "gb18030>utf-8", 0)]


def test_a_label_on_plain_ascii_is_no_lie() -> None:
    """Every label reads ASCII."""
    assert found("plain", charset_declared="big5", charset_used="utf-8") == []


@pytest.mark.parametrize("recipe", ["", "utf-8", "rot13>utf-8", "cp1252>idna", "gb18030"])
def test_only_known_recipes_replay(recipe: str) -> None:
    """A recipe that is not one of ours is refused."""
    with pytest.raises(ValueError, match=r"expected written>meant"):
        mojibake.repair("é", recipe)


def test_a_recipe_is_for_its_place() -> None:
    """Text that cannot have been read by the recipe's encoding is refused."""
    with pytest.raises(ValueError, match="characters outside cp1252"):
        mojibake.repair("中", "cp1252>utf-8")


@settings(deadline=None, max_examples=300)
@given(st.lists(st.sampled_from([*MISREAD.values(), CHINESE, "é", "Ã", "©", "â", "€", "锟", "�", " "]), max_size=6))
def test_places_are_in_order_and_replay(parts: list[str]) -> None:
    """Whatever is mixed, places are ascending, do not overlap, and their recipes replay."""
    text = "".join(parts)

    places = mojibake.find(text)

    assert all(one.end <= other.start for one, other in pairwise(places))
    for place in places:
        undone = mojibake.repair(text[place.start : place.end], place.recipe)
        assert not place.exact or LOST not in undone


@pytest.mark.parametrize("text", ["Ã©" * 50_000, "锟斤拷" * 30_000, "â€" * 50_000, "ÖÐ" * 50_000, "é " * 50_000])
def test_hostile_repeats_are_one_place_at_most(text: str) -> None:
    """Repeats of signs of misreading are read once: one place, not one a sign."""
    assert len(mojibake.find(text)) <= 1


def test_an_empty_pack_finds_nothing() -> None:
    """Without rules the screen looks for nothing."""
    assert look("encoding", documents([*MISREAD.values()]), RulePack("encoding", 1, ())).num_rows == 0


@pytest.mark.data
def test_chinese_mojibake_is_found_and_repaired(shared_data: Path) -> None:
    """Of misread Chinese texts all are found, and all that can be undone come back letter by letter."""
    lines = zstandard.open(shared_data / "09_encodings" / "zh_mojibake.jsonl.zst", "rt", encoding="utf-8")
    rows = [json.loads(line) for line in lines]

    for row in rows:
        places = mojibake.find(row["mojibake"])
        assert places, row["id"]
        if not row["lossy"]:
            at, undone = 0, ""
            for place in places:
                undone += row["mojibake"][at : place.start]
                undone += mojibake.repair(row["mojibake"][place.start : place.end], place.recipe)
                at = place.end
            assert undone + row["mojibake"][at:] == row["original"], row["id"]
