"""Sentences and lines of every value: what does not belong, is out of order, hidden, or left without a text.

One pass over a value; its Han characters are counted beforehand where a sentence needs to be held against the rest.
"""

# In a compiled function numba infers the types.
# mypy: disable-error-code="assignment"

from functools import cache
from typing import Final

import numpy as np

from corpus_gov.kernels import scripts
from corpus_gov.kernels.columns import Bytes, Offsets
from corpus_gov.kernels.compiling import inlined, kernel
from corpus_gov.kernels.scripts import step
from corpus_gov.kernels.textstats import BULLETS, DASHES

PROMOTION: Final = (
    "咨询", "热线", "微信", "威信", "薇信", "加薇", "加微", "客服", "厂家", "直销", "批发", "优惠", "免费", "下载",
    "开户", "代办", "代开", "开票", "发票", "票据", "办证", "贷款", "彩金", "首存", "返水", "棋牌", "充值", "提现",
    "包邮", "秒杀", "抢购", "限时", "特价", "正品", "官网", "平台", "一站", "站式", "最新", "新版", "扫码", "关注",
    "公众", "众号", "来电", "致电", "电话", "手机", "联系", "报价", "价格", "加盟", "招商", "兼职", "日结", "高薪",
    "点击", "注册", "领取", "红包", "福利", "低价", "折扣", "正规", "专业", "诚信", "信誉", "保证", "包过", "包赚",
    "稳赚", "收益", "投资", "理财", "无抵", "抵押", "秒批", "下款", "放款", "信用", "同城", "上门", "约见", "小姐",
    "美女", "养生", "会所", "按摩", "娱乐", "博彩", "赌场", "真人", "投注", "下注", "赔率", "竞猜", "购买",
    "订购", "订货", "现货", "供应", "出售", "转让", "回收", "定制", "品牌", "欢迎", "惠顾", "光临", "私信", "回复",
    "加群", "入群", "群号", "扣扣", "网址", "登录", "登陆", "链接", "导师", "带你", "躺赚", "推广", "引流", "排名",
    "优化", "软件", "破解", "外挂", "刷单", "返利", "返现", "送礼", "赠送", "全网", "全国", "送货", "物流", "到付",
    "快递", "验货", "资质", "刻章", "证件", "学历", "文凭", "毕业", "考试", "答案", "代考", "代写", "论文", "祛斑",
    "减肥", "丰胸", "增高", "壮阳", "特效", "根治", "秘方",
)  # fmt: skip
"""Pairs of Han characters that advertising is full of; any of them alone says nothing. Written for this project."""

PROMOTION_WORDS: Final = (
    "free", "buy", "cheap", "discount", "bonus", "casino", "slots", "betting", "viagra",
    "cialis", "loan", "loans", "whatsapp", "telegram", "wechat", "qq", "vip", "promo",
    "coupon", "sale", "deal", "deals", "offer", "offers", "order", "shipping", "click",
    "subscribe", "download", "earn", "cash", "income", "profit", "crypto", "bitcoin", "forex",
    "guaranteed", "guarantee", "winner", "prize", "jackpot", "escorts", "massage", "dating", "diploma",
    "essay", "essays", "seo", "backlinks", "followers", "price", "prices", "wholesale", "supplier",
    "manufacturer", "hotline", "call", "contact", "register", "signup", "now", "today", "limited",
    "unlimited", "best",
)  # fmt: skip

LEAST_PROMOTION: Final = 3
"""So many different pairs or words of advertising make a sentence promotional; a number to call, an address or a handle
counts as one."""

CONTACT_DIGITS: Final = 7
"""A run of so many digits is a number to call or write to."""

LEAST_HAN: Final = 8
"""A sentence with fewer Han characters is no injected one: too short to say so."""

COUNTERS: Final = (
    "年月日号时点分秒周岁天个人名位家次条款项章节编目篇页卷版集部第世届期批类种级等元万亿千百十余多多倍成"
    "折米公里尺寸吨斤克升度平方亩株头只匹辆台套件份张片块根支枝座栋层间室户口处所站道路线班组队场局轮回遍"
    "趟步届代周分至到和与及或的、比对省市县区州岛角毛股点半余几来后前内上下中以之起止左右届例起宗架艘枚颗"
    "粒瓶箱袋包桶杯碗双副对幅首曲本册封则段句字行列排号楼院校所国强大佳者是为在由将被，。萬億餘個號時點條"
    "項節編頁類級倍畝頭隻輛臺張塊層間戶處線組隊場輪圖图表附小字母位进周微秒兆瓦赫伏安帕摄氏英寸磅盎加仑像"
    "素刻毫厘分纳"
)
"""What a number may stand before in running Chinese text: counters, units, particles."""

COUNTS: Final = (
    "promotions",  # promotional sentences
    "promotion_chars",  # Han characters and words in them
    "alien",  # of the promotional sentence of which most is found nowhere else: that share, in ten-thousandths
    "contacts",  # sentences with a run of CONTACT_DIGITS, an @ or ://
    "units",  # Han characters and words
    "ordinals",  # 第…条 at the beginning of a line or sentence
    "ordinal_breaks",  # those with a number that is not above the one before
    "glued",  # numbers between Han characters, the second of which is none of COUNTERS
    "inner_numbers",  # numbers between Han characters
    "empty_items",  # lines of digits, bullets and marks alone
    "lines",  # that are not blank
    "longest_line",  # code points
    "spaced",  # Han characters that are set apart one by one by a space or sign, in runs of four or more
    "mixed_words",  # words of Latin letters with Greek or Cyrillic ones
    "stacked",  # combining marks after two others
    "selectors",  # variation selectors that choose no form of an emoji or Han character
    "crossed",  # closing brackets that close another one than the last that was opened, or none
    "brackets",  # closing brackets
    "simplified",
    "traditional",
)

_0, _1, _2, _3, _4 = (np.uint64(n) for n in range(5))
_MULTIPLIER: Final = np.uint64(0x9E3779B97F4A7C15)
_HAN, _WORD, _SPACE, _DIGIT, _END, _MARK, _COUNTER, _LATIN, _LOOKALIKE, _BULLET, _HANS, _HANT = (
    1 << n for n in range(12)
)
_N_COUNTS: Final = len(COUNTS)
_DEEP: Final = 32
_LISTED: Final = 11
_NUMERALS: Final = "零一二三四五六七八九十百千"
_ALIKE: Final = "аеорсухіјѕһАВЕКМНОРСТУХІЅЈΑΒΕΖΗΙΚΜΝΟΡΤΥΧον"
_APART: Final = "·•・"
_OPENING, _CLOSING = "([{（［｛【〔《〈「『“", ")]}）］｝】〕》〉」』”"


@cache
def _tables() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """What a code point is; what promotes; value of a numeral, and one; number of a bracket, negative where closing."""
    classes = scripts.classes()
    kinds = np.zeros(len(classes), np.uint16)
    kinds[(classes >= scripts.DIGIT) & (classes <= scripts.HANGUL)] = _WORD
    kinds[classes >= scripts.HAN] = _HAN
    kinds[classes == scripts.SPACE] = _SPACE
    kinds[classes == scripts.DIGIT] |= _DIGIT
    kinds[classes == scripts.MARK] |= _MARK
    kinds[classes == scripts.LATIN] |= _LATIN
    kinds[classes == scripts.HANS] |= _HANS
    kinds[classes == scripts.HANT] |= _HANT
    kinds[[ord(each) for each in _ALIKE]] |= _LOOKALIKE
    kinds[[ord(each) for each in BULLETS + DASHES]] |= _BULLET
    kinds[[ord(each) for each in "。！？!?\n"]] |= _END
    kinds[[ord(each) for each in COUNTERS]] |= _COUNTER
    numerals, brackets = np.zeros(0x10000, np.int16), np.zeros(0x10000, np.int8)
    numerals[[ord(each) for each in _NUMERALS]] = [*range(1, 12), 101, 1001]
    numerals[[ord(each) for each in "0123456789"]] = range(1, 11)
    for number, (opening, closing) in enumerate(zip(_OPENING, _CLOSING, strict=True), 1):
        brackets[ord(opening)], brackets[ord(closing)] = number, -number
    listed = _listed()
    for table in (kinds, listed, numerals, brackets):
        table.flags.writeable = False
    return kinds, listed, numerals, brackets


def _listed() -> np.ndarray:
    """Hash table of what promotes, by open addressing: keys as `_pair` and `_word` make them, 0 where free."""
    found, mask = np.zeros((1 << _LISTED, 2), np.uint64), (1 << 64) - 1
    keys = [ord(pair[0]) << 16 | ord(pair[1]) for pair in PROMOTION]
    for word in PROMOTION_WORDS:
        hashed = 0
        for letter in word:
            hashed = ((hashed ^ ord(letter)) * int(_MULTIPLIER)) & mask
            hashed ^= hashed >> 32
        keys.append(hashed | 1 << 63)
    for number, key in enumerate(keys):
        slot = ((key * int(_MULTIPLIER)) & mask) >> (64 - _LISTED)
        while found[slot, 0]:
            slot = (slot + 1) % (1 << _LISTED)
        found[slot] = key, number
    return found


def measure_fragments(data: Bytes, offsets: Offsets) -> dict[str, np.ndarray]:
    """Count what COUNTS names.

    Args:
        data: of the column, read-only.
        offsets: n + 1.

    Returns:
        By the names of COUNTS, int64 (n,).
    """
    found = _measure(data, offsets, _tables())
    return dict(zip(COUNTS, found.T, strict=True))


@kernel
def _measure(data, offsets, tables):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    out = np.zeros((offsets.shape[0] - 1, _N_COUNTS), np.int64)
    tally = np.zeros(0x10000, np.int32)
    own = np.zeros(0x10000, np.int32)
    stack = np.zeros(_DEEP, np.int64)
    for row in range(out.shape[0]):
        start, stop = np.uint64(offsets[row]), np.uint64(offsets[row + 1])
        if _sentences(data, start, stop, tables, tally, own, stack, out[row]):
            _tally(data, start, stop, tally, 0)
    return out


@kernel
def _tally(data, at, stop, tally, add):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Count the characters of three bytes, or clear their counts."""
    while at + _2 < stop:
        lead = data[at]
        if 0xE3 <= lead < 0xF0:
            point = (np.uint32(lead) & 15) << 12 | (np.uint32(data[at + _1]) & 63) << 6 | np.uint32(data[at + _2]) & 63
            tally[point] = tally[point] + 1 if add else 0
            at += _3
        else:
            at += _1


@inlined
def _number(key, listed):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Return the number of what promotes, -1 for anything else."""
    slot = (key * _MULTIPLIER) >> np.uint64(53)
    while listed[slot, _0] != 0 and listed[slot, _0] != key:
        slot = (slot + _1) & np.uint64(2047)
    return np.int64(listed[slot, _1]) if listed[slot, _0] != 0 else np.int64(-1)


@kernel
def _put(number, set1, set2, set3, set4):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Put a number from 0 to 255, or -1 for none, into a set of four words of 64 bits."""
    bit = _1 << np.uint64(number & 63) if number >= 0 else _0
    if number < 64:
        set1 |= bit
    elif number < 128:
        set2 |= bit
    elif number < 192:
        set3 |= bit
    else:
        set4 |= bit
    return set1, set2, set3, set4


@kernel
def _ordinal(data, at, stop, numerals):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Read a numeral and the character for article after it; -1 where there is none."""
    total, digit = 0, 0
    for length in range(10):
        if at >= stop:
            return -1
        point, at = step(data, at, stop)
        if point == 0x6761:
            return total + digit if length else -1
        value = numerals[point & np.uint32(0xFFFF)] - 1
        if value < 0 or point > 0xFFFF:
            return -1
        if value >= 10:
            total += max(digit, 1) * value
            digit = 0
        else:
            digit = digit * 10 + value if point < 128 else value
    return -1


@kernel
def _alien(data, at, stop, tally, own):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Share of the Han characters of a sentence that the value has nowhere else, in ten-thousandths; 0 if too short."""
    count, alone = 0, 0
    for turn in range(3):
        place = at
        while place + _2 < stop:
            lead = data[place]
            if not 0xE4 <= lead <= 0xE9:
                place += _1
                continue
            point = (np.uint32(lead) & 15) << 12 | (np.uint32(data[place + _1]) & 63) << 6
            point |= np.uint32(data[place + _2]) & 63
            place += _3
            if turn == 0:
                own[point] += 1
                count += 1
            elif turn == 1:
                alone += own[point] == tally[point]
            else:
                own[point] = 0
    return 10_000 * alone // count if count >= LEAST_HAN else 0


@kernel
def _closes(stack, depth, bracket):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Close a bracket; returns how many are still open, and whether another one was open inside."""
    for inner in range(depth):
        if stack[depth - 1 - inner] == bracket:
            return depth - 1 - inner, inner > 0
    return depth, False


@kernel
def _sentences(data, at, stop, tables, tally, own, stack, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    kinds, listed, numerals, brackets = tables
    begin, value, counted = at, at, False
    # of the sentence
    set1, set2, set3, set4, contact, units, fresh = _0, _0, _0, _0, False, 0, True
    # of the line
    chars, letters, digits, signs, bullets = 0, 0, 0, 0, 0
    # of the word and the number that go on
    word, seen, run, after_han, marks = _0, 0, 0, False, 0
    before, before_kind, gap, streak, depth, ordinal = np.uint32(0), 0, 0, 0, 0, 0
    while True:
        ended = at >= stop
        if ended:
            point, kind = np.uint32(10), np.int64(_SPACE | _END)
        else:
            point, at = step(data, at, stop)
            kind = np.int64(kinds[point])
            chars += 1
        if kind & _WORD:
            if before_kind & _WORD == 0:
                word, seen, run, after_han = _0, 0, 0, before_kind & _HAN != 0
                units += 1
            marks = marks + 1 if kind & _MARK else 0
            out[14] += marks > 2
            while True:
                if kind & _DIGIT:
                    run += 1
                    digits += 1
                    contact = contact or run >= CONTACT_DIGITS
                else:
                    run = -(1 << 30)
                    letters += 1
                    fresh = False
                seen |= kind
                folded = point + np.uint32(32) if 65 <= point <= 90 else point
                word = (word ^ np.uint64(folded)) * _MULTIPLIER
                word ^= word >> np.uint64(32)
                # Most words go on with a letter of one byte.
                if at >= stop or data[at] >= 0x80 or kinds[data[at]] & _WORD == 0:
                    break
                point, marks = np.uint32(data[at]), 0
                kind = np.int64(kinds[point])
                at += _1
                chars += 1
            before, before_kind, gap = point, kind, 9
            continue
        if before_kind & _WORD:
            out[13] += seen & _LATIN != 0 and seen & _LOOKALIKE != 0
            if run < 0:
                number = _number(word | np.uint64(1 << 63), listed)
                set1, set2, set3, set4 = _put(number, set1, set2, set3, set4)
            marks = 0
        if kind & _HAN:
            letters += 1
            units += 1
            out[18] += kind & _HANS != 0
            out[19] += kind & _HANT != 0
            if before_kind & _HAN:
                number = _number(np.uint64(before) << np.uint64(16) | np.uint64(point & np.uint32(0xFFFF)), listed)
                set1, set2, set3, set4 = _put(number, set1, set2, set3, set4)
            elif before_kind & _WORD and run > 0 and after_han:
                out[8] += 1
                out[7] += kind & _COUNTER == 0
            if gap == 1:
                streak += 1
            else:
                out[12] += streak + 1 if streak >= 3 else 0
                streak = 0
            gap = 0
            if point == 0x7B2C and fresh:
                article = _ordinal(data, at, stop, numerals)
                if article >= 0:
                    out[5] += 1
                    out[6] += article <= ordinal
                    ordinal = article
            fresh = False
            before, before_kind = point, kind
            continue
        if kind & _SPACE == 0:
            signs += 1
            bullets += kind & _BULLET != 0
            if point < 0x10000 and brackets[point] != 0:
                bracket = brackets[point]
                if bracket > 0:
                    if depth < _DEEP:
                        stack[depth] = bracket
                        depth += 1
                else:
                    out[17] += 1
                    depth, crossed = _closes(stack, depth, -bracket)
                    out[16] += crossed
            elif point == 64:
                contact = True
            elif point == 47:
                contact = contact or (before == 58 and at < stop and data[at] == 47)
            elif 0xFE00 <= point <= 0xFE0D or point >= 0x40000:
                chosen = point < 0x40000 or (data[at - _4] == 0xF3 and data[at - _3] == 0xA0 and data[at - _2] >= 0x84)
                if chosen:
                    out[15] += before_kind & _WORD != 0 or before_kind < 0
                    kind = -1
        gap = gap + 1 if gap < 9 and (point == 32 or (point < 127 and kind & _SPACE == 0) or point == 0xB7) else 9
        if (kind >= 0 and kind & _END) or (point == 46 and at < stop and data[at] <= 32):
            promotes = _bits(set1) + _bits(set2) + _bits(set3) + _bits(set4)
            out[3] += contact
            out[4] += units
            if promotes >= _2 and promotes + np.uint64(contact) >= np.uint64(LEAST_PROMOTION):
                if not counted:
                    # Most values have no such sentence, and need no count.
                    counted = True
                    _tally(data, value, stop, tally, 1)
                out[0] += 1
                out[1] += units
                out[2] = max(out[2], _alien(data, begin, at, tally, own))
            set1, set2, set3, set4, contact, units, fresh, begin = _0, _0, _0, _0, False, 0, True, at
        if point == 10:
            if letters + digits + signs != 0:
                out[10] += 1
                item = (0 < digits <= 3 and signs <= 2) or (digits == 0 and signs == 1 and bullets == 1)
                out[9] += letters == 0 and item
                out[11] = max(out[11], chars - (not ended))
            chars, letters, digits, signs, bullets = 0, 0, 0, 0, 0
            out[12] += streak + 1 if streak >= 3 else 0
            gap, streak = 9, 0
        before, before_kind = point, kind
        if ended:
            return counted


@kernel
def _bits(x):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Count the bits that are set."""
    count = _0
    while x != _0:
        x &= x - _1
        count += _1
    return count
