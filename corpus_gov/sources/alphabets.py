"""How probable each character is in running text of a language: what detection weighs encodings by.

Facts about writing systems and standards, no counts of anybody's text: alphabets in the order of how often
their letters are used, and the planes that the national standards cut their characters into. GB 2312, Big5
and JIS X 0208 hold frequent characters in a first level and rare ones in a second, KS X 1001 the syllables that
are used; Python's codecs know which these are. Probabilities are natural logarithms.
"""

from functools import cache
from itertools import product
from typing import Final

import numpy as np

BEYOND: Final = 0x10000
"""Index of the tables for every character outside the Basic Multilingual Plane."""

UNLIKELY: Final = -16.0
"""Of a character that is assigned but does not belong to the language."""
IMPOSSIBLE: Final = -20.0
"""Of a character that no text has: controls, private use, noncharacters, what did not decode."""
PLAIN: Final = -3.5
"""Of an ASCII character that is no letter, in any language: markup stands in all of them."""

LETTERS: Final = {
    # Latin: what lies outside ASCII, the frequent ones first.
    "en": "éï", "de": "äüöß", "fr": "éàèêçôâîûùëïœ", "es": "óíáéñúü", "pt": "ãçáéíóêõâàúôü", "it": "èàùòìé",
    "nl": "ëéïöèü", "sv": "äöåé", "fi": "äöå", "da": "øåæéö", "is": "áíðóéöþúæý", "ca": "àéèçíòóúïü", "sq": "ëç",
    "et": "äõüöšž", "lt": "ėšųžįčąūę", "lv": "āīēšūļņķģčž", "pl": "łąężśóćńź", "cs": "íáéěšžčřýůúňťďó",
    "sk": "áíéžčýšúôľťňäóďĺŕ",
    "hu": "áéöőóíüúű", "ro": "ăîâţşșț", "hr": "čšžćđ", "tr": "ıüşğöçâî", "mt": "ħġżċà", "eo": "ĉĝŭŝĵĥ",
    "cy": "ŵŷâêîôûï", "vi": "\u0301\u0300đâưêôơ\u0309\u0323ăáàí\u0303óòéèúùý",
    # Others: the whole alphabet, the frequent ones first.
    "ru": "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъё", "uk": "оаинвітесрлкудмпзяьбгчйхжїцюєшфщґ",
    "be": "аніореыклтсуяпдвзймбьгчцюхшжўфэё'", "bg": "аоиетнрсвлкдпмзгуъбчяжщцйхшюфь",
    "sr": "аоиенрсјтукдвлмпзгбчшћцжњљђхфџ", "mk": "аоиетнрсвдлкпмугзјбчшцжњќљхѓфџѕ",
    "el": "αοιετνσςρκπμλήυόίάδγέθύώχηωφβξζψϊϋΐ", "he": "יוהלארתבשמםנכדקעחפטצגןזסךףץ",
    "ar": "الينمرتوبسدعكفقةهحجأصشطىخإضذثزغءئظآؤ", "fa": "ایرنهدموتبسشکزلگفقخجپعحطآصچضغذثظژ",
    "th": "านรอกเงม่ยลวดทสตะปบ้คหแจพชขใไโผซถณศฐ\u0e31\u0e34\u0e35\u0e38\u0e39\u0e4c\u0e37\u0e33\u0e47\u0e36\u0e18",
}  # fmt: skip
# The ASCII letters of languages in Latin script, the frequent ones first.
ASCII_LETTERS: Final = {
    "en": "etaoinshrdlcumwfgypbvkjxqz", "de": "enisratdhulcgmobwfkzpvjyxq", "fr": "esaitnrulodcmpvqfbghjxyzkw",
    "es": "eaosrnidlctumpbgvyqhfzjxwk", "pt": "aeosridmntcuvlpgqbfhzjxkwy", "it": "eaionlrtscdupmvghfbqzkjwxy",
    "nl": "enatirodslghvkmubpwjzcfxyq", "sv": "eantrslidomgkvhfupbcjyxwzq", "da": "ernatidslogkmfvubhpycjxzwq",
    "fi": "aintesloukmrvjhypdgbfcwxzq", "is": "arniestuldgmkfhvojpbyxcwzq", "ca": "easlrnitoudcmpvgbqfxhjyzkw",
    "sq": "etanirsohukmldpvjbgzfyqcxw", "et": "aeistlunokdrmvpgjhbfcxyzwq", "lt": "iasoretnukmlpvdjgbyczhfqwx",
    "lv": "aisetrunkomldpvzgjbcfhxwqy", "pl": "aioeznrwsctykdpmuljgbhfqvx", "cs": "eoantisvlkrdpumjchzybgfxwq",
    "sk": "aoeintsrvlkdmpcuhjzybgfxwq", "hu": "eatlnskrozimgdvbyjhpufcwxq", "ro": "eiartnulcosdpmfgbvzhjxkywq",
    "hr": "aioenjrstuvkdmlpgzbchfxyqw", "tr": "aeinrlkdmyutsbohzgcvpfjwxq", "mt": "iatelnrmsujhdgokbfpwqvxzyc",
    "eo": "aieonlstrkjudmpvgfbczhxwqy", "cy": "adynerilohwgtsfumbcpkvjxqz", "vi": "nhtigcoamudvlrpsbykqexwfjz",
}  # fmt: skip
LATIN: Final = frozenset(ASCII_LETTERS)

# Of Chinese and Korean, the characters of which every second one in a text is, roughly.
HANS_FREQUENT: Final = (
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所然家种事"
    "成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实日军者意无力它与长把机十民第公此"
    "已工使情明性知全三又关点正业外将两高间由问很最重并物手应战向头文体政美相见被利什二等产或新己制身果加西斯月话合回特代"
    "内信表化老给世位次度门任常先海通教儿原东声提立及比员解水名真论处走义各入几口认条平系气题活尔更别打女变四神总何电数安"
    "少报才结反受目太量再感建务做接必场件计管期市直德资命山金指克许统区保至队形社便空决治展马科司五基眼书非则听白却界达光"
)
HANT_FREQUENT: Final = (
    "的一是不了在人有我他這個們中來上大為和國地到以說時要就出會可也你對生能而子那得於著下自之年過發後作裡用道行所然家種事"
    "成方多經麼去法學如都同現當沒動面起看定天分還進好小部其些主樣理心她本前開但因只從想實日軍者意無力它與長把機十民第公此"
    "已工使情明性知全三又關點正業外將兩高間由問很最重並物手應戰向頭文體政美相見被利什二等產或新己制身果加西斯月話合回特代"
    "內信表化老給世位次度門任常先海通教兒原東聲提立及比員解水名真論處走義各入幾口認條平系氣題活爾更別打女變四神總何電數安"
    "少報才結反受目太量再感建務做接必場件計管期市直德資命山金指克許統區保至隊形社便空決治展馬科司五基眼書非則聽白卻界達光"
)
HANGUL_FREQUENT: Final = (
    "이다의는에을가를은로하고지한도서기사아어리자나시대인수일만부들으해정그보스여구장"
    "제전라주게상있과생니안경성원와조면동공유"
)
_PUNCTUATION: Final = "、。，！？：；（）《》「」『』【】〈〉“”‘’…—·～　"
# In any language beside its own letters.
_SIGNS: Final = "\u00a0»«“”‘’–—…„·©®°€£§™№•"
_HAN: Final = frozenset(map(chr, range(0x4E00, 0xA000)))


@cache
def table(language: str) -> np.ndarray:
    """Build the table of a language: of LETTERS, or hans, hant, ja, ko.

    Returns:
        float32, BEYOND + 1 rows: the logarithm of the probability of each character; those of an alphabet are
        probabilities among the characters outside ASCII, read-only.
    """
    weights = np.full(BEYOND + 1, UNLIKELY, np.float32)
    for first, last in ((0x00, 0x1F), (0x7F, 0x9F), (0xD800, 0xF8FF), (0xFDD0, 0xFDEF), (0xFFF0, 0xFFFF)):
        weights[first : last + 1] = IMPOSSIBLE
    for characters, mass in reversed(_classes(language)):
        # The frequent classes come last and win where a character stands in several.
        weights[[ord(one) for one in characters]] = np.log(mass / len(characters))
    if language in LETTERS:
        for letter, mass in _ranked(LETTERS[language]):
            weights[ord(letter)] = np.log(mass)
    weights[0x20:0x7F] = PLAIN
    weights[[0x09, 0x0A, 0x0C, 0x0D]] = PLAIN
    # Half of the words are those of markup and names, in any language.
    for letter in ASCII_LETTERS["en"]:
        share = (_share(letter, "en") + _share(letter, language if language in LATIN else "en")) / 2
        weights[ord(letter)] = np.log(0.7 * share)
        weights[ord(letter.upper())] = np.log(0.05 * share)
    weights.flags.writeable = False
    return weights


def _classes(language: str) -> tuple[tuple[str | frozenset[str], float], ...]:
    """List the classes of characters with their share of a text, the most telling first."""
    if language == "hans":
        first, second = _plane("gb2312", 0xB0, 0xD7), _plane("gb2312", 0xD8, 0xF7)
        return (HANS_FREQUENT, 0.45), (_PUNCTUATION, 0.12), (first, 0.4), (second, 0.01), *_rest(first | second)
    if language == "hant":
        first, second = _plane("big5", 0xA4, 0xC6), _plane("big5", 0xC9, 0xF9)
        return (HANT_FREQUENT, 0.45), (_PUNCTUATION, 0.12), (first, 0.4), (second, 0.01), *_rest(first | second)
    if language == "ja":
        first, second = _plane("euc_jp", 0xB0, 0xCF), _plane("euc_jp", 0xD0, 0xF4)
        kana = (
            ("のにはをたがでてとしれさいるかもなこうっくよりすまらん", 0.3),
            (_hiragana(), 0.06),
            (_katakana(), 0.14),
        )
        return *kana, (_PUNCTUATION, 0.1), (first, 0.33), (second, 0.003), *_rest(first | second)
    if language == "ko":
        syllables = _plane("euc_kr", 0xB0, 0xC8, frozenset(map(chr, range(0xAC00, 0xD7A4))))
        return (HANGUL_FREQUENT, 0.55), (_PUNCTUATION, 0.03), (syllables, 0.4), *_rest(syllables)
    return (_SIGNS, 0.06), ("".join(map(chr, range(0xA1, 0xC0))), 0.002)


def _rest(known: frozenset[str]) -> tuple[tuple[str | frozenset[str], float], ...]:
    """List what may stand in any East Asian text: signs, letters and digits of full width, other languages."""
    wide = frozenset(map(chr, range(0xFF01, 0xFF5F)))
    signs = frozenset(map(chr, [*range(0x2010, 0x2040), *range(0x2100, 0x2640), *range(0x3000, 0x3020)]))
    other = frozenset(map(chr, [*range(0x3041, 0x3100), *range(0xA1, 0x100), *range(0x391, 0x452)]))
    return (wide, 0.02), (signs, 0.01), (other, 0.001), (_HAN - known, 0.003)


def _share(letter: str, language: str) -> float:
    """Estimate how frequent an ASCII letter is among all of them."""
    return float(np.exp(-ASCII_LETTERS[language].index(letter) / 7.0)) / 7.3


def _ranked(letters: str) -> list[tuple[str, float]]:
    """Give each letter its share by rank; the ninth is a third as frequent as the first, as in most alphabets."""
    shares = np.exp(-np.arange(len(letters)) / 9.0)
    shares *= 0.9 / shares.sum()
    ranked = list(zip(letters, shares.tolist(), strict=True))
    capitals = [(letter.upper(), share * 0.06) for letter, share in ranked if len(letter.upper()) == 1]
    return [(letter, share) for letter, share in capitals if letter not in letters] + ranked


def _plane(codec: str, first: int, last: int, of: frozenset[str] = _HAN) -> frozenset[str]:
    pairs = product(range(first, last + 1), range(0x40, 0xFF))
    return frozenset(bytes(pair).decode(codec, "ignore") for pair in pairs) & of


def _hiragana() -> str:
    return "".join(map(chr, range(0x3041, 0x3094)))


def _katakana() -> str:
    return "".join(map(chr, [*range(0x30A1, 0x30F7), 0x30FC, 0x30FB]))
