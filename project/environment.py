"""Reads the environment once, by name and type, and remembers what it read.

Every variable Reprise understands is declared through one of the readers below. A value of the wrong type stops the
start with the variable's name and what it accepts; a value out of range is reported by the system check
(`project.checks`), with a hint. The declarations also feed `.env.example`, the settings page of the documentation and
the test that keeps all three in step.
"""

import zoneinfo
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent
ENVIRONMENTS = ("development", "testing", "production")
WHOLE = "whole number"


@dataclass(frozen=True, slots=True)
class PerEnvironment[T]:
    """A default that depends on DJANGO_ENV."""

    development: T
    testing: T
    production: T

    def of(self, name: str) -> T:
        chosen: T = getattr(self, name)
        return chosen


@dataclass(frozen=True, slots=True)
class Variable:
    """One environment variable: what it is for, what it may be and what it is now."""

    name: str
    kind: str
    default: Any
    help: str
    unit: str = ""
    least: float | None = None
    most: float | None = None
    value: Any = None
    at_runtime: bool = False  # administrators may change it while the site runs

    @property
    def attribute(self) -> str:
        """The name of the Django setting it fills."""
        return self.name.removeprefix("REPRISE_")

    @property
    def is_in_range(self) -> bool:
        return self.allows(self.value)

    def allows(self, value: float) -> bool:
        """Does a number lie within the range?"""
        too_small = self.least is not None and value < self.least
        too_large = self.most is not None and value > self.most
        return not (too_small or too_large)

    @property
    def range_text(self) -> str:
        if self.least is None and self.most is None:
            return ""
        return f"{_plain(self.least)} to {_plain(self.most)}"


class Environment:
    """The typed readers, and the list of everything they declared."""

    def __init__(self, dotenv: Path | None = None) -> None:
        self._env = environ.Env()
        # Tests must not depend on one developer's file.
        if dotenv is not None and dotenv.is_file() and self._env.ENVIRON.get("DJANGO_ENV") != "testing":
            self._read(dotenv)
        self.variables: dict[str, Variable] = {}
        self.given: set[str] = set()
        self.name = self._environment_name()

    def _read(self, dotenv: Path) -> None:
        try:
            self._env.read_env(str(dotenv), encoding="utf-8")
        except (UnicodeDecodeError, OSError) as error:
            raise ImproperlyConfigured(f"{dotenv.name} cannot be read: it must be a text file in UTF-8.") from error

    def _environment_name(self) -> str:
        return self._declare(
            "DJANGO_ENV",
            f"one of {', '.join(ENVIRONMENTS)}",
            "development",
            "Which set of defaults applies: development, testing or production.",
            self._one_of(ENVIRONMENTS),
        )

    def text(self, name: str, *, default: str, says: str) -> str:
        return self._declare(name, "text", default, says, self._env.str)

    def flag(self, name: str, *, default: bool | PerEnvironment[bool], says: str) -> bool:
        return self._declare(name, "true or false", default, says, self._flag)

    def words(self, name: str, *, default: list[str] | PerEnvironment[list[str]], says: str) -> list[str]:
        return self._declare(name, "comma-separated list", default, says, self._env.list)

    def choice(self, name: str, *, default: str | PerEnvironment[str], of: tuple[str, ...], says: str) -> str:
        return self._declare(name, f"one of {', '.join(of)}", default, says, self._one_of(of))

    def folder(self, name: str, *, default: Path, says: str) -> Path:
        """Read a folder; a relative one is taken from the project's own, wherever a command is started."""
        return self._declare(name, "folder", default, says, self._folder)

    def zone(self, name: str, *, default: str, says: str) -> str:
        return self._declare(name, "time zone", default, says, self._zone)

    def whole(
        self,
        name: str,
        *,
        default: int | PerEnvironment[int],
        least: int,
        most: int,
        unit: str,
        says: str,
        at_runtime: bool = False,
    ) -> int:
        bounds = {"unit": unit, "least": least, "most": most, "at_runtime": at_runtime}
        return self._declare(name, WHOLE, default, says, self._env.int, **bounds)

    def number(
        self,
        name: str,
        *,
        default: float,
        least: float,
        most: float,
        unit: str,
        says: str,
        at_runtime: bool = False,
    ) -> float:
        bounds = {"unit": unit, "least": least, "most": most, "at_runtime": at_runtime}
        return self._declare(name, "number", default, says, self._env.float, **bounds)

    def out_of_range(self) -> list[Variable]:
        return [variable for variable in self.variables.values() if not variable.is_in_range]

    def _declare[T](
        self, name: str, kind: str, default: T | PerEnvironment[T], says: str, read: Callable[..., T], **bounds: Any
    ) -> T:
        chosen = default.of(self.name) if isinstance(default, PerEnvironment) else default
        try:
            value = read(name, default=chosen)
        except (ValueError, ImproperlyConfigured) as error:
            raw = self._env.ENVIRON.get(name, "")
            raise ImproperlyConfigured(f"{name}={raw!r} is not {_article(kind)}. {says}") from error
        if self._env.ENVIRON.get(name):
            self.given.add(name)
        self.variables[name] = Variable(name, kind, default, says, value=value, **bounds)
        return value

    def _flag(self, name: str, default: bool) -> bool:
        raw = self._env.str(name, "")
        spoken = {"": default, "true": True, "1": True, "yes": True, "on": True}
        spoken |= {"false": False, "0": False, "no": False, "off": False}
        if raw.lower() not in spoken:
            raise ValueError(raw)
        return spoken[raw.lower()]

    def _folder(self, name: str, default: Path) -> Path:
        value: str = self._env.str(name, str(default))
        if not value.strip():
            raise ValueError(value)
        return BASE_DIR / value

    def _zone(self, name: str, default: str) -> str:
        value: str = self._env.str(name, default)
        if value not in zoneinfo.available_timezones():
            raise ValueError(value)
        return value

    def _one_of(self, choices: tuple[str, ...]) -> Callable[..., str]:
        def read(name: str, default: str) -> str:
            value: str = self._env.str(name, default)
            if value not in choices:
                raise ValueError(value)
            return value

        return read


def _article(kind: str) -> str:
    return kind if kind.startswith(("one of", "true", "text")) else f"a {kind}"


def _plain(bound: float | None) -> str:
    return "any" if bound is None else f"{bound:,.6g}" if bound < 1 else f"{bound:,.0f}"
