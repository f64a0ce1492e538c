"""Compute what datatrove says of the documents of tests/quality_values.json, and write it beside them.

    python bench/quality_values.py --peers VENV/bin/python

PEERS is an environment with datatrove, tldextract and what its English tokenizer needs (spacy, nltk). Ratios that a
filter keeps to itself are found by the least limit that it lets the document pass. Words in a row are counted by
datatrove's function over our words: how words are split is compared in `n_words` alone.
"""

import argparse
import json
import subprocess
from pathlib import Path

VALUES = Path(__file__).parent.parent / "tests" / "quality_values.json"

PEERS = r'''
import json, re, sys
from importlib.metadata import version
from datatrove.data import Document
from datatrove.pipeline.filters import C4QualityFilter, GopherQualityFilter
from datatrove.pipeline.filters.gopher_quality_filter import STOP_WORDS
from datatrove.pipeline.filters.gopher_repetition_filter import find_all_duplicate, find_duplicates
from datatrove.pipeline.stats import DocStats, LineStats
from datatrove.utils.text import PUNCTUATION_SET, TERMINAL_PUNCTUATION, split_into_words

ALL = ("min_doc_words", "max_doc_words", "min_avg_word_length", "max_avg_word_length", "max_symbol_word_ratio",
       "max_bullet_lines_ratio", "max_ellipsis_lines_ratio", "max_non_alpha_words_ratio", "min_stop_words")

def limit(text, name):
    """Find the least share of lines that Gopher's filter lets pass."""
    n = len(text.splitlines())
    for part in range(n + 1):
        only = GopherQualityFilter(**(dict.fromkeys(ALL) | {name: part / n + 1e-9}))
        if only.filter(Document(text=text, id="")) is True:
            return part / n

def sentences(text):
    """Find how many sentences C4's filter keeps."""
    for least in range(1, 1000):
        only = C4QualityFilter(min_num_sentences=least, filter_curly_bracket=False, filter_lorem_ipsum=False)
        if only.filter(Document(text=text, id="")) is not True:
            return least - 1

def values(text, chinese):
    doc = Document(text=text, id="")
    of_text = DocStats("/tmp/unused").extract_stats(doc)
    of_lines = LineStats("/tmp/unused", ignore_empty_lines=True).extract_stats(doc)
    lines = [line for line in text.split("\n") if line.strip()]
    paragraphs = re.split(r"\n{2,}", text.strip())
    words = re.findall(r"[\u4e00-\u9fff]|[^\W_\u4e00-\u9fff]+", text.lower())
    size = sum(map(len, words))
    found = {
        "n_chars": of_text["length"],
        "whitespace_share": of_text["white_space_ratio"],
        "digit_share": of_text["digit_ratio"],
        "mean_line_chars": int(of_lines["avg_line_length"]),
        "dup_line_share": of_lines["line_duplicates"],
        "dup_line_char_share": of_lines["line_char_duplicates"],
        "short_line_share": of_lines["short_line_ratio_chars_30"],
        "terminal_line_share": sum(line.endswith(tuple(TERMINAL_PUNCTUATION)) for line in lines) / len(lines),
        "bullet_line_share": limit(text, "max_bullet_lines_ratio"),
        "ellipsis_line_share": limit(text, "max_ellipsis_lines_ratio"),
        "n_paragraphs": len(paragraphs),
        "dup_paragraph_share": find_duplicates(paragraphs)[0] / len(paragraphs),
    }
    for n in range(5, 11):
        found[f"dup_{n}gram_share"] = find_all_duplicate(words, n) / size
    if not chinese:
        split = split_into_words(text)
        found["n_words"] = sum(any(each not in PUNCTUATION_SET for each in word) for word in split)
        found["n_stop_words"] = len(set(STOP_WORDS) & set(split))
        found["n_kept_sentences"] = sentences(text)
    return found

file = json.load(sys.stdin)
for document in file["documents"]:
    document["values"] = values(document["text"], document["name"].startswith("zh"))
sys.stdout.write("\n" + json.dumps({"datatrove": version("datatrove"), "documents": file["documents"]}))
'''


def main() -> None:
    """Rewrite the values, and leave names and texts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", type=Path, required=True, help="python of an environment with datatrove")
    given = parser.parse_args()
    done = subprocess.run(
        [str(given.peers), "-c", PEERS], input=VALUES.read_text("utf-8"), capture_output=True, text=True, check=True
    )
    # Filters may print before.
    found = json.loads(done.stdout.strip().rpartition("\n")[2])
    VALUES.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
