"""Blocks to lines of text: a paragraph a line, a table row a line, items marked, code as it stands."""

from itertools import groupby

import numpy as np

from corpus_gov.kernels.blocks import Blocks

CELL_BYTES = 300
"""Longer cells are columns of a page rather than of a table, and stand on lines of their own."""


def joined(blocks: Blocks, keep: np.ndarray) -> str:
    """Join the blocks that are kept."""
    data = blocks.text.tobytes()
    places = np.flatnonzero(keep)
    columns = (blocks.starts, blocks.ends, blocks.row, blocks.cell, blocks.item)
    rows = zip(*(column[places].tolist() for column in columns), strict=True)
    lines: list[str] = []
    item = -1
    for row, group in groupby(rows, key=lambda block: block[2]):
        found = [(data[start:end].decode().rstrip(), cell, own) for start, end, _, cell, own in group]
        if row >= 0 and _is_row(found):
            lines.append(" | ".join(line for line, _, _ in found))
            continue
        for line, _, own in found:
            lines.append(f"- {line}" if own >= 0 and own != item else line)
            item = own
    return "\n".join(lines)


def _is_row(found: list[tuple[str, int, int]]) -> bool:
    cells = {cell for _, cell, _ in found}
    return 1 < len(cells) == len(found) and all(len(line) <= CELL_BYTES and "\n" not in line for line, _, _ in found)


def visible(blocks: Blocks) -> list[str]:
    """Return the lines of the whole page, in page order."""
    return blocks.text.tobytes().decode().split("\n")[:-1]
