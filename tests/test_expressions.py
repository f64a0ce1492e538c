"""The expression language of policies: what passes, what is refused, and what unknown means."""

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from corpus_gov.errors import PolicyError
from corpus_gov.expressions import MAX_CHARS, evaluate, leaves, parse

WHERE = "rules/policies/x.yaml:7: clause 'a': when"
few = settings(deadline=None, max_examples=50)
"""Every evaluation is a query of some milliseconds."""

TABLE = pa.table(
    {
        "n": [1, 0, None],
        "s": ["a", "it's", None],
        "quality": pa.StructArray.from_arrays(
            [pa.array([0.25, 0.5, None]), pa.array([3, 2**63 - 1, 0])], names=["share", "deep.er"]
        ),
    }
)


def truth(text: str) -> list[bool | None]:
    return evaluate([parse(text, WHERE)], TABLE)[0].to_pylist()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("n = 1", [True, False, None]),
        ("n <> 1 OR s = 'a'", [True, True, None]),
        ("NOT (n = 1)", [False, True, None]),
        ("n IS NULL", [False, False, True]),
        ("s IS NOT NULL AND n >= 0", [True, True, False]),
        ("s IN ('a', 'b')", [True, False, None]),
        ("s NOT IN ('a', 'b')", [False, True, None]),
        ("s = 'it''s'", [False, True, None]),
        ("quality.share BETWEEN 0.25 AND 0.3", [True, False, None]),
        ("quality.share = 0.25", [True, False, None]),
        ("quality.deep.er > 2", [True, True, False]),
        ("coalesce(n, 5) = 5", [False, False, True]),
        ("CASE WHEN n = 1 THEN false ELSE true END", [False, True, True]),
        ("CASE n WHEN 1 THEN 'x' ELSE 'y' END = 'x'", [True, False, False]),
        ("abs(-n - 1) > 1", [True, False, None]),
        ("starts_with(lower(s), 'it') AND contains(s, 's')", [False, True, None]),
        ("least(n, 0.5) < greatest(quality.share, 0.4)", [False, True, False]),
        ("n IS DISTINCT FROM 1", [False, True, True]),
        ("n * 2 + 1 - 4 % 3 = 2 -- and a remark", [True, False, None]),
        ("true", [True, True, True]),
    ],
)
def test_what_can_be_said(text: str, expected: list[bool | None]) -> None:
    """The allowed forms mean what they mean in SQL, unknown operands included."""
    assert truth(text) == expected


@pytest.mark.parametrize("text", ["1 / n > 0", "1 // n > 0", "1 % n >= 0", "quality.deep.er * quality.deep.er > 0"])
def test_what_cannot_be_computed_is_unknown(text: str) -> None:
    """A division by zero and an overflow give neither true nor false."""
    assert None in truth(text)[:2]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "n +",
        "*",
        "n, s",
        "n; SELECT 1",
        "n AS m",
        "1 FROM facts",
        "n FROM facts",
        "(SELECT 1) = 1",
        "EXISTS (SELECT 1)",
        "n IN (SELECT 1)",
        "?",
        "$1 = n",
        "sum(n) > 1",
        "sum(n) OVER () > 1",
        "count(*) > 1",
        "COLUMNS('n') = 1",
        "n::VARCHAR = '1'",
        "CAST(n AS DOUBLE) > 1",
        "DATE '2020-01-01' IS NULL",
        "s LIKE 'a%'",
        "s ~ 'a'",
        "s || 'a' = 'b'",
        "[n] = [1]",
        "{'a': n} = {'a': 1}",
        "s[1] = 'a'",
        "list_filter([1], lambda x: x > 0) = [1]",
        "read_csv('/etc/passwd') IS NULL",
        "getvariable('x') = 1",
        "current_setting('threads') = '1'",
        "nextval('x') = 1",
        "random() > 0.5",
        "now() IS NULL",
        "abs(DISTINCT n) = 1",
        "abs(x := 1) = 1",
        "s.lower() = 'a'",
        "main.lower(s) = 'a'",
        "NULL",
        "n = NULL",
        "CASE WHEN n = 1 THEN true END",
        "n > 99999999999999999999999999",
        "0x1F = 1",
        "true ORDER BY 1",
        "true LIMIT 1",
        "true WHERE true",
        "true GROUP BY ALL",
        "true UNION SELECT false",
        "DISTINCT n",
        '"a"";b" = 1',
        "NOT " * 100 + "true",
        "(" * 900 + "true" + ")" * 900,
        " OR ".join(["n = 1"] * 150),
        "n = 1" + " " * MAX_CHARS,
    ],
)
def test_everything_else_is_refused(text: str) -> None:
    """What is not on the allow-list is refused before anything runs, with the place in the policy."""
    with pytest.raises(PolicyError) as caught:
        parse(text, WHERE)

    assert str(caught.value).startswith(f"{WHERE}: found ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("quality.shar > 1", r"found column 'quality.shar', expected one of quality.deep.er, quality.share"),
        ("nope = 1", r"found column 'nope', expected one of n, "),
        ("N = 1", r"found column 'N'"),
        ("quality = 1", r"found column 'quality'"),
        ("s > 1", r"found types that do not fit"),
        ("contains(n, 's')", r"found types that do not fit"),
        ("n + 1", r"found an expression of type"),
        ("s", r"found an expression of type string, expected true or false"),
        ("s IN (1, 2)", r"found values that it cannot be computed for"),
    ],
)
def test_columns_and_types_are_checked(text: str, message: str) -> None:
    """A column that does not exist, or a type that does not fit, is an error of the clause, and quotes no value."""
    with pytest.raises(PolicyError, match=message) as caught:
        truth(text)

    assert str(caught.value).startswith(WHERE)
    assert "it's" not in str(caught.value)


def test_the_failing_expression_is_named() -> None:
    """Among many expressions the message names the one that is wrong."""
    expressions = [parse("n = 1", "f:1: a"), parse("s IN (1, 2)", "f:2: b")]

    with pytest.raises(PolicyError, match=r"^f:2: b: "):
        evaluate(expressions, TABLE)


def test_numbers_can_be_asked_for() -> None:
    """An expression can be asked for a number instead of a truth."""
    (values,) = evaluate([parse("10000 * (1 - quality.share)", WHERE)], TABLE, "a number")

    assert values.to_pylist() == [7500.0, 5000.0, None]


def test_shares_compare_as_written() -> None:
    """A share stored as ten-thousandths and a literal of up to four decimals compare as equal."""
    shares = pa.table({"x": pa.array([i / 10_000 for i in range(10_001)])})
    some = range(0, 10_001, 137)

    equal = evaluate([parse(f"x = {i / 10_000:.4f}", WHERE) for i in some], shares)

    assert [[i for i, hit in enumerate(column.to_pylist()) if hit] for column in equal] == [[i] for i in some]


def test_nothing_to_evaluate() -> None:
    """No expressions and no rows are no special case."""
    assert evaluate([], TABLE) == []
    assert evaluate([parse("n = 1", WHERE)], TABLE.slice(0, 0))[0].to_pylist() == []
    assert evaluate([parse("true", WHERE)], TABLE.slice(1))[0].to_pylist() == [True, True]


def test_leaves_are_dotted() -> None:
    """Fields of structs are named by their path; structs themselves cannot be read."""
    assert list(leaves(TABLE.schema)) == ["n", "s", "quality.share", "quality.deep.er"]


@few
@example("0/0")  # written with nullif
@given(st.text(max_size=60))
def test_any_text_is_checked_or_refused(text: str) -> None:
    """No text makes the parser or the checks fail in another way than by refusing."""
    try:
        expression = parse(text, WHERE)
    except PolicyError:
        return
    # What passed is written from known parts only, so it reads as one expression again.
    assert parse(expression.sql, WHERE).columns == tuple(sorted(set(expression.columns)))


@few
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40))
def test_any_constant_survives(value: str) -> None:
    """A string constant means itself, whatever quotes or SQL it holds."""
    quoted = value.replace("'", "''")
    table = pa.table({"s": [value, value + "x"]})

    assert evaluate([parse(f"s = '{quoted}'", WHERE)], table)[0].to_pylist() == [True, False]


@few
@given(st.lists(st.one_of(st.none(), st.integers(-3, 3)), max_size=12), st.integers(0, 12))
def test_batching_does_not_matter(values: list[int | None], cut: int) -> None:
    """Every row is evaluated on its own: any cut of the table gives the same answers in the same order."""
    table = pa.table({"n": pa.array(values, pa.int64())})
    expression = parse("n > 0 AND 6 / n >= 2 OR n IS NULL", WHERE)

    parts = [evaluate([expression], part)[0].to_pylist() for part in (table.slice(0, cut), table.slice(cut))]

    assert parts[0] + parts[1] == evaluate([expression], table)[0].to_pylist()
