"""How a setting is declared, and what is told of it; nothing here computes, or loads what does.

`settings` makes a class of such declarations a kind's settings.
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

from sandwich_jax import given
from sandwich_jax.errors import SettingError

_KEY = "setting"
MOST = 10_000
"""Of a size, unless it says otherwise."""
Knob = Any
"""A number: Python's in a configuration, a traced one in a program."""


class Setting(NamedTuple):
    """A setting as it is declared."""

    default: Any
    of: type
    """float, int, str or bool."""
    says: str
    """What it is, for people: half a sentence, with its unit."""
    low: float | None = None
    high: float | None = None
    """The least and the greatest value; None where it has no order."""
    choices: tuple[str, ...] = ()
    """The words allowed, where not all are."""
    traced: bool = False
    axis: bool = True
    """A sweep may vary it."""
    strength: bool = False
    """Of a misalignment: 0 is an honest A, and a run has a member for each of several values."""
    whole: bool = False
    """Traced, but only whole numbers differ."""
    many: bool = False
    """A run takes several values at once."""
    inside: bool = False
    """The ends of its range are left out."""
    of_policies: bool = False
    """Of use only where whole policies are learnt."""

    def typed(self, name: str, value: Any) -> Any:
        """The value as its type.

        Raises:
            SettingError: it is of another type.
        """
        return given.typed(name, value, given.Kind(self.of, self.many))

    def one(self, name: str, value: Any) -> Any:
        """As `typed`, of one of several values."""
        return given.one(name, value, self.of)

    def check(self, name: str, value: Any) -> None:
        """Raises SettingError for a value that is not allowed; `name` is what to call it."""
        for one in value if self.many else (value,):
            self._check_one(name, one)

    def _check_one(self, name: str, value: Any) -> None:
        if self.choices and value not in self.choices:
            raise SettingError(given.unknown(name, value, self.choices))
        if self.low is None or self.high is None:
            return
        if self.of is int:
            given.between(name, value, int(self.low), int(self.high))
        elif not self.low <= value <= self.high or (self.inside and value in (self.low, self.high)):
            raise SettingError(
                f"{name} is {given.exact(value)}: it must be between"
                f" {self.low:g} and {self.high:g}."
            )
        elif self.whole and not float(value).is_integer():
            raise SettingError(f"{name} is {value:g}: it must be a whole number.")

    @property
    def range(self) -> str:
        """What is allowed, as a table tells it."""
        if self.choices:
            return ", ".join(self.choices)
        if self.low is None or self.high is None:
            return {bool: "yes or no", str: "a word"}.get(self.of, "any")
        ends = "()" if self.inside else "[]"
        ends_ = (self.low, self.high)
        low, high = (f"{x:,.0f}" if float(x).is_integer() else f"{x:g}" for x in ends_)
        return f"{ends[0]}{low}, {high}{ends[1]}"


# --- declaring ----------------------------------------------------------------------------------


def knob(
    default: float, low: float, high: float, says: str, *, whole: bool = False, inside: bool = False
) -> Any:
    """A traced number; `whole`: counts something; `inside`: the ends are left out."""
    return _field(Setting(default, float, says, low, high, traced=True, whole=whole, inside=inside))


def strength(low: float, high: float, says: str, usual: tuple[float, ...] = ()) -> Any:
    """The strength of a misalignment, traced: at 0 A is E.

    A run has a member for each of its values: those `usual` if there are such, else it must be
    given.
    """
    default = usual or given.NO_STRENGTH
    return _field(
        Setting(default, float, says, low, high, traced=True, strength=True, many=True), 0.0
    )


def size(default: int, says: str, low: int = 1, high: int = MOST, axis: bool = True) -> Any:
    """A static whole number."""
    return _field(Setting(default, int, says, low, high, axis=axis))


def word(
    default: str,
    says: str,
    choices: tuple[str, ...] = (),
    axis: bool = True,
    of_policies: bool = False,
) -> Any:
    """A static word; `of_policies`: of use only where whole policies are learnt."""
    return _field(Setting(default, str, says, choices=choices, axis=axis, of_policies=of_policies))


def switch(default: bool, says: str) -> Any:
    """A static yes or no."""
    return _field(Setting(default, bool, says, axis=False))


def several(of: type, says: str, low: float | None = None, high: float | None = None) -> Any:
    """Several values at once, none by default."""
    return _field(Setting((), of, says, low, high, many=True, axis=False))


def number(default: float, low: float, high: float, says: str) -> Any:
    """A number that is no axis of a sweep."""
    return _field(Setting(default, float, says, low, high, axis=False))


def _field(setting: Setting, default: Any = None) -> Any:
    default = setting.default if default is None else default
    return dataclasses.field(default=default, metadata={_KEY: setting})


# --- what is declared ---------------------------------------------------------------------------


def declared(of: type) -> dict[str, Setting]:
    """The settings of a class, by name, in order."""
    fields = dataclasses.fields(of)
    return {field.name: field.metadata[_KEY] for field in fields if _KEY in field.metadata}


def knobs_in(of: type) -> tuple[str, ...]:
    """The traced ones."""
    return tuple(name for name, setting in declared(of).items() if setting.traced)


def sizes_in(of: type) -> tuple[str, ...]:
    """The static ones."""
    return tuple(name for name, setting in declared(of).items() if not setting.traced)


def long_name(kind: str, name: str) -> str:
    """The spelling of a setting that says whose it is: "sandbag.p"."""
    return f"{kind}.{name}"
