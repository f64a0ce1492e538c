"""What files that people write have in common: frozen models, dates and digests, and errors that name the line."""

import re
from datetime import date, datetime
from typing import Annotated, Any, TypeVar, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from corpus_gov import located
from corpus_gov.errors import ConfigError

Model = TypeVar("Model", bound="Written")


def _calendar_date(value: Any) -> Any:
    # pydantic reads numbers as Unix times and cuts a time of day off; neither is what an author meant.
    if isinstance(value, datetime) or not isinstance(value, date | str):
        raise ValueError("Input should be a date such as 2027-06-30")  # noqa: TRY004 - pydantic collects ValueError
    return value


Day = Annotated[date, BeforeValidator(_calendar_date)]
Line = Annotated[str, Field(min_length=1, max_length=500)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Written(BaseModel):
    """What people write. Frozen; a key that nobody reads is an error, because it is most often a misspelt one."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def checked(model: type[Model], data: Any, lines: located.Lines, where: str) -> Model:
    """Turn what was read into a model.

    Args:
        model: of what the file should hold.
        data: the file's content.
        lines: of each key.
        where: name of the file in messages.

    Raises:
        ConfigError: names line, key, what was found and what was expected.
    """
    if not isinstance(data, dict):
        raise ConfigError(f"{where}:1: found {_shown(data)}, expected a mapping of keys; write `key: value` lines")
    try:
        return model.model_validate(data)
    except ValidationError as error:
        problems = sorted(_problem(model, dict(detail), lines) for detail in error.errors(include_url=False))
        line, message = problems[0]
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise ConfigError(f"{where}:{line}: {message}{more}") from None


def _problem(model: type[BaseModel], detail: dict[str, Any], lines: located.Lines) -> tuple[int, str]:
    """Turn one of pydantic's errors into (line, "key: found …, expected …; do …")."""
    path = tuple(part for part in detail["loc"] if part != "[key]")
    line = next((lines[path[:n]] for n in range(len(path), -1, -1) if path[:n] in lines), 1)
    key = ".".join(map(str, path)) or "file"
    if detail["type"] == "extra_forbidden":
        known = ", ".join(_keys(model, path[:-1]))
        return line, f"{key}: found an unknown key, expected one of {known}; correct its spelling or remove it"
    if detail["type"] == "missing":
        return line, f"{key}: found nothing, expected a value; add the key"
    expected = re.sub(r"^(Value error, )?((Input|String|Tuple|Keys) should (be|have) )?", "", detail["msg"])
    return line, f"{key}: found {_shown(detail['input'])}, expected {expected}; correct the value"


def _keys(model: type[BaseModel], path: located.Key) -> list[str]:
    for part in path:
        kind = model.model_fields[str(part)].annotation
        kinds = [one for one in (kind, *get_args(kind)) if isinstance(one, type) and issubclass(one, BaseModel)]
        if not kinds:
            return []
        model = kinds[0]
    return list(model.model_fields)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:59] + "…"
