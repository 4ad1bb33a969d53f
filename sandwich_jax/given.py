"""Settings as they are given: their types, and numbers that say exactly what they are."""

from __future__ import annotations

import difflib
import hashlib
import numbers
from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

from sandwich_jax.errors import SettingError

MOST_SHOWN = 60
"""Characters of a value that a sentence quotes."""
ALL_SETTINGS = "`sandwich-jax run --help` lists them all."
ALL_KINDS = "`sandwich-jax kinds` lists them all."
FEW_NAMES, MOST_NAMES = 8, 20
"""That a sentence lists in any case, and where none is near the one given."""
SEEDS = (-(2**31), 2**32 - 1)
"""Seeds that differ within this range are different keys, but for a negative one and itself plus
2 ** 32; beyond it JAX drops the upper bits, so that two seeds would be one."""
_WORDS = {str: "names", float: "numbers", int: "whole numbers"}


class Kind(NamedTuple):
    """The type of a setting."""

    of: type
    many: bool = False
    """It is a list of such."""


class Unset(tuple):
    """A list of strengths that nobody gave: 0 where nothing depends on it, else a mistake.

    It equals any other list of the same, and stays what it is when a configuration is changed.
    """


NO_STRENGTH = Unset((0.0,))


def typed(name: str, value: Any, kind: Kind) -> Any:
    """A setting's value as its type: whole numbers as floats and lists as tuples where wanted.

    Raises:
        SettingError: it is of another type.
    """
    if isinstance(value, Unset):
        return value
    if not kind.many:
        return one(name, value, kind.of)
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise SettingError(f"{name} is {shown(value)}: it must be a list of {_WORDS[kind.of]}.")
    return tuple(one(name, item, kind.of) for item in value)


def one(name: str, value: Any, of: type) -> Any:
    """As `typed`, of a single value."""
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if of is int and number and isinstance(value, numbers.Integral):
        return int(value)
    if of is float and number:
        try:
            return float(value) + 0.0  # -0.0 is 0.0
        except OverflowError:
            return float("inf")
    if type(value) is not of:
        raise SettingError(f"{name} is {shown(value)}: it must be of type {of.__name__}.")
    return value


def in_32_bits(value: Any) -> Any:
    """A number as it is traced; anything else as it is."""
    import numpy as np  # which takes longer to load than most mistakes to be told

    return np.float32(value).item() if isinstance(value, float) else value


def distinct(name: str, values: Sequence[Any], same: Callable[[Any], Any] = in_32_bits) -> None:
    """Raises SettingError where a value comes twice: members of a grid must differ.

    Args:
        name: of the setting.
        values: of it.
        same: what two values have in common that make one member.
    """
    seen = set()
    for value in values:
        if same(value) in seen:
            raise SettingError(f"{name} has {shown(value)} more than once: give each value once.")
        seen.add(same(value))


def shown(value: Any) -> str:
    """A value as a sentence quotes it; long ones are cut."""
    try:
        text = repr(value) if isinstance(value, str | list | tuple | dict) else str(value)
    except ValueError:  # Python writes no integers of thousands of digits
        return "a number of thousands of digits"
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}..."


def unknown(what: str, name: Any, known: Collection[str], all_in: str = "", more: str = "") -> str:
    """The sentence for a name that there is not: the nearest ones, or all where they are few.

    Args:
        what: it should have named, such as "protocol".
        name: as it was given.
        known: what there is.
        all_in: where all are listed, said where they are not listed here.
        more: said behind.
    """
    near = difflib.get_close_matches(str(name), [*known], 3, 0.6)
    if near and len(known) > FEW_NAMES:
        says = [f"did you mean {' or '.join(near)}?", all_in]
    elif len(known) <= MOST_NAMES:
        says = [f"choose one of {', '.join(known)}."]
    else:
        says = [f"there are {len(known)}.", all_in]
    return " ".join(part for part in (f"Unknown {what} {shown(str(name))}:", *says, more) if part)


def joined(what: str, spelling: str, known: Collection[str]) -> tuple[str, ...]:
    """Names in a spelling such as "policy_noise+random_move", in order.

    Raises:
        SettingError: a name is unknown.
    """
    names = tuple(name.strip() for name in spelling.split("+"))
    for name in names:
        if name not in known:
            raise SettingError(unknown(what, name, known, ALL_KINDS, "Join several with '+'."))
    return names


def judges_in_vain(schedule: str, misalignments: Sequence[str]) -> str:
    """The sentence for a schedule that judges moves where none are corrupted."""
    return (
        f"Schedule '{schedule}' judges the move that A would say, but misalignment"
        f" '{'+'.join(misalignments)}' corrupts values alone: choose another."
    )


def cut(name: str, most: int) -> str:
    """A name in at most so many letters; a long one ends in a digest of the whole of it."""
    if len(name) <= most:
        return name
    return f"{name[: most - 9]}-{digest(name)}"


def digest(text: str) -> str:
    """Eight hexadecimal digits of a text's SHA-256, for names of files."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:8]


def counted(count: int) -> str:
    """How many, where it may be beyond all bounds."""
    return f"{count:,}" if count < 10**15 else f"more than {10**15:,}"


def exact(value: float) -> str:
    """A number in as few digits as say exactly which one it is."""
    short = f"{value:g}"
    return short if float(short) == value else repr(float(value))


def between(name: str, value: int, low: int, high: int) -> None:
    """Raises SettingError unless a whole number is in its range, ends included."""
    if value < low:
        least = f"at least {low:,}" if low == 1 else f"between {low:,} and {high:,}"
        raise SettingError(f"{name} is {shown(value)}: it must be {least}.")
    if value > high:
        raise SettingError(f"{name} is {shown(value)}: it must be between {low:,} and {high:,}.")
