"""Texts with personal data at known places, and texts that only look as if they had some; seeded.

Every value is made up: birth years before 1915, telephone numbers of blocks that are not given out, domains and
addresses that are reserved for documentation. Check digits are computed here, by code that shares nothing with the
package: what a validator gets wrong must not be wrong here too.

    document(random.Random(7), "zh") -> Text
"""

import hashlib
import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

PLAIN: Final = "plain"


@dataclass(frozen=True)
class Span:
    """A value in a text: code points, what it is, and in which form it is written."""

    start: int
    end: int
    entity: str
    form: str


@dataclass(frozen=True)
class Text:
    """A text with everything personal in it, and the kinds of look-alikes."""

    lang: str
    text: str
    spans: tuple[Span, ...]
    lookalikes: tuple[str, ...]


# Check digits, each by the words of its standard.


def mod11_2(body: str) -> str:
    """ISO 7064 mod 11-2, as GB 11643 tells it: weights by place, remainders to characters."""
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return body + "10X98765432"[sum(int(d) * w for d, w in zip(body, weights, strict=True)) % 11]


def luhn(body: str) -> str:
    """ISO/IEC 7812-1, annex B: double every other digit from the right, sum the digits, fill up to ten."""
    total = 0
    for place, digit in enumerate(reversed(body)):
        doubled = int(digit) * (2 if place % 2 == 0 else 1)
        total += doubled // 10 + doubled % 10
    return body + str(-total % 10)


def uscc(body: str) -> str:
    """GB 32100: powers of 3 modulo 31 over 31 characters."""
    letters = "0123456789ABCDEFGHJKLMNPQRTUWXY"
    total = sum(letters.index(c) * pow(3, i, 31) for i, c in enumerate(body))
    return body + letters[-total % 31]


def iban(country: str, body: str) -> str:
    """ISO 13616: letters as numbers from 10, the country at the end, 98 less the remainder by 97."""
    number = "".join(str(int(c, 36)) for c in body + country + "00")
    return f"{country}{98 - int(number) % 97:02d}{body}"


def nhs(body: str) -> str | None:
    """NHS number: weights 10 to 2, 11 less the remainder; ten is not given out."""
    check = 11 - sum(int(d) * w for d, w in zip(body, range(10, 1, -1), strict=True)) % 11
    return None if check == 10 else body + str(check % 11)


def dni(body: str) -> str:
    """DNI of Spain: remainder by 23 chooses the letter."""
    return body + "TRWAGMYFPDXBNJZSQVHLCKE"[int(body) % 23]


def pesel(body: str) -> str:
    """PESEL of Poland: weights 1 3 7 9."""
    return body + str(-sum(int(d) * w for d, w in zip(body, (1, 3, 7, 9) * 2 + (1, 3), strict=True)) % 10)


def bsn(body: str) -> str | None:
    """BSN of the Netherlands: weights 9 to 2, and the last digit less once, divide by 11."""
    check = sum(int(d) * w for d, w in zip(body, range(9, 1, -1), strict=True)) % 11
    return None if check == 10 else body + str(check)


def codice_fiscale(body: str) -> str:
    """Italian tax code: odd places by the table of the decree of 1976, even ones by value."""
    odd = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)
    values = [int(c) if c.isdigit() else ord(c) - 65 for c in body]
    return body + chr(65 + sum(odd[v] if place % 2 == 0 else v for place, v in enumerate(values)) % 26)


def base58check(payload: bytes) -> str:
    """Bitcoin's base58 with the first four bytes of a double SHA-256."""
    data = payload + hashlib.sha256(hashlib.sha256(payload).digest()).digest()[:4]
    letters, number, out = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz", int.from_bytes(data), ""
    while number:
        number, digit = divmod(number, 58)
        out = letters[digit] + out
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + out


def check() -> None:
    """Hold the functions above to examples that the standards and their registrars publish."""
    assert mod11_2("11010519491231002") == "11010519491231002X"
    assert luhn("7992739871") == "79927398713"
    assert uscc("91350100M000100Y4") == "91350100M000100Y43"
    assert iban("GB", "WEST12345698765432") == "GB82WEST12345698765432"
    assert nhs("943476591") == "9434765919"
    assert dni("12345678") == "12345678Z"
    assert pesel("4405140135") == "44051401359"
    assert bsn("11122233") == "111222333"
    assert codice_fiscale("RSSMRA85T10A562") == "RSSMRA85T10A562S"
    assert base58check(bytes(21)) == "1111111111111111111114oLvT2"


# Values.

Make = Callable[[random.Random], str]

_REGIONS: Final = ("110101", "310115", "440305", "330106", "510107", "420111", "320106", "370203", "210102", "610113")
_CITIES: Final = (
    "北京市朝阳区建国路", "上海市浦东新区世纪大道", "浙江省杭州市西湖区文三路", "广东省深圳市南山区科技园南路",
    "四川省成都市武侯区人民南路", "湖北省武汉市洪山区珞喻路", "江苏省南京市鼓楼区中山北路", "陕西省西安市雁塔区科技路",
)  # fmt: skip
_SURNAMES: Final = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦许何吕张孔曹严华金魏陶姜"
_GIVEN: Final = (
    "伟",
    "芳",
    "秀英",
    "敏",
    "静",
    "丽华",
    "强",
    "磊",
    "晓军",
    "洋",
    "艳",
    "勇",
    "杰",
    "娟",
    "涛",
    "明",
    "超",
)
_PLATES: Final = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
_FIRST: Final = ("maria", "james", "li.wei", "anna", "tom", "zhang_min", "k.novak", "sofia", "chen-hao", "noor")
_DOMAINS: Final = ("example.com", "example.org", "mail.example.net", "example.cn", "example.com.cn", "corp.example.com")
_HEX: Final = "0123456789abcdef"
_ALNUM: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def digits(source: random.Random, n: int, first: str = "0123456789") -> str:
    """Draw n digits, the first of them out of `first`."""
    return source.choice(first) + "".join(source.choice("0123456789") for _ in range(n - 1))


def letters(source: random.Random, n: int, alphabet: str) -> str:
    """Draw n characters."""
    return "".join(source.choice(alphabet) for _ in range(n))


def _born(source: random.Random) -> str:
    return f"{source.randint(1903, 1914)}{source.randint(1, 12):02d}{source.randint(1, 28):02d}"


def _until(make: Callable[[], str | None]) -> str:
    while (found := make()) is None:
        pass
    return found


def _iban(source: random.Random) -> str:
    country, length, bank = source.choice((("DE", 18, ""), ("NL", 10, "ABNA"), ("GB", 14, "NWBK"), ("AT", 16, "")))
    return iban(country, bank + digits(source, length))


def _codice(source: random.Random) -> str:
    consonants = "BCDFGLMNPRSTVZ"
    return codice_fiscale(
        letters(source, 6, consonants)
        + f"{source.randint(3, 14):02d}{source.choice('ABCDEHLMPRST')}{source.randint(1, 28):02d}"
        + source.choice("AFHL") + digits(source, 3, "5678")
    )  # fmt: skip


def _address(source: random.Random) -> str:
    tail = source.choice(("", f"{source.randint(1, 30)}栋{source.randint(1, 4)}单元{source.randint(101, 2204)}室"))
    return f"{source.choice(_CITIES)}{source.randint(1, 999)}号{tail}"


def _ipv6(source: random.Random) -> str:
    groups = ["2001", "db8", *(letters(source, source.randint(1, 4), _HEX) for _ in range(6))]
    return ":".join(groups) if source.random() < 0.5 else f"2001:db8::{groups[2]}:{groups[3]}"


def _ipv4(source: random.Random) -> str:
    return f"{source.choice(('192.0.2', '198.51.100', '203.0.113'))}.{source.randint(1, 254)}"


def _mobile(source: random.Random) -> str:
    prefix = source.choice(("130", "135", "138", "139", "150", "158", "166", "177", "186", "189", "191", "198", "199"))
    return f"{prefix}000{source.randint(0, 2)}{digits(source, 4)}"


def _ssn(source: random.Random) -> str:
    return (
        f"{source.choice('012345')}{digits(source, 2, '12345')}-{source.randint(10, 99)}-{source.randint(1000, 9999)}"
    )


VALUES: Final[Mapping[str, Make]] = {
    "mobile": _mobile,
    "landline": lambda r: f"{r.choice(('010', '021', '0755', '0571', '028', '025'))}-8000{digits(r, 4)}",
    "service_number": lambda r: f"400-{digits(r, 3, '0168')}-{digits(r, 4)}",
    "resident_id": lambda r: mod11_2(r.choice(_REGIONS) + _born(r) + digits(r, 3)),
    "resident_id_15": lambda r: r.choice(_REGIONS) + _born(r)[2:] + digits(r, 3),
    "residence_permit": lambda r: mod11_2(r.choice(("810000", "820000", "830000")) + _born(r) + digits(r, 3)),
    "bank_card": lambda r: luhn(r.choice(("622848", "621226", "622202", "621700")) + "0000" + digits(r, 8)),
    "uscc": lambda r: uscc("91" + r.choice(_REGIONS) + letters(r, 9, "0123456789ABCDEFGHJKLMNPQRTUWXY")),
    "passport": lambda r: r.choice(("E", "G")) + digits(r, 8),
    "permit": lambda r: r.choice(("H", "M", "C", "W")) + digits(r, 8),
    "officer_card": lambda r: f"{r.choice(('军', '政', '后', '南', '北'))}字第{digits(r, 7)}号",
    "plate": lambda r: r.choice(_PLATES) + r.choice("AB") + r.choice(("", "·")) + digits(r, 3) + letters(r, 2, "CFKT"),
    "plate_nev": lambda r: r.choice(_PLATES) + r.choice("ABC") + r.choice("DF") + digits(r, 5),
    "qq": lambda r: digits(r, r.randint(6, 10), "123456789"),
    "wechat": lambda r: f"{r.choice(('wx', 'abc_shop', 'life', 'mm-'))}{digits(r, r.randint(4, 6))}",
    "address": _address,
    "birth_date": lambda r: f"{r.randint(1903, 1914)}年{r.randint(1, 12)}月{r.randint(1, 28)}日",
    "medical_record": lambda r: digits(r, 8),
    "student_number": lambda r: f"{r.randint(1910, 1930)}{digits(r, 6)}",
    "social_security": lambda r: digits(r, 10),
    "housing_fund": lambda r: digits(r, 12),
    "email": lambda r: f"{r.choice(_FIRST)}{r.choice(('', digits(r, 3)))}@{r.choice(_DOMAINS)}",
    "phone": lambda r: r.choice((
        f"+44 20 7946 0{digits(r, 3)}", f"+1 (212) 555-01{digits(r, 2)}", f"+1-415-555-01{digits(r, 2)}",
        f"+61 2 5550 {digits(r, 4)}", f"+33 1 99 00 {digits(r, 2)} {digits(r, 2)}", f"+49 30 23125 {digits(r, 3)}",
    )),
    "ipv4": _ipv4,
    "ipv6": _ipv6,
    "mac": lambda r: ":".join(["00", "00", "5e", "00", "53", letters(r, 2, _HEX)]),
    "imei": lambda r: luhn("35" + digits(r, 12)),
    "iban": _iban,
    "payment_card": lambda r: luhn(r.choice(("411111", "555555", "400000", "222300")) + digits(r, 9)),
    "us_ssn": _ssn,
    "us_itin": lambda r: f"9{digits(r, 2)}-{r.randint(70, 88)}-{digits(r, 4)}",
    "uk_nino": lambda r: letters(r, 2, "CEHJLMPRSW") + digits(r, 6) + r.choice("ABCD"),
    "uk_nhs": lambda r: _until(lambda: nhs(digits(r, 9, "4567"))),
    "es_dni": lambda r: dni(digits(r, 8)),
    "pl_pesel": lambda r: pesel(_born(r)[2:] + digits(r, 4)),
    "nl_bsn": lambda r: _until(lambda: bsn(digits(r, 8, "12"))),
    "it_codice_fiscale": _codice,
    "crypto_wallet": lambda r: base58check(b"\0" + r.randbytes(20)),
    "gps": lambda r: f"{r.uniform(20, 50):.5f}, {r.uniform(80, 125):.5f}",
    "secret": lambda r: r.choice((
        "AKIA" + letters(r, 16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"), "LTAI5t" + letters(r, 18, _ALNUM),
        "ghp_" + letters(r, 36, _ALNUM),
    )),
    "password": lambda r: letters(r, 10, _ALNUM) + r.choice("!#%?"),
}  # fmt: skip
"""How a value of each entity is made."""

CHECKED: Final = (
    "resident_id", "residence_permit", "bank_card", "uscc", "iban", "payment_card", "imei", "uk_nhs", "es_dni",
    "pl_pesel", "nl_bsn", "it_codice_fiscale", "crypto_wallet",
)  # fmt: skip
"""Entities with a check digit."""

# Sentences around a value; {} is the value. What a rule needs as context stands in them, as people write it.
_ZH: Final[Mapping[str, tuple[str, ...]]] = {
    "mobile": ("联系电话：{}，随时恭候。", "有事请打{}找他", "手机{}（微信同号）", "收件人 {} 请当面签收"),
    "landline": ("办公电话：{}，工作日接听。", "传真{}", "请拨打{}咨询"),
    "service_number": ("客服热线{}全天开通。", "请致电{}"),
    "resident_id": ("身份证号{}，经核对无误。", "申请人证件号码：{}", "公民身份号码 {} 已登记"),
    "resident_id_15": ("原身份证号码{}为一代证。", "身份证：{}，已换领"),
    "residence_permit": ("港澳台居民居住证号码{}，有效期五年。", "居住证：{}"),
    "bank_card": ("请汇款至银行卡号{}，开户行为城东支行。", "卡号：{} 户名见上"),
    "uscc": ("统一社会信用代码{}。", "统一社会信用代码：{}，登记机关见附件"),
    "passport": ("护照号码：{}，签发于去年。", "持护照{}入境"),
    "permit": ("港澳通行证号码{}，签注一年。", "往来港澳通行证：{}"),
    "officer_card": ("军官证：{}，请出示。", "军官证号{}"),
    "plate": ("车牌{}的车主请挪车。", "号牌号码：{}", "一辆车牌号为{}的轿车"),
    "plate_nev": ("车牌{}的新能源车请挪车。", "号牌号码：{}"),
    "qq": ("加QQ：{}详谈。", "QQ{}常年在线", "扣扣号{}", "联系QQ {}"),
    "wechat": ("加微信：{}咨询。", "微信号{}欢迎添加", "V信{}备用", "薇信：{}"),
    "address": ("家住{}。", "收货地址：{}，请送货上门。", "现住{}，多年未搬"),
    "birth_date": ("出生日期：{}。", "生于{}，汉族"),
    "medical_record": ("病历号：{}，内科。", "住院号{}"),
    "student_number": ("学号：{}，三班。", "学籍号{}"),
    "social_security": ("社保号：{}，参保正常。", "社会保障号码{}"),
    "housing_fund": ("公积金账号：{}。", "住房公积金账号{}已封存"),
    "email": ("邮箱{}联系。", "投稿请发至{}，三日内回复", "E-mail：{}"),
    "ipv4": ("登录IP {}，用户正常。", "来自{}的访问", "IP地址为{}，已记录"),
    "ipv6": ("登录地址{}，已记录。", "IPv6 地址：{}"),
    "mac": ("网卡MAC地址{}。", "设备 {} 已离线"),
    "imei": ("手机串号IMEI：{}。", "IMEI {} 已挂失"),
    "payment_card": ("信用卡号{}，请核对。", "信用卡：{}"),
    "gps": ("定位坐标{}附近。", "经纬度：{}"),
    "password": ("密码：{}", "登录密码是 {} 请勿外传"),
}
_EN: Final[Mapping[str, tuple[str, ...]]] = {
    "email": ("Write to {} for the programme.", "Contact: {}", "({}) answers within a day"),
    "phone": ("Call {} in office hours.", "Phone: {}", "her number is {} since May"),
    "ipv4": ("The login came from {} at noon.", "IP: {}", "host {} refused the connection"),
    "ipv6": ("The login came from {} at noon.", "address {} was seen twice"),
    "mac": ("Its MAC address is {}.", "device {} went offline"),
    "imei": ("IMEI {} was reported stolen.", "The phone has IMEI: {}"),
    "iban": ("Please transfer to IBAN {}.", "My account: {}, as before"),
    "payment_card": ("Credit card {} was charged.", "card number: {}"),
    "us_ssn": ("Her SSN is {}.", "social security number: {}"),
    "us_itin": ("ITIN {} was used.", "taxpayer number (ITIN): {}"),
    "uk_nino": ("National Insurance number {}.", "NINO: {}"),
    "uk_nhs": ("NHS number {}.", "patient NHS no: {}"),
    "es_dni": ("DNI {} expedido en Madrid.", "con DNI: {}"),
    "pl_pesel": ("PESEL {} w aktach.", "numer PESEL: {}"),
    "nl_bsn": ("BSN {} staat op de kaart.", "burgerservicenummer: {}"),
    "it_codice_fiscale": ("Codice fiscale {}.", "codice fiscale: {}"),
    "crypto_wallet": ("Send it to {} today.", "BTC wallet: {}"),
    "gps": ("The photo was taken at {}.", "GPS: {}"),
    "secret": ("export KEY={}", "the token {} was committed"),
    "password": ("password: {}", "user root password={}"),
    "mobile": ("Call my mobile in China: {}.",),
    "qq": ("QQ: {}",),
    "wechat": ("WeChat: {}", "add me on wechat {}"),
}
SENTENCES: Final = {"zh": _ZH, "en": _EN}


# Forms: the same value, as people hide or beautify it.


def _full_width(value: str, _: random.Random) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in value)


def _circled(value: str, _: random.Random) -> str:
    return "".join("⓪①②③④⑤⑥⑦⑧⑨"[int(c)] if c in "0123456789" else c for c in value)


def _numerals(value: str, source: random.Random) -> str:
    written = source.choice(("零一二三四五六七八九", "〇一二三四五六七八九", "零壹贰叁肆伍陆柒捌玖"))
    return "".join(written[int(c)] if c in "0123456789" else c for c in value)


def _parted(value: str, source: random.Random) -> str:
    """Put a sign between groups, three and then four, as numbers are told."""
    return source.choice((" ", "-", ".")).join(re.findall(r"^.{3}|.{4}|.+", value))


def _spread(value: str, source: random.Random) -> str:
    return source.choice((" ", "-", ".", "\u200b")).join(value)


def _zero_width(value: str, source: random.Random) -> str:
    place = source.randint(2, len(value) - 2)
    return value[:place] + source.choice("\u200b\u200d\u2060\ufeff") + value[place:]


def _signs_in_words(value: str, source: random.Random) -> str:
    local, _, domain = value.partition("@")
    at, dot = source.choice(((" (at) ", " (dot) "), ("[at]", "[dot]"), (" at ", " dot "), ("[at]", "."), ("＠", ".")))
    return local + at + domain.replace(".", dot)


def _grouped(value: str, _: random.Random) -> str:
    return " ".join(re.findall(".{1,4}", value))


Form = Callable[[str, random.Random], str]
_NUMBER: Final[Mapping[str, Form]] = {
    "full width": _full_width, "circled": _circled, "numerals": _numerals, "parted": _parted, "spread": _spread,
    "zero width": _zero_width,
}  # fmt: skip
FORMS: Final[Mapping[str, Mapping[str, Form]]] = {
    "mobile": {**_NUMBER, "country code": lambda v, r: r.choice(("+86", "+86 ", "0086-", "(+86)")) + v},
    "resident_id": {"full width": _full_width, "zero width": _zero_width, "spread": _spread},
    "bank_card": {"full width": _full_width, "groups": _grouped, "zero width": _zero_width},
    "payment_card": {"groups": _grouped},
    "iban": {"groups": _grouped},
    "qq": {"full width": _full_width, "circled": _circled, "numerals": _numerals, "spread": _spread},
    "wechat": {"full width": _full_width, "zero width": _zero_width},
    "email": {"full width": _full_width, "signs in words": _signs_in_words},
    "plate": {"full width": _full_width},
    "ipv4": {"full width": _full_width},
}
"""Obfuscated forms of an entity; every other value stands in its plain form only."""


# What looks like personal data and is none.


def _isbn13(source: random.Random) -> str:
    body = "9787" + digits(source, 8)
    check = -sum(int(d) * (1 + 2 * (place % 2)) for place, d in enumerate(body)) % 10
    number = f"{body}{check}"
    return source.choice((number, f"{number[:3]}-{number[3]}-{number[4:7]}-{number[7:12]}-{number[12]}"))


def _isbn10(source: random.Random) -> str:
    body = "7" + digits(source, 8)
    check = -sum(int(d) * w for d, w in zip(body, range(10, 1, -1), strict=True)) % 11
    return body + ("X" if check == 10 else str(check))


def _stamp(source: random.Random) -> str:
    return f"20{source.randint(10, 25)}{source.randint(1, 12):02d}{source.randint(1, 28):02d}"


def _dotted(source: random.Random, n: int, most: int) -> str:
    return ".".join(str(source.randint(1, most)) for _ in range(n))


def _wrong_id(source: random.Random) -> str:
    good = VALUES["resident_id"](source)
    return good[:-1] + source.choice([c for c in "0123456789" if c != good[-1]])


def _wrong_card(source: random.Random) -> str:
    good = VALUES["bank_card"](source)
    return good[:-1] + source.choice([c for c in "0123456789" if c != good[-1]])


LOOKALIKES: Final[Mapping[str, Mapping[str, tuple[str, Make]]]] = {
    "zh": {
        "order number": ("订单号{}已发货。", lambda r: _stamp(r) + digits(r, 10)),
        "order number of 11": ("订单编号：{}，请留意物流。", lambda r: "1" + digits(r, 10, "3589")),
        "parcel": ("快递单号 {}，已签收。", lambda r: r.choice(("SF", "YT", "JD")) + digits(r, 13)),
        "isbn13": ("ISBN {}，定价四十元。", _isbn13),
        "isbn10": ("ISBN {}，人民出版社。", _isbn10),
        "version": ("版本号为{}，已修复若干问题。", lambda r: _dotted(r, 4, 40)),
        "build": ("构建于{}。", lambda r: _stamp(r) + digits(r, 6)),
        "icp": ("京ICP备{}号-1", lambda r: digits(r, 8, "012")),
        "police record": ("京公网安备 {}号", lambda r: f"1101{digits(r, 10)}"),
        "model": ("型号{}，功率五百瓦。", lambda r: f"{letters(r, 3, 'ABCDEGHK')}-{digits(r, 4)}{r.choice('AX')}"),
        "hash": ("文件哈希 {}，大小不变。", lambda r: letters(r, r.choice((32, 40, 64)), _HEX)),
        "price": ("售价{}元，限时优惠。", lambda r: f"{r.randint(1, 99)},{digits(r, 3)}.{digits(r, 2)}"),
        "amount": ("总额{}元，同比增长。", lambda r: f"1{digits(r, 10, '3589')}.{digits(r, 2)}"),
        "timetable": ("{}次列车 08:15 发车 14:32 到达", lambda r: r.choice("GDK") + digits(r, 4, "12345678")),
        "standard": ("按照 GB/T {} 执行。", lambda r: f"{digits(r, 5, '123')}-20{r.randint(10, 25)}"),
        "pi": ("圆周率约为{}。", lambda _: "3.14159265358979323846"),
        "stock": ("股票代码{}，今日涨停。", lambda r: digits(r, 6, "036")),
        "law": ("依照第{}条第二款处理。", lambda r: _dotted(r, 4, 9)),
        "wrong id": ("流水号{}。", _wrong_id),
        "wrong card": ("交易编号{}。", _wrong_card),
        "statistics": ("共有{}人次参观，创历史新高。", lambda r: digits(r, 7, "123456789")),
        "area": ("全国{}平方公里。", lambda r: digits(r, 6, "123456789")),
        "game score": ("比分{}，主队胜。", lambda r: f"{r.randint(60, 120)}-{r.randint(60, 120)}"),
        "group words": ("他们的QQ群里有{}人在线。", lambda r: str(r.randint(100, 2000))),
        "street": ("这条路全长{}米，连接南北。", lambda r: str(r.randint(100, 9000))),
    },
    "en": {
        "order number": ("Order {} has shipped.", lambda r: f"{digits(r, 3)}-{digits(r, 7)}-{digits(r, 7)}"),
        "tracking": ("Tracking number {}.", lambda r: "1Z" + letters(r, 6, "0123456789ABCDEFGH") + digits(r, 10)),
        "isbn13": ("ISBN {}.", _isbn13),
        "isbn10": ("ISBN {}.", _isbn10),
        "version": ("Upgrade to version {} today.", lambda r: _dotted(r, 4, 40)),
        "section": ("See section {} of the manual.", lambda r: _dotted(r, 4, 9)),
        "hash": ("commit {} fixes it", lambda r: letters(r, r.choice((32, 40, 64)), _HEX)),
        "uuid": (
            "id {} was removed",
            lambda r: "-".join(letters(r, n, _HEX) for n in (8, 4, 4, 4, 12)),
        ),
        "doi": ("doi:{}", lambda r: f"10.{digits(r, 4, '1')}/j.{letters(r, 5, 'abcdefgh')}.{digits(r, 6)}"),
        "arxiv": ("arXiv:{}", lambda r: f"{r.randint(10, 25)}{r.randint(1, 12):02d}.{digits(r, 5)}"),
        "price": ("It costs ${} with tax.", lambda r: f"{r.randint(1, 99)},{digits(r, 3)}.{digits(r, 2)}"),
        "model": ("The model {} needs no fan.", lambda r: f"{letters(r, 3, 'ABCDEGHK')}-{digits(r, 4)}X"),
        "timetable": ("Departs 08:15:30, arrives 14:32:05, flight {}.", lambda r: f"BA{digits(r, 4)}"),
        "package": ("npm install left-pad@{}", lambda r: f"{r.randint(0, 9)}.{r.randint(0, 20)}.{r.randint(0, 9)}"),
        "image": ("see {} for the icon", lambda r: f"{r.choice(('icon', 'logo'))}@{r.randint(2, 3)}x.png"),
        "decorator": ("use @{}.setter there", lambda r: r.choice(("value", "name", "size"))),
        "population": ("The city has {} inhabitants.", lambda r: f"{r.randint(1, 9)},{digits(r, 3)},{digits(r, 3)}"),
        "wrong card": ("Reference {}.", _wrong_card),
        "date range": ("in the years {}", lambda r: f"{r.randint(1700, 1900)}-{r.randint(1901, 2020)}"),
        "score": ("They won {} at home.", lambda r: f"{r.randint(60, 120)}-{r.randint(60, 120)}"),
        "timestamp": ("at {} the process ended", lambda r: f"1{digits(r, 9)}"),
        "ratio": ("aspect ratio {} or so", lambda r: f"{r.randint(1, 20)}:{r.randint(1, 20)}"),
    },
}  # fmt: skip
"""By language and kind: a sentence, and how the number in it is made."""

_FILLER: Final = {
    "zh": (
        "今天的天气格外晴朗，公园里有不少人在散步。", "会议讨论了下一阶段的工作安排，并形成了决议。",
        "这家店的面条味道不错，就是等的时间有点长。", "春天来了，河边的柳树开始发芽。",
        "项目组对方案进行了三轮评审，最终获得通过。", "他把书放回书架，关上了灯。",
    ),
    "en": (
        "The ferry crosses the river at seven and again at noon.", "Nobody had expected the bridge to hold so long.",
        "The committee met twice and agreed on the next steps.", "Green tea is picked before the spring rain ends.",
        "Its roof was mended in autumn, and the walls a year later.", "She closed the book and put out the light.",
    ),
}  # fmt: skip


def document(source: random.Random, lang: str) -> Text:
    """Compose a text: ordinary sentences, some with a value, some with a look-alike."""
    parts: list[str] = []
    spans: list[Span] = []
    kinds: list[str] = []
    at = 0
    for _ in range(source.randint(3, 8)):
        draw = source.random()
        if draw < 0.35:
            entity = source.choice(list(SENTENCES[lang]))
            form, value = written(source, entity)
            before, _, after = source.choice(SENTENCES[lang][entity]).partition("{}")
            spans.append(Span(at + len(before), at + len(before) + len(value), entity, form))
            sentence = before + value + after
        elif draw < 0.75:
            kind = source.choice(list(LOOKALIKES[lang]))
            sentence, make = LOOKALIKES[lang][kind]
            sentence = sentence.format(make(source))
            kinds.append(kind)
        else:
            sentence = source.choice(_FILLER[lang])
        # Chinese needs no space between sentences; but where one has no full stop, two values must not grow together.
        sentence += source.choice(("\n", " ", "") if sentence.endswith("。") else ("\n", " "))
        parts.append(sentence)
        at += len(sentence)
    return Text(lang, "".join(parts), tuple(spans), tuple(kinds))


def written(source: random.Random, entity: str) -> tuple[str, str]:
    """Make a value of an entity in one of its forms; half of those that have any are plain."""
    value = VALUES[entity](source)
    forms = FORMS.get(entity, {})
    if not forms or source.random() < 0.5:
        return PLAIN, value
    form = source.choice(list(forms))
    return form, forms[form](value, source)


def texts(seed: int, number: int) -> Iterator[Text]:
    """Compose `number` texts of each language."""
    source = random.Random(seed)
    for lang in SENTENCES:
        for _ in range(number):
            yield document(source, lang)
