"""Addresses read as what they stand for: %40 is a sign, and places lead back to the address as recorded."""

import re
from itertools import accumulate
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

MAX_LAYERS: Final = 4
"""How often an address is decoded: one carries another in a parameter, which is encoded again."""

# A plus is a space in a form's data; elsewhere it is itself, as in the country code of a number.
_ENCODED: Final = r"(?:%[0-9A-Fa-f]{2})+|(?<=[0-9])\+(?=[0-9])"
_CODE = re.compile(_ENCODED)
_MAYBE: Final = r"%[0-9A-Fa-f]{2}|[0-9]\+[0-9]"
_WIDEST: Final = 4
"""Bytes of the longest code point in UTF-8."""


class Layer(NamedTuple):
    """Those texts of a column that decoding changed, one round further."""

    rows: np.ndarray
    """int64, of the column."""
    texts: pa.Array
    """large_string."""
    places: tuple[np.ndarray, ...]
    """For each text int64: where each of its code points, and its end, lies in the row, in code points."""


def layers(column: pa.Array) -> list[Layer]:
    """Decode the texts of a column until nothing is left to decode, at most MAX_LAYERS times.

    Bytes that are no UTF-8 once decoded stay as they are. Texts without an encoded sign are only searched for one.

    Args:
        column: string or large_string, n rows; nulls have no layer.

    Returns:
        One layer a round, the deepest last; rows ascend.
    """
    rows = np.flatnonzero(np.asarray(pc.fill_null(pc.match_substring_regex(column, _MAYBE), False)))  # noqa: FBT003
    waiting = [(row, text, np.arange(len(text) + 1)) for row, text in zip(rows, _texts(column, rows), strict=True)]
    found: list[Layer] = []
    while waiting and len(found) < MAX_LAYERS:
        decoded = [(row, *_decode(text), before) for row, text, before in waiting]
        waiting = [(row, text, before[places]) for row, text, places, before in decoded]
        numbers, texts, places = zip(*waiting, strict=True)
        found.append(Layer(np.array(numbers, np.int64), pa.array(texts, pa.large_string()), places))
        waiting = [one for one in waiting if _CODE.search(one[1])]
    return found


def _texts(column: pa.Array, rows: np.ndarray) -> list[str]:
    texts: list[str] = column.take(pa.array(rows, pa.int64())).to_pylist()
    return texts


def _decode(text: str) -> tuple[str, np.ndarray]:
    """Return a decoded text, and where each of its code points and its end lies in the encoded one."""
    parts: list[str] = []
    widths: list[int] = []
    end = 0
    for match in _CODE.finditer(text):
        plain = text[end : match.start()]
        decoded, taken = (" ", [1]) if match[0] == "+" else _run(match[0])
        parts += [plain, decoded]
        widths += [1] * len(plain) + taken
        end = match.end()
    parts.append(text[end:])
    widths += [1] * (len(text) - end)
    return "".join(parts), np.array(list(accumulate(widths, initial=0)), np.int64)


def _run(run: str) -> tuple[str, list[int]]:
    """Decode a run of %XX: the text, and how many code points of the run each of its code points took."""
    data = bytes.fromhex(run.replace("%", ""))
    try:
        whole = data.decode()
    except UnicodeDecodeError:
        return _pieces(run, data)
    return whole, [3 * (1 + (char > "\x7f") + (char > "\u07ff") + (char > "\uffff")) for char in whole]


def _pieces(run: str, data: bytes) -> tuple[str, list[int]]:
    """Decode what can be decoded of a run."""
    parts: list[str] = []
    widths: list[int] = []
    at = 0
    while at < len(data):
        char, size = _first(data[at : at + _WIDEST])
        parts.append(char or run[3 * at : 3 * at + 3])
        widths += [3 * size] if char else [1, 1, 1]
        at += size
    return "".join(parts), widths


def _first(data: bytes) -> tuple[str, int]:
    """Return the first code point and its bytes, or nothing and the one byte that begins none."""
    lead = data[0]
    size = 1 if lead < 0x80 else 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4
    try:
        return data[:size].decode(), size
    except UnicodeDecodeError:
        return "", 1
