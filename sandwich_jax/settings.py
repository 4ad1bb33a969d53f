"""What a setting is: declared once, beside the code that has a use of it.

A knob is traced: runs that differ in it are lanes of one program, and a sweep varies it without
compiling again. A size or a word is static: it is compiled. A kind (a misalignment, a schedule, a
protocol, an objective) declares what it needs as a class of its own:

    @settings
    class PriorGate:
        tau: Knob = knob(0.05, 0.0, 2.0, "least probability by W of a move that it follows")

and gets one back, with traced numbers in the place of its knobs. From what is declared here come
the options of the command line, the axes of a sweep, the ranges that are checked, the columns of
rows, what tells curves apart, and the tables of settings in the docs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar, dataclass_transform

import jax

from sandwich_jax.declare import (
    Knob,
    Setting,
    declared,
    knob,
    knobs_in,
    long_name,
    number,
    several,
    size,
    sizes_in,
    strength,
    switch,
    word,
)

__all__ = [
    "Knob",
    "Nothing",
    "Setting",
    "declared",
    "knob",
    "knobs_in",
    "long_name",
    "number",
    "settings",
    "several",
    "size",
    "sizes_in",
    "strength",
    "switch",
    "view",
    "word",
]

Kind = TypeVar("Kind")


@dataclass_transform(frozen_default=True)  # what a field is set to is its default
def settings(cls: type[Kind]) -> type[Kind]:
    """Makes a class of declared settings a frozen dataclass and a pytree: knobs are its leaves."""

    def check(self: Any) -> None:
        for name, setting in declared(type(self)).items():
            value = getattr(self, name)
            if isinstance(value, int | float | str):  # not a traced number
                setting._replace(many=False).check(name, value)

    cls.__post_init__ = check  # pyright: ignore
    made = dataclasses.dataclass(frozen=True)(cls)
    own = declared(made)
    traced = [name for name, setting in own.items() if setting.traced]
    jax.tree_util.register_dataclass(made, traced, [name for name in own if name not in traced])
    return made


def view(own: Kind, numbers: Mapping[str, Any], kind: str = "") -> Kind:
    """A kind's settings with the traced numbers of a run in them.

    Args:
        own: with its sizes.
        numbers: of the whole run by name; one that is called KIND.NAME comes before one that
            several kinds share.
        kind: what it is called.
    """
    found = {
        name: numbers.get(long_name(kind, name), numbers[name]) for name in knobs_in(type(own))
    }
    return dataclasses.replace(own, **found)  # pyright: ignore


@settings
class Nothing:
    """Of a kind that has no settings."""
