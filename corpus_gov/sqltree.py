"""The parser's tree of an expression, checked node by node and written anew as SQL.

Whatever is not on the allow-lists here is refused: subqueries, stars, windows, aggregates, parameters, casts,
lambdas, lists, NULL as a value, and every function but a few pure ones.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from corpus_gov.errors import PolicyError

Node = Mapping[str, Any]
"""A node of the parser's tree, as its JSON has it."""

MAX_NODES: Final = 200
"""Most nodes of the parsed tree."""

FUNCTIONS: Final[Mapping[str, tuple[int, int]]] = {
    "abs": (1, 1),
    "round": (1, 2),
    "least": (2, 20),
    "greatest": (2, 20),
    "lower": (1, 1),
    "upper": (1, 1),
    "length": (1, 1),
    "contains": (2, 2),
    "starts_with": (2, 2),
    "ends_with": (2, 2),
    "list_contains": (2, 2),
    "nullif": (2, 2),
}
"""Pure functions with least and most arguments; `least` and `greatest` skip nulls, `coalesce` is syntax."""

COMPARISONS: Final = {
    "COMPARE_EQUAL": "=",
    "COMPARE_NOTEQUAL": "<>",
    "COMPARE_LESSTHAN": "<",
    "COMPARE_LESSTHANOREQUALTO": "<=",
    "COMPARE_GREATERTHAN": ">",
    "COMPARE_GREATERTHANOREQUALTO": ">=",
    "COMPARE_DISTINCT_FROM": "IS DISTINCT FROM",
    "COMPARE_NOT_DISTINCT_FROM": "IS NOT DISTINCT FROM",
}
ARITHMETIC: Final = ("+", "-", "*", "/", "//", "%")
_NUMBER: Final = re.compile(r"-?\d{1,18}(\.\d{1,18})?([eE][-+]?\d{1,2})?")
PREFIX: Final = "SELECT "
"""What stands before an expression when it is parsed; places in the tree count from it."""


def only_expression(statements: Sequence[Node], where: str) -> Node:
    """Take the one expression of `SELECT <expression>`.

    Raises:
        PolicyError: there is anything around it.
    """
    node = statements[0]["node"] if len(statements) == 1 else {}
    plain = (
        node.get("type") == "SELECT_NODE"
        and len(node["select_list"]) == 1
        and node["from_table"]["type"] == "EMPTY"
        and not node["cte_map"]["map"]
        and not any(
            node[key] for key in ("modifiers", "where_clause", "group_expressions", "having", "sample", "qualify")
        )
        and node["aggregate_handling"] == "STANDARD_HANDLING"
        and not statements[0]["named_param_map"]
    )
    if not plain:
        raise PolicyError(
            f"{where}: found more than one expression, expected one without clauses, commas or semicolons"
        )
    expression: Node = node["select_list"][0]
    return expression


class Writer:
    """Walk a tree and write SQL from it; a kind of node that is not named here does not pass.

    Raises:
        PolicyError: from `write`, with the place and what was found.
    """

    def __init__(self, where: str) -> None:
        self.where = where
        self.columns: set[str] = set()
        """Dotted names that were read."""
        self._nodes = 0
        self._kinds: dict[str, Callable[[Node], str]] = {
            "CONJUNCTION_AND": lambda node: f"({' AND '.join(self._all(node['children']))})",
            "CONJUNCTION_OR": lambda node: f"({' OR '.join(self._all(node['children']))})",
            "OPERATOR_NOT": lambda node: f"(NOT {self.write(node['children'][0])})",
            "OPERATOR_IS_NULL": lambda node: f"({self.write(node['children'][0])} IS NULL)",
            "OPERATOR_IS_NOT_NULL": lambda node: f"({self.write(node['children'][0])} IS NOT NULL)",
            "OPERATOR_COALESCE": lambda node: f"coalesce({', '.join(self._all(node['children']))})",
            "COMPARE_IN": self._membership,
            "COMPARE_BETWEEN": self._between,
            "CASE_EXPR": self._case,
            "COLUMN_REF": self._column,
            "VALUE_CONSTANT": self._constant,
            "FUNCTION": self._function,
        }

    def write(self, node: Node) -> str:
        """Return the SQL of a node, in brackets unless it is atomic."""
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise PolicyError(f"{self.where}: found more than {MAX_NODES} nodes; split the clause")
        kind = node["type"]
        if node["alias"]:
            raise self._refusal(node, f"an alias {node['alias']!r}")
        if kind in COMPARISONS:
            return f"({self.write(node['left'])} {COMPARISONS[kind]} {self.write(node['right'])})"
        if kind not in self._kinds:
            raise self._refusal(node, str(kind).lower().replace("_", " "))
        return self._kinds[kind](node)

    def _refusal(self, node: Node, found: str) -> PolicyError:
        at = node.get("query_location", 0) - len(PREFIX) + 1
        # The parser gives nodes that it made up itself the largest number as their place.
        place = f" at character {at}" if 0 < at < 1 << 32 else ""
        return PolicyError(
            f"{self.where}: found {found}{place}, expected columns, constants, comparisons, AND, OR, NOT, IN, "
            f"BETWEEN, IS NULL, CASE … ELSE, coalesce, arithmetic or {', '.join(FUNCTIONS)}; write it with these"
        )

    def _all(self, nodes: Sequence[Node]) -> list[str]:
        return [self.write(node) for node in nodes]

    def _membership(self, node: Node) -> str:
        value, *members = self._all(node["children"])
        return f"({value} IN ({', '.join(members)}))"

    def _between(self, node: Node) -> str:
        value, lower, upper = self._all([node["input"], node["lower"], node["upper"]])
        return f"({value} BETWEEN {lower} AND {upper})"

    def _case(self, node: Node) -> str:
        cases = [f"WHEN {self.write(c['when_expr'])} THEN {self.write(c['then_expr'])}" for c in node["case_checks"]]
        return f"(CASE {' '.join(cases)} ELSE {self.write(node['else_expr'])} END)"

    def _column(self, node: Node) -> str:
        name = ".".join(node["column_names"])
        if '"' in name:
            raise self._refusal(node, f"a column name with a quote, {name!r}")
        self.columns.add(name)
        return f'"{name}"'

    def _constant(self, node: Node) -> str:
        kind, text = node["literal"]["kind"], str(node["literal"]["text"])
        if kind == "STRING" and "\0" not in text:
            return "'" + text.replace("'", "''") + "'"
        if kind == "BOOLEAN" and text in ("true", "false"):
            return text
        if kind in ("INTEGER", "NUMERIC") and _NUMBER.fullmatch(text):
            return text
        missing = kind == "NULL_LITERAL"
        raise self._refusal(node, "NULL (IS NULL asks for it, CASE needs ELSE)" if missing else f"{text[:40]!r}")

    def _function(self, node: Node) -> str:
        name, arguments = str(node["function_name"]), node["arguments"]
        extras = ("distinct", "filter", "export_state", "schema", "catalog")
        if any(node[key] for key in extras) or node["order_bys"]["orders"] or any(a["name"] for a in arguments):
            raise self._refusal(node, f"{name!r} with more than plain arguments")
        values = self._all([argument["expression"] for argument in arguments])
        if node["is_operator"]:
            return self._arithmetic(node, name, values)
        least, most = FUNCTIONS.get(name, (0, -1))
        if not least <= len(values) <= most:
            raise self._refusal(node, f"function {name!r} with {len(values)} arguments")
        return f"{name}({', '.join(values)})"

    def _arithmetic(self, node: Node, name: str, values: Sequence[str]) -> str:
        if name not in ARITHMETIC or (len(values) == 1 and name not in "+-"):
            raise self._refusal(node, f"operator {name!r} with {len(values)} operands")
        if len(values) == 1:
            return f"({name} {values[0]})"
        # DuckDB divides floats by zero to infinity, which would then compare as if it were known.
        right = f"nullif({values[1]}, 0)" if name == "/" else values[1]
        return f"({values[0]} {name} {right})"
