"""The only importer of Vega-Altair: charts as SVG, rendered here and offline, readable in grey.

An SVG loads nothing, and holds the names and numbers that it was given, escaped by the renderer.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from corpus_gov.terminal import plain

GREYS: Final[Mapping[str, str]] = {
    "keep": "#17405c", "redact": "#5b9bc8", "quarantine": "#f2cf7a", "drop": "#b0482f",
    "document": "#17405c", "repeat": "#5b9bc8", "evidence": "#8fbf9f", "skipped": "#f2cf7a",
    "suppressed": "#6b6b6b", "rejected": "#b0482f",
}  # fmt: skip
"""Colours whose lightness differs too, so that a print in grey can be read."""

INK: Final = "#17405c"
FONT: Final = "system-ui, 'Noto Sans CJK SC', 'Microsoft YaHei', 'PingFang SC', sans-serif"
WIDTH: Final = 440
"""Of the plot, in pixels; with labels it fits a page's column."""

PADDING: Final = {"left": 28, "top": 6, "right": 28, "bottom": 6}
"""The renderer measures labels in its own font; a reader's may be wider."""

CATEGORIES_MOST: Final = 14
"""Bars of a chart; the least are summed up as others."""

_LABEL_MOST: Final = 30


def stacked(
    cells: Mapping[tuple[str, str], int], parts: Mapping[str, str], *, others: str, title: str, keep_order: bool = False
) -> str:
    """Draw a bar for each category, made of parts.

    Args:
        cells: number by category and part.
        parts: what each part is called, in the order of the bar; keys of GREYS.
        others: what the least categories together are called.
        title: of the axis of numbers.
        keep_order: as given, the last of them where there are too many; by size otherwise.
    """
    import altair as alt  # noqa: PLC0415 - half a second, and a second for the renderer's first chart

    totals: dict[str, int] = {}
    for (category, _), n in cells.items():
        totals[category] = totals.get(category, 0) + n
    order = list(totals) if keep_order else sorted(totals, key=lambda one: (-totals[one], one))
    shown = order[-CATEGORIES_MOST:] if keep_order else order[:CATEGORIES_MOST]
    summed: dict[tuple[str, str], int] = {}
    for (category, part), n in cells.items():
        place = (category if category in shown else others, part)
        if not keep_order or category in shown:
            summed[place] = summed.get(place, 0) + n
    names = [*shown, *([others] if len(shown) < len(order) and not keep_order else [])]
    ranks = {part: rank for rank, part in enumerate(parts)}
    rows = [
        {"category": _label(category), "part": parts[part], "rank": ranks[part], "n": n}
        for (category, part), n in summed.items()
        if part in parts
    ]
    colours = alt.Scale(domain=list(parts.values()), range=[GREYS[part] for part in parts])
    chart = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_bar(stroke="white", strokeWidth=1)
        .encode(
            y=alt.Y("category:N", title=None, sort=[_label(one) for one in names]),
            x=alt.X("n:Q", title=title, axis=_numbers(alt)),
            color=alt.Color(
                "part:N", title=None, scale=colours, sort=list(parts.values()),
                legend=alt.Legend(orient="top", columns=3 if len(parts) > 4 else 4, symbolType="square"),
            ),
            order=alt.Order("rank:Q"),
        )
    )  # fmt: skip
    return _svg(chart)


def bars(values: Mapping[str, int], *, title: str, others: str = "") -> str:
    """Draw a bar with its number for each category, in the given order.

    Args:
        values: number by category.
        title: of the axis of numbers.
        others: what the last categories together are called, where there are too many.
    """
    import altair as alt  # noqa: PLC0415

    items = list(values.items())
    if len(items) > CATEGORIES_MOST:
        items = [*items[:CATEGORIES_MOST], (others, sum(n for _, n in items[CATEGORIES_MOST:]))]
    names = [_label(name) for name, _ in items]
    rows = [{"category": name, "n": n, "said": f"{n:,}"} for name, (_, n) in zip(names, items, strict=True)]
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        y=alt.Y("category:N", title=None, sort=names),
        x=alt.X("n:Q", title=title, axis=_numbers(alt)),
    )
    words = base.mark_text(align="left", dx=4, color="#222", fontSize=12).encode(text="said:N")
    return _svg(base.mark_bar(color=INK) + words)


def intervals(rows: Sequence[Mapping[str, Any]], *, limit: float, title: str, limit_title: str) -> str:
    """Draw a point with its bounds for each row, and the limit as a line.

    Args:
        rows: name, share, lower and upper, in per cent.
        limit: in per cent.
        title: of the axis.
        limit_title: what stands at the line.
    """
    import altair as alt  # noqa: PLC0415

    data = [{**row, "name": _label(row["name"])} for row in rows[:CATEGORIES_MOST]]
    base = alt.Chart(alt.InlineData(values=data)).encode(
        y=alt.Y("name:N", title=None, sort=[row["name"] for row in data])
    )
    spans = base.mark_rule(color=INK, strokeWidth=3).encode(
        x=alt.X("lower:Q", title=title, axis=alt.Axis(format=".1~f", tickCount=5)), x2="upper:Q"
    )
    points = base.mark_point(color=INK, fill="white", size=70, opacity=1).encode(x="share:Q")
    line = alt.Chart(alt.InlineData(values=[{"limit": limit, "said": limit_title}]))
    rule = line.mark_rule(color="#b0482f", strokeDash=[6, 4], strokeWidth=2).encode(x="limit:Q")
    words = line.mark_text(align="left", dx=5, baseline="top", color="#b0482f", fontSize=12).encode(
        x="limit:Q", y=alt.value(-16), text="said:N"
    )
    return _svg(spans + points + rule + words)


def _label(name: str) -> str:
    name = plain(name)
    return name if len(name) <= _LABEL_MOST else name[: _LABEL_MOST - 1] + "…"


def _numbers(alt: Any) -> Any:
    return alt.Axis(format=",d", tickCount=5, tickMinStep=1, grid=True)


def _svg(chart: Any) -> str:
    import vl_convert  # noqa: PLC0415

    drawn = (
        chart.properties(width=WIDTH, height={"step": 26}, background="white", padding=PADDING)
        .configure(font=FONT)
        .configure_view(stroke=None)
        .configure_axis(labelFontSize=13, titleFontSize=13, titleFontWeight="normal", labelLimit=0, gridColor="#e3e3e3")
        .configure_legend(labelFontSize=13)
    )
    svg: str = vl_convert.vegalite_to_svg(drawn.to_json(), allowed_base_urls=[])
    # The figure around it says what it shows; ids of several charts on one page would collide.
    return re.sub(r'\sid="[^"]*"', "", svg) if "url(#" not in svg else svg
