"""A small, safe expression language for policies: scalar SQL over the columns of a table.

An expression is parsed by DuckDB's own parser, every node of the tree is checked against an allow-list, and
the SQL that runs is written anew from the checked tree: what was not understood cannot run. It runs in a
connection of its own without files, network, extensions or spilling, in one thread, in one SELECT for all
expressions. Three-valued logic is SQL's: an unknown operand makes an unknown (null) result, and so does an
overflow or a division by zero.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Final

import duckdb
import pyarrow as pa

from corpus_gov.errors import PolicyError
from corpus_gov.sqltree import PREFIX, Writer, only_expression

MAX_CHARS: Final = 2_000
"""Longest expression; nobody can review a longer one."""
MAX_DEPTH: Final = 50
"""Deepest nesting; the parser, the reader of its JSON and our walk all recurse."""

KINDS: Final[Mapping[str, Callable[[pa.DataType], bool]]] = {
    "true or false": pa.types.is_boolean,
    "a number": lambda kind: pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind),
}
"""What an expression can be asked to give."""

_SETTINGS: Final = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",
    "temp_directory": "",
    "threads": "1",
    "max_expression_depth": str(MAX_DEPTH),
    "lock_configuration": "true",
}


@dataclass(frozen=True)
class Expression:
    """A checked expression; `sql` is written from its tree, `columns` are the dotted names that it reads."""

    text: str
    where: str
    """Place in the policy, for messages: "file:line: clause 'id'"."""
    sql: str
    columns: tuple[str, ...]


def parse(text: str, where: str) -> Expression:
    """Check one expression; see `parse_all`."""
    return parse_all([(text, where)])[0]


def parse_all(written: Sequence[tuple[str, str]]) -> tuple[Expression, ...]:
    """Check expressions and write their SQL anew.

    Args:
        written: text and place of each; columns are dotted names such as quality.n_chars.

    Raises:
        PolicyError: one is no expression, too long or too deep, or has a node that is not on the allow-list.
    """
    with _connection() as connection:
        return tuple(_parsed(connection, text, where) for text, where in written)


def _parsed(connection: Any, text: str, where: str) -> Expression:
    if len(text) > MAX_CHARS:
        raise PolicyError(f"{where}: found {len(text)} characters, expected at most {MAX_CHARS}; split the clause")
    (answer,) = connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [PREFIX + text]).fetchone()
    parsed = json.loads(answer)
    if parsed["error"]:
        raise PolicyError(
            f"{where}: found no expression ({parsed.get('error_message', 'unreadable')}), "
            "expected scalar SQL such as `quality.n_chars < 20`; correct the syntax"
        )
    writer = Writer(where)
    sql = writer.write(only_expression(parsed["statements"], where))
    return Expression(text, where, sql, tuple(sorted(writer.columns)))


def leaves(schema: pa.Schema) -> dict[str, pa.Field]:
    """Name what expressions can read: columns that are no struct, and the fields of structs, dotted."""
    return dict(_walk(list(schema), ()))


def _walk(fields: Sequence[pa.Field], path: tuple[str, ...]) -> Iterator[tuple[str, pa.Field]]:
    for field in fields:
        here = (*path, field.name)
        if pa.types.is_struct(field.type):
            yield from _walk([field.type.field(i) for i in range(field.type.num_fields)], here)
        else:
            yield ".".join(here), field


def evaluate(expressions: Sequence[Expression], table: pa.Table, kind: str = "true or false") -> list[pa.Array]:
    """Evaluate expressions for every row, in one pass.

    Args:
        expressions: k of them.
        table: n rows; struct fields are read by their dotted names.
        kind: one of KINDS, which every expression must give.

    Returns:
        k arrays of n rows; null where the result is unknown or cannot be computed.

    Raises:
        PolicyError: a column does not exist, types do not fit, or the result is not of that kind.
    """
    if not expressions:
        return []
    known = leaves(table.schema)
    for expression in expressions:
        _check_columns(expression, known)
    flat = _flat(table, (name for expression in expressions for name in expression.columns))
    with _connection() as connection:
        _check(tuple(expressions), flat.schema, kind)
        connection.register("facts", flat)
        try:
            result = _select(connection, expressions)
        except duckdb.Error:
            raise _culprit(connection, expressions) from None
    return [column.combine_chunks() for column in result.columns]


# A policy is the same for all shards of a run, and looking at its clauses takes as long as computing them.
@lru_cache(maxsize=32)
def _check(expressions: tuple[Expression, ...], schema: pa.Schema, kind: str) -> None:
    """Check types without rows, so that such a message cannot hold a value from the table."""
    with _connection() as connection:
        connection.register("facts", schema.empty_table())
        _check_types(connection, expressions, kind)


def _flat(table: pa.Table, names: Iterable[str]) -> pa.Table:
    """Return the named leaves as plain columns, and one column more, since none may be named at all."""
    while any(pa.types.is_struct(kind) for kind in table.schema.types):
        table = table.flatten()
    return table.select(sorted(set(names))).append_column("", pa.nulls(len(table), pa.int8()))


def _check_columns(expression: Expression, known: Mapping[str, pa.Field]) -> None:
    for name in expression.columns:
        if name not in known:
            near = sorted(other for other in known if other.split(".")[0] == name.split(".")[0]) or sorted(known)
            raise PolicyError(
                f"{expression.where}: found column {name!r}, expected one of {', '.join(near[:40])}; "
                "correct its spelling, or screen and measure for it"
            )


def _select(connection: Any, expressions: Sequence[Expression]) -> pa.Table:
    columns = ", ".join(f"TRY({expression.sql}) AS k{i}" for i, expression in enumerate(expressions))
    return connection.sql(f"SELECT {columns} FROM facts").to_arrow_table()  # noqa: S608 - SQL that we wrote


def _culprit(connection: Any, expressions: Sequence[Expression]) -> PolicyError:
    """Find the expression that cannot be computed; the library's own message is left out, since it can quote values."""
    for expression in expressions:
        try:
            _select(connection, [expression])
        except duckdb.Error as error:
            return PolicyError(
                f"{expression.where}: found values that it cannot be computed for ({type(error).__name__}), expected "
                "numbers compared with numbers and strings with strings; correct the clause"
            )
    return PolicyError(f"{expressions[0].where}: the clauses cannot be computed together; make them simpler")


def _check_types(connection: Any, expressions: Sequence[Expression], kind: str) -> None:
    try:
        found = _select(connection, expressions).schema.types
    except duckdb.Error as error:
        if len(expressions) > 1:
            for expression in expressions:
                _check_types(connection, [expression], kind)
        reason = str(error).split("\n", 1)[0].removeprefix("Binder Error: ")
        where = expressions[0].where
        raise PolicyError(f"{where}: found types that do not fit ({reason}); correct the clause") from None
    for expression, type_ in zip(expressions, found, strict=True):
        if not KINDS[kind](type_):
            raise PolicyError(
                f"{expression.where}: found an expression of type {type_}, expected {kind}; compare something"
            )


@contextmanager
def _connection() -> Iterator[Any]:
    """Open a connection of its own to the process's empty database; what is registered in it goes with it."""
    connection = _database(os.getpid()).cursor()
    try:
        yield connection
    finally:
        connection.close()


@cache
def _database(process: int) -> Any:  # noqa: ARG001 - a fork must not use its parent's
    # Opening one takes 30 ms and a connection 20 µs.
    return duckdb.connect(":memory:", config=dict(_SETTINGS))
