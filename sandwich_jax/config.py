"""The configuration of a run: what all kinds have in common, and what the chosen ones declare."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sandwich_jax import games, given, kinds, uses
from sandwich_jax.controls import NAMES as CONTROL_NAMES
from sandwich_jax.controls import NEED_A
from sandwich_jax.declare import Setting, declared
from sandwich_jax.errors import SettingError
from sandwich_jax.kinds import book
from sandwich_jax.run_settings import OfRuns

if TYPE_CHECKING:
    from sandwich_jax.misalign.assistant import AssistantConfig
    from sandwich_jax.oversight.protocols import Protocol, ProtocolConfig

CHESS = ("chess", "pgx:chess")
"""Games with the features and labels of chess."""
MOST_SAMPLES = 2**31 - 1
"""Of a window: they are counted in 32 bits."""
Own = tuple[tuple[str, Any], ...]


@dataclasses.dataclass(frozen=True, init=False, repr=False)
class Config(OfRuns):
    """Settings of a run; strengths of the misalignment span its members, all else they share.

    What the chosen kinds declare are settings as well, by their short names (`p`, `tau`) or, where
    two kinds that are joined by '+' share one, by long ones ("sandbag.p")::

        Config(misalignment="policy_noise", sigma=(0.0, 4.0), protocol="prior_gate", tau=0.1)
        Config(misalignment="sandbag+random_move", **{"sandbag.p": (0.5,), "random_move.p": (0.1,)})

    They are attributes too; `plain` has all of them.
    """

    own: Own = ()
    """What is given of the chosen kinds' settings."""

    def __init__(self, **settings: Any):
        """Raises SettingError for a setting that is unknown, of another type or without use."""
        known = core()
        own = dict(settings.pop("own", ())) | {n: v for n, v in settings.items() if n not in known}
        for name, setting in known.items():
            value = setting.typed(name, settings.get(name, setting.default))
            object.__setattr__(self, name, value)
        _check_assistant(self)  # names of kinds, before what they declare is looked up
        object.__setattr__(self, "own", _kept(uses.choice_of(self), own))
        _count_openings(self)
        _check(self)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        for spelled, value in object.__getattribute__(self, "own"):
            if spelled == name:
                return value
        setting = uses.find(name)
        if setting is None:
            raise AttributeError(f"a run has no setting '{name}'")
        return setting.default

    def __repr__(self) -> str:
        changed = {n: v for n, v in self.plain().items() if v != default_of(n)}
        return f"Config({', '.join(f'{n}={v!r}' for n, v in changed.items())})"

    def plain(self) -> dict[str, Any]:
        """All settings by name: those of every run, and those of the chosen kinds."""
        chosen = uses.used(uses.choice_of(self))
        names = [*core(), *(name for name in uses.owned() if name in chosen)]
        return {name: getattr(self, name) for name in names} | dict(self.own)


@functools.cache
def core() -> Mapping[str, Setting]:
    """The settings of every run, whatever its kinds."""
    return declared(Config)


def about(name: str) -> Setting | None:
    """What is declared of a setting, by its short or long name; None where nothing is."""
    return core().get(name) or uses.find(name)


def default_of(name: str) -> Any:
    """A setting where nobody gives it."""
    found = about(name)
    assert found is not None, name
    return found.default


def names() -> tuple[str, ...]:
    """All settings of runs by their short names, those of kinds last.

    Raises:
        TypeError: a kind has a setting of the same name as every run.
    """
    if clash := core().keys() & uses.owned().keys():
        raise TypeError(f"{', '.join(clash)} is a setting of every run: call a kind's otherwise.")
    return (*core(), *uses.owned())


def traced() -> tuple[str, ...]:
    """Traced settings beside the strengths: lanes of one program may differ in them."""
    return tuple(n for n in names() if _about(n).traced and not _about(n).strength)


def static_axes() -> tuple[str, ...]:
    """Static settings that a sweep may vary."""
    return tuple(n for n in names() if _about(n).axis and not _about(n).traced)


def _about(name: str) -> Setting:
    found = about(name)
    assert found is not None, name
    return found


def _kept(choice: uses.Choice, own: Mapping[str, Any]) -> Own:
    """Those of the given settings of kinds that say more than their defaults do.

    Raises:
        SettingError: one is unknown or of another type.
    """
    typed, found = {}, {}
    for name, value in own.items():
        setting = uses.find(name)
        if setting is None:
            raise SettingError(given.unknown("setting", name, names(), given.ALL_SETTINGS))
        typed[name] = setting.typed(name, value)
    typed = {name: value for name, value in typed.items() if not isinstance(value, given.Unset)}
    for name, value in uses.plainly(typed, choice).items():
        setting = _about(name)
        as_ever = value == setting.default and not isinstance(setting.default, given.Unset)
        honest = setting.strength and value and not any(value)
        if not as_ever and not (honest and uses.makes_no_difference(name, choice)):
            found[name] = value
    order = {name: place for place, name in enumerate(uses.owned())}
    return tuple(sorted(found.items(), key=lambda pair: (order.get(pair[0], len(order)), pair[0])))


def _count_openings(c: Config) -> None:
    """Puts numbers in the place of those openings that the game decides."""
    lanes = max(c.lanes, 2)
    for name, most in (("round_openings", 32), ("final_openings", 224)):
        if getattr(c, name) == 0 and c.game in games.NAMES:
            games_ = 2 * min(most, kinds.game(c.game).openings)
            whole = games_ if games_ <= lanes else games_ // lanes * lanes
            object.__setattr__(c, name, whole // 2)
        lanes = max(2, min(lanes, 2 * getattr(c, name)))


def arena_lanes(c: Config) -> int:
    """Games at the same time in the arena, which may have fewer than `lanes` to play."""
    return min(c.lanes, 2 * c.round_openings, 2 * c.final_openings)


# --- what else a run is made of -----------------------------------------------------------------


def assistant_of(config: Config) -> AssistantConfig:
    """Static settings of A.

    Raises:
        SettingError: a name is unknown.
    """
    from sandwich_jax.misalign.assistant import AssistantConfig  # this and the like load JAX

    return AssistantConfig(config.misalignment, config.schedule, config.lasts)


def protocol_of(config: Config, name: str | None = None) -> Protocol:
    """The run's protocol, or another one with the run's sizes.

    Raises:
        SettingError: the name is unknown.
    """
    from sandwich_jax.oversight import protocols

    return protocols.make(protocol_config(config, name))


def protocol_config(config: Config, name: str | None = None) -> ProtocolConfig:
    """Static settings of the run's protocol, or of another one."""
    from sandwich_jax.oversight.protocols import ProtocolConfig

    name = name or config.protocol
    own = book().named("protocol", name).declares
    sizes = {n: getattr(config, n) for n, setting in own.items() if not setting.traced}
    return ProtocolConfig(name, **sizes)


# --- what is checked ----------------------------------------------------------------------------


def _check(c: Config) -> None:
    """Raises SettingError for settings that cannot be used, alone or together."""
    _check_strengths(c)
    for name, setting in core().items():
        setting.check(name, getattr(c, name))
    for name, value in c.own:
        _about(name).check(name, value)
    known = book()
    chosen = [known.named("misalignment", n) for n in known.joined("misalignment", c.misalignment)]
    if any(kind.borrows for kind in chosen) and not c.saboteur:
        raise SettingError(f"Misalignment '{c.misalignment}' borrows moves: name a saboteur.")
    _check_chess(c)
    if c.window * c.games * c.max_plies > MOST_SAMPLES:
        raise SettingError(
            f"games is {c.games}: with {c.max_plies} plies and a window of {c.window} rounds it may"
            f" be at most {MOST_SAMPLES // (c.window * c.max_plies):,}."
        )
    longest = kinds.game(c.game).longest
    for name in ("max_plies", "arena_max_plies"):
        if getattr(c, name) > longest:
            raise SettingError(
                f"{name} is {getattr(c, name)}: {c.game} goes no further than {longest} plies"
                " after an opening."
            )
    _check_controls(c)
    _check_learning(c)
    _check_lanes(c)
    uses.refuse_idle(_set(c), [uses.choice_of(c)])


def _check_chess(c: Config) -> None:
    if c.game in CHESS:
        return
    for part in ("misalignment", "schedule"):
        for name in book().joined(part, getattr(c, part)):
            if book().named(part, name).chess:
                raise SettingError(
                    f"'{name}' reads positions of chess, but the game is {c.game}: choose another,"
                    f" or a game among {', '.join(CHESS)}."
                )


def _check_lanes(c: Config) -> None:
    if c.lanes % 2:
        raise SettingError(f"lanes is {c.lanes}: it must be even, half the lanes for each colour.")
    few = arena_lanes(c)
    sizes = (("games", c.games, c.lanes), ("round_openings", 2 * c.round_openings, few))
    for name, count, lanes in (*sizes, ("final_openings", 2 * c.final_openings, few)):
        if count % lanes:
            raise SettingError(
                f"{name} makes {count} games, which {lanes} lanes do not divide: choose a"
                " multiple of lanes."
            )


def _check_assistant(c: Config) -> None:
    """Raises SettingError for a misalignment or schedule that is unknown, or judges nothing."""
    known = book()
    names = known.joined("misalignment", c.misalignment)
    by_values = all(known.named("misalignment", name).by_values for name in names)
    for name in known.joined("schedule", c.schedule):
        if by_values and known.named("schedule", name).judges_moves:
            raise SettingError(given.judges_in_vain(name, names))


def _check_strengths(c: Config) -> None:
    """Raises SettingError for a strength that is needed and not given, or has a value twice."""
    asks = uses.choice_of(c).asks
    for name in uses.strengths_used(c.misalignment) if asks else ():
        if isinstance(getattr(c, name), given.Unset):
            raise SettingError(
                f"Misalignment '{c.misalignment}' needs {name}: give at least one value."
            )
    for name, values in c.own:
        if _about(name).strength:
            if not values:
                raise SettingError(f"{name} is empty: give at least one value.")
            given.distinct(name, values)


def _set(c: Config) -> list[str]:
    """Settings that are not as by default; of strengths, those that are not 0."""
    changed = [name for name in core() if getattr(c, name) != default_of(name)]
    return changed + [n for n, v in c.own if not _about(n).strength or any(v)]


def _check_controls(c: Config) -> None:
    """Raises SettingError for controls that are unknown or lack something."""
    for name in c.controls:
        if name not in CONTROL_NAMES:
            raise SettingError(given.unknown("control", name, CONTROL_NAMES))
    given.distinct("controls", c.controls)
    given.distinct("benign_sigma", c.benign_sigma)
    if "own_corpus" in (*c.controls, c.objective):
        if not c.corpus:
            raise SettingError("own_corpus needs corpus: the file that W was trained on.")
        if c.game != "chess":
            raise SettingError(f"own_corpus is of chess alone, but game is {c.game}.")
    needing = [name for name in sorted(c.controls) if name in NEED_A]
    if not book().named("protocol", c.protocol).asks and needing:
        raise SettingError(
            f"Protocol '{c.protocol}' never asks: controls {', '.join(needing)} need one that does."
        )
    if c.benign_sigma and "benign" not in c.controls:
        raise SettingError("benign_sigma is set, but controls has no benign.")


def _check_learning(c: Config) -> None:
    """Raises SettingError for an objective that cannot work with the other settings."""
    objective = book().named("objective", c.objective)
    if c.results == "adjudicated" and not kinds.game(c.game).material:
        raise SettingError(f"results is 'adjudicated', but {c.game} has no material: choose rules.")
    if c.noise_loss != "none" and "noise_loss" not in objective.uses:
        raise SettingError(
            f"noise_loss is '{c.noise_loss}', but objective '{c.objective}' has no labels: leave"
            " noise_loss at none."
        )
    if objective.clipped and c.temperature < 0.01:
        raise SettingError(
            f"temperature is {c.temperature:g}: objective '{c.objective}' needs moves drawn at"
            " random, at a temperature of at least 0.01."
        )
