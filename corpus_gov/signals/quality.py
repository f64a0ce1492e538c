"""What a text is made of: characters, words, lines, repetition. Counts and shares only; limits are the policy's."""

from typing import Final

import numpy as np
import pyarrow as pa

from corpus_gov import schemas
from corpus_gov.kernels import characters, scripts, textstats
from corpus_gov.kernels.repetition import REPEATED, TOP
from corpus_gov.schemas import field
from corpus_gov.signals import Params, count_field, refuse, share, share_field

VERSION: Final = 2
LIBRARIES: Final = ("numba", "numpy", "pyarrow")

SCHEMA: Final = schemas.table(
    "quality",
    VERSION,
    "Counts and shares of the text. A line ends at U+000A; blank lines are no lines, and white space at either end "
    "of a line is no part of it. A word is a Han character, or a run of letters, marks and digits of other scripts. A "
    "share is from 0 to 1, and 0 of nothing. Names in brackets are those of RedPajama-V2 (arXiv:2411.12372) for what "
    "means the same but for our words and lines.",
    field("doc_id", pa.string(), "The document."),
    # --- characters
    count_field("n_chars", "Code points."),
    share_field("han_share", "Han characters in code points."),
    share_field("letter_share", "Letters of the Latin script in code points."),
    share_field("capital_share", "A to Z in letters of the Latin script."),
    share_field("digit_share", "Decimal digits of any script in code points."),
    share_field("symbol_share", "Punctuation, symbols, emoji, number signs in code points."),
    share_field("whitespace_share", "White space, line ends included, in code points."),
    share_field("replacement_share", "U+FFFD, left by a wrong charset, in code points."),
    share_field("control_share", "Control characters that are not white space in code points."),
    share_field(
        "private_share",
        "Private use characters (U+E000 to U+F8FF, often the icons of a font) in code points.",
    ),
    count_field("n_zero_width", "Characters without width, soft hyphens included; joiners are proper in some scripts."),
    count_field("n_bidi", "Controls of the direction of writing."),
    count_field(
        "n_tags",
        "Unicode tags (U+E0000 to U+E007F), which hide text from people; proper only in a few flags.",
    ),
    count_field("char_entropy", "Entropy of the code points in thousandths of a bit: 0 to 18,000."),
    count_field("clause_entropy", "Entropy of the marks ，。、；：！？,.;:!? in thousandths of a bit: 0 to 3,808."),
    share_field("unmatched_share", "Brackets and quotation marks without a counterpart in all of them."),
    count_field("n_curly", "Occurrences of {. Source: C4 (Raffel et al. 2020)."),
    count_field("n_templates", "Places where {{, {%, ${, <%, </ or <! stands: what a template or a tag begins with."),
    # --- words
    count_field("n_words", "Words (rps_doc_word_count)."),
    count_field("n_runs", "Words that are no Han characters."),
    count_field("run_chars", "Code points of those; by n_runs: rps_doc_mean_word_length."),
    share_field(
        "letter_word_share",
        "Han characters and words with a letter in words (1 - rps_doc_frac_no_alph_words).",
    ),
    count_field("n_hashes", "Number signs. Source: Rae et al. 2021 (arXiv:2112.11446)."),
    count_field("n_ellipses", "… and ... (with n_hashes and by words: rps_doc_symbol_to_word_ratio)."),
    count_field("n_stop_words", "How many of the, be, to, of, and, that, have, with occur. Source: Rae et al. 2021."),
    count_field("n_stop_characters", "How many function words of one Han character occur, of 55 forms."),
    share_field("stop_word_share", "Occurrences of either in words (rps_doc_stop_word_fraction)."),
    count_field("n_sentences", "Ends of sentences with a word before (rps_doc_num_sentences)."),
    count_field("n_urls", "Occurrences of '://'."),
    share_field("url_share", "Code points of what follows and precedes them without a space, in code points."),
    count_field("n_javascript", "The word javascript, in any case. Source: C4."),
    count_field("n_lorem_ipsum", "The words lorem ipsum (rps_doc_lorem_ipsum)."),
    count_field("n_policy_phrases", "Phrases on cookies, terms and privacy, in English (those of C4) and Chinese."),
    count_field("n_navigation", "Phrases of menus and of the edges of pages, in English and Chinese."),
    count_field("n_insets", "【 after the end of a clause: where something, mostly advertising, was put in."),
    count_field(
        "n_lost_numbers", "年月, 第条, percent signs after Han characters: places of a number that is not there."
    ),
    # --- lines
    count_field("n_lines", "Lines that are not blank."),
    count_field("n_newlines", "Line ends."),
    count_field("mean_line_chars", "Code points of an average line, rounded down."),
    share_field("dup_line_share", "Lines equal to an earlier line in lines."),
    share_field("dup_line_char_share", "Code points of such lines in those of all lines."),
    count_field("n_paragraphs", "Runs of lines that are not blank."),
    share_field("dup_paragraph_share", "Paragraphs equal to an earlier one in paragraphs."),
    share_field("dup_paragraph_char_share", "Code points of such paragraphs in those of all lines."),
    share_field(
        "short_line_share", "Lines under 30 bytes of UTF-8 (30 ASCII letters, 10 Han characters) in lines."
    ),
    share_field(
        "terminal_line_share",
        "Lines that end a sentence in lines; 。！？…；”』」） end one, and so does .!? before closing marks.",
    ),
    share_field("open_line_share", "Lines of 90 bytes and more that break off with a letter, digit or comma in lines."),
    share_field("list_line_share", "Lines of runs of five or more short ones that end no sentence in lines."),
    share_field("bullet_line_share", "Lines that start with a bullet, or a dash and space, in lines."),
    share_field("ellipsis_line_share", "Lines that end in … or ... in lines (rps_lines_ending_with_ellipsis)."),
    count_field("ends_open", "1 where the last line is not short and ends no sentence, else 0."),
    count_field(
        "n_kept_sentences",
        "Sentences of lines that C4 keeps: three words, none over 1,000 characters, an end of a sentence that is no "
        "ellipsis, and neither javascript nor a policy phrase.",
    ),
    # --- repetition
    share_field("unique_word_share", "Different words in words, of the first 1,048,576 (rps_doc_frac_unique_words)."),
    share_field("top_word_share", "Code points of the word that fills most, if it stands twice, in those of words."),
    *(
        share_field(
            f"top_{n}gram_share",
            f"The same of {n} words in a row, without overlaps (rps_doc_frac_chars_top_{n}gram).",
        )
        for n in TOP[1:]
    ),
    *(
        share_field(
            f"dup_{n}gram_share",
            f"Code points of {n} words in a row that stood so before, in those of all words "
            f"(rps_doc_frac_chars_dupe_{n}grams).",
        )
        for n in REPEATED
    ),
    share_field(
        "compressed_share",
        "Bytes that a greedy Lempel-Ziv parse writes of the first 32,768, in those; 3 for a copy of 6 or more.",
    ),
)  # fmt: skip


def measure(documents: pa.RecordBatch, params: Params) -> pa.RecordBatch:
    """Count what the texts are made of.

    Nothing here tells a good text from a bad one; that Chinese has no spaces between words, and other
    marks at the end of a sentence, is taken care of.

    Args:
        documents: DOCUMENTS, n rows; reads doc_id and text.
        params: none.

    Returns:
        SCHEMA, n rows in the same order.

    Raises:
        ConfigError: params is not empty.
    """
    refuse("quality", params)
    data, offsets = scripts.read_only(documents.column("text"))
    classes, of, lines = characters.measure_characters(data, offsets)
    of |= textstats.measure_lines(data, offsets, lines)
    columns = _of_characters(classes, of) | _of_words(classes, of) | _of_lines(of) | _of_repetition(of)
    columns["doc_id"] = documents.column("doc_id")
    return pa.RecordBatch.from_pydict({name: columns[name] for name in SCHEMA.names}, schema=SCHEMA)


Counts = dict[str, np.ndarray]
Columns = dict[str, np.ndarray | pa.Array]


def _of_characters(classes: np.ndarray, of: Counts) -> Columns:
    chars = classes.sum(axis=1)
    shares = {
        "letter_share": classes[:, scripts.LATIN],
        "digit_share": classes[:, scripts.DIGIT],
        "symbol_share": classes[:, scripts.SYMBOL],
        "whitespace_share": classes[:, scripts.SPACE],
        "replacement_share": classes[:, scripts.REPLACEMENT],
        "control_share": classes[:, scripts.CONTROL],
        "han_share": _han(classes),
        "private_share": of["private"],
        "url_share": of["url_chars"],
    }
    return {name: share(part, chars) for name, part in shares.items()} | {
        "n_chars": chars,
        "capital_share": share(of["capitals"], classes[:, scripts.LATIN]),
        "n_zero_width": of["zero_width"],
        "n_bidi": of["bidi"],
        "n_tags": of["tags"],
        "char_entropy": of["entropy"],
        "clause_entropy": of["clause_entropy"],
        "unmatched_share": share(of["unmatched"], of["paired"]),
        "n_curly": of["curly"],
        "n_templates": of["templates"],
    }


def _of_words(classes: np.ndarray, of: Counts) -> Columns:
    han = _han(classes)
    words = of["n_runs"] + han
    return {
        "n_words": words,
        "n_runs": of["n_runs"],
        "run_chars": of["run_chars"],
        "letter_word_share": share(of["letter_runs"] + han, words),
        "n_hashes": of["hashes"],
        "n_ellipses": of["ellipses"] + of["dots"],
        "n_stop_words": of["stop_words"],
        "n_stop_characters": of["stop_characters"],
        "stop_word_share": share(of["stop_word_runs"] + of["stop_character_chars"], words),
        "n_sentences": of["n_sentences"],
        "n_urls": of["n_urls"],
        "n_javascript": of["javascript"],
        "n_lorem_ipsum": of["lorem"],
        "n_policy_phrases": of["policy"],
        "n_navigation": of["navigation"],
        "n_insets": of["insets"],
        "n_lost_numbers": of["lost"],
    }


def _of_lines(of: Counts) -> Columns:
    lines = of["n_lines"]
    shares = ("short_line", "terminal_line", "open_line", "bullet_line", "ellipsis_line", "dup_line")
    return {f"{name}_share": share(of[f"{name}s"], lines) for name in shares} | {
        "n_lines": lines,
        "n_newlines": of["newlines"],
        "mean_line_chars": of["line_chars"] // np.maximum(lines, 1),
        "dup_line_char_share": share(of["dup_chars"], of["line_chars"]),
        "n_paragraphs": of["n_paragraphs"],
        "dup_paragraph_share": share(of["dup_paragraphs"], of["n_paragraphs"]),
        "dup_paragraph_char_share": share(of["dup_paragraph_chars"], of["line_chars"]),
        "list_line_share": share(of["listed_lines"], lines),
        "ends_open": of["ends_open"],
        "n_kept_sentences": of["kept_sentences"],
    }


def _of_repetition(of: Counts) -> Columns:
    chars = of["token_chars"]
    top = {f"top_{n}gram_share": share(of[f"top_{n}"], chars) for n in TOP[1:]}
    again = {f"dup_{n}gram_share": share(of[f"again_{n}"], chars) for n in REPEATED}
    return top | again | {
        "unique_word_share": share(of["distinct_tokens"], of["n_tokens"]),
        "top_word_share": share(of["top_1"], chars),
        "compressed_share": share(of["compressed"], of["sampled"]),
    }  # fmt: skip


def _han(classes: np.ndarray) -> np.ndarray:
    han: np.ndarray = classes[:, [scripts.HAN, scripts.HANS, scripts.HANT]].sum(axis=1)
    return han
