"""Words that quality signals look for: stop words, and phrases of menus, notices and lost numbers, as hash tables.

The lists are short on purpose and written here, so that the same text gives the same numbers next year.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from secrets import randbits
from typing import Final

import numpy as np

STOP_WORDS: Final = ("the", "be", "to", "of", "and", "that", "have", "with")
"""Rae et al. 2021 (arXiv:2112.11446), appendix A.1.1."""

STOP_CHARACTERS: Final = (
    "的一是了不在有和就也都而及以于与或但被把从对为这那他她们我你其之等将并由很让着还则所於與從對為這們將並讓著還則"
)
"""Function words of Chinese that are one character, simplified and traditional: what no running text does without,
news, laws and talk alike. Written for this project."""

POLICY, JAVASCRIPT, LOREM, NAVIGATION, LOST = range(5)
"""Kinds of phrases."""

ENGLISH: Final[Mapping[int, tuple[str, ...]]] = {
    # The list of C4 (Raffel et al. 2020, arXiv:1910.10683), and of its code.
    POLICY: ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies"),
    JAVASCRIPT: ("javascript",),
    LOREM: ("lorem ipsum",),
    NAVIGATION: (
        "read more", "click here", "sign in", "sign up", "log in", "contact us", "about us", "next page",
        "previous page", "all rights reserved", "skip to content", "skip to main content", "back to top", "site map",
        "follow us", "add to cart", "related posts", "leave a comment", "load more", "share on facebook",
    ),
}  # fmt: skip

CHINESE: Final[Mapping[int, tuple[str, ...]]] = {
    POLICY: ("隐私政策", "隱私政策", "隐私声明", "隱私聲明", "使用条款", "使用條款", "服务条款", "服務條款",
             "用户协议", "免责声明", "免責聲明"),
    NAVIGATION: (
        "首页", "首頁", "上一篇", "下一篇", "上一页", "下一页", "上一頁", "下一頁", "返回顶部", "返回頂部", "联系我们",
        "聯絡我們", "关于我们", "關於我們", "网站地图", "網站地圖", "友情链接", "友情鏈接", "版权所有", "版權所有",
        "加入收藏", "设为首页", "扫一扫", "阅读全文", "閱讀全文", "点击查看", "相关阅读", "相關閱讀", "热门推荐",
        "热门标签", "更多内容", "查看更多", "在线客服", "您的位置", "当前位置", "转载请注",
    ),
    # A counter or a part of a date with no number before it.
    LOST: ("年月", "月日", "第条", "第條", "第章", "第款", "第项", "第項",
           "第届", "第屆", "第次", "第号", "第號",
           "第期",
           "第批", "第名", "第位", "截至日", "会日在", "议日在", "会日上午",
           "会日下午", "达到万", "达到亿", "超过万", "超过亿"),
}  # fmt: skip
"""Phrases of two to four Han characters."""

_LONGEST: Final = 4
_MASK: Final = (1 << 64) - 1
MULTIPLIER: Final = np.uint64(0x9E3779B97F4A7C15)

# A kernel takes it as an argument: compiled code is kept on disk, with the constants of the process that compiled it.
# Words and n-grams are told apart by 64 bits. No page can choose two that are alike without knowing this number.
SEED: Final = np.uint64(randbits(64))


@cache
def words() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Table of the words that matter, by open addressing.

    Returns:
        uint64 (1024,), hashes as `hash_of`, 0 where free; uint8 (1024,), number of the word, from 1: a stop word's is
        its place in STOP_WORDS and one more; bool (256,), by number, whether a phrase ends with it.
    """
    keys, numbers, last = np.zeros(1024, np.uint64), np.zeros(1024, np.uint8), np.zeros(256, np.bool_)
    vocabulary = _vocabulary()
    for word, number in vocabulary.items():
        _put(keys, numbers, hash_of(word), number)
    last[[vocabulary[phrase.split()[-1]] for phrase in _all(ENGLISH)]] = True
    return _frozen(keys), _frozen(numbers), _frozen(last)


@cache
def phrases() -> tuple[np.ndarray, np.ndarray]:
    """Table of phrases, by open addressing.

    Returns:
        uint64 (1024,), the phrase, 0 where free: numbers of at most four words, a byte each, and bit 63; or two to
        four Han characters, 16 bits each; uint8 (1024,), its kind.
    """
    keys, kinds = np.zeros(1024, np.uint64), np.zeros(1024, np.uint8)
    vocabulary = _vocabulary()
    for kind, written in ENGLISH.items():
        for phrase in written:
            _put(keys, kinds, 1 << 63 | _packed((vocabulary[word] for word in phrase.split()), 8), kind)
    for kind, written in CHINESE.items():
        for phrase in written:
            _put(keys, kinds, _packed(map(ord, phrase), 16), kind)
    return _frozen(keys), _frozen(kinds)


def last_characters() -> frozenset[str]:
    """Return the Han characters that phrases end with."""
    return frozenset(phrase[-1] for phrase in _all(CHINESE))


def hash_of(word: str) -> int:
    """Hash a word as kernels do, character by character."""
    found = int(SEED)
    for character in word:
        found = ((found ^ ord(character)) * int(MULTIPLIER)) & _MASK
    found = ((found ^ found >> 32) * int(MULTIPLIER)) & _MASK
    return (found ^ found >> 32) | 1 << 63


def slot_of(key: int) -> int:
    """Return where a key is looked for first."""
    return ((key * int(MULTIPLIER)) & _MASK) >> 54


def _all(lists: Mapping[int, tuple[str, ...]]) -> list[str]:
    return [phrase for written in lists.values() for phrase in written]


def _vocabulary() -> dict[str, int]:
    rest = sorted({word for phrase in _all(ENGLISH) for word in phrase.split()}.difference(STOP_WORDS))
    return {word: number for number, word in enumerate([*STOP_WORDS, *rest], 1)}


def _packed(parts: Iterable[int], bits: int) -> int:
    key = 0
    for part in parts:
        key = key << bits | part
    return key


def _put(keys: np.ndarray, values: np.ndarray, key: int, value: int) -> None:
    slot = slot_of(key)
    while keys[slot] not in (0, key):
        slot = (slot + 1) % len(keys)
    keys[slot], values[slot] = key, value


def _frozen(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array
