"""Write the training texts of this project from its templates: the same seed, the same texts.

    python training/write_texts.py FOLDER [--seed 7] [--each 250]

FOLDER gets own_zh.jsonl and own_en.jsonl: text, label, family. Every text is made up; names and numbers are nobody's.
"""

import argparse
import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
_SLOT = re.compile(r"\{(\w+)\}")

DISGUISE = 0.15
"""So many texts with a label have signs between characters, as senders put them to get past word lists."""
SIGNS = "·*.、-—｜|~🌹❤ "


def main() -> None:
    """Write one file a language."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--each", type=int, default=250, help="Texts of a family.")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    for language in ("zh", "en"):
        templates = yaml.safe_load((HERE / f"{language}.yaml").read_text(encoding="utf-8"))
        rows = [json.dumps(row, ensure_ascii=False) for row in texts(templates, asked.seed, asked.each)]
        (asked.folder / f"own_{language}.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
        print(f"own_{language}.jsonl: {len(rows):,} texts of {len(templates['families'])} families")


def texts(templates: dict[str, Any], seed: int, each: int) -> Iterator[dict[str, str]]:
    """Fill the templates of each family until it has `each` different texts, or no new ones come."""
    for family in templates["families"]:
        chance = random.Random(f"{seed} {family['family']}")
        found: dict[str, None] = {}
        for _ in range(8 * each):
            text = fill(chance.choice(family["templates"]), templates["slots"], chance)
            # People join two short lines as often as not.
            if chance.random() < 0.25:
                text += chance.choice(" \n") + fill(chance.choice(family["templates"]), templates["slots"], chance)
            if family["label"] != "clean" and chance.random() < DISGUISE:
                text = disguised(text, chance)
            found.setdefault(text.strip())
            if len(found) == each:
                break
        for text in found:
            yield {"text": text, "label": family["label"], "family": family["family"]}


def fill(template: str, slots: dict[str, list[str]], chance: random.Random) -> str:
    """Replace each slot by one of its values, and the slots of these."""
    while match := _SLOT.search(template):
        template = template[: match.start()] + chance.choice(slots[match[1]]) + template[match.end() :]
    return template


def disguised(text: str, chance: random.Random) -> str:
    """Put a sign behind some Han characters."""
    sign = chance.choice(SIGNS)
    return "".join(one + (sign if "一" <= one <= "龥" and chance.random() < 0.2 else "") for one in text)


if __name__ == "__main__":
    main()
