"""Texts for properties: what web pages are made of, and whatever else Unicode allows."""

from hypothesis import strategies as st

PIECES = (
    "中文网页", "國語", "的", "。", "！", "，", "”", "』」", "）", "；", "…", "......", "...", ".", '"', "')]", "》",
    "word", "It’s", "don't", "naïve", "Ωμέγα", "мир", "سلام", "かな", "漢字カナ", "한국어", "ไทย", "हिंदी", "e\u0301",
    "12", "３", "½", "①", "𠀀𪚥", "🙂", "𝒜", "\U000e0001", "\ufffd", "\ufffd\ufffd", "\x00", "\x1b", "\u200b", "\u00ad",
    " ", "  ", "\t", "\r", "\u3000", "\u00a0", "\u0085", "\u2028", "\n", "\n", "\n\n", "\r\n", "\n\u3000\u3000",
    "- ", "-", "* ", "—", "— ", "• ", "·", "://", "http://a.cn/", ":", "/", "same line\n", "同一行。\n", "\nsame line",
)  # fmt: skip

texts = st.lists(st.sampled_from(PIECES), max_size=40).map("".join) | st.text(max_size=40)
"""Chinese, English and mixed lines with marks at their ends, repeats, and arbitrary valid text."""
