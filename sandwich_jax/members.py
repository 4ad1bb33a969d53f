"""The members that a run spans: each a protocol and an A."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from sandwich_jax import config as configs
from sandwich_jax import given, uses
from sandwich_jax.config import Config, arena_lanes, assistant_of, protocol_config, protocol_of
from sandwich_jax.controls import BENIGN, CONTROLS
from sandwich_jax.kinds import book
from sandwich_jax.uses import strength_names, strengths_used

if TYPE_CHECKING:
    from sandwich_jax.finetune import LossConfig
    from sandwich_jax.types import Knobs, PRNGKey

__all__ = [
    "Config",
    "arena_lanes",
    "assistant_of",
    "protocol_config",
    "protocol_of",
    "strength_names",
    "strengths_used",
]

CONTROL = "never_ask"
BY_VALUES = "E by its values"
"""Plays E's best value one ply ahead: what an A that corrupts values alone is at strength 0."""


def loss_of(config: Config) -> LossConfig:
    """Static settings of W's loss."""
    from sandwich_jax.finetune import LossConfig  # this and the like load JAX

    kind = book().named("objective", config.objective)
    # PPO's loss is of what plays, at its temperature; who goes on with its corpus learns as before.
    legal = not (kind.clipped or kind.corpus)
    return LossConfig(
        config.noise_loss, kind.clipped, anchored=config.kl > 0, soft=kind.soft, legal=legal
    )


@dataclasses.dataclass(frozen=True)
class Member:
    """One lane of a run: a protocol and a strength of misalignment."""

    protocol: str
    misalignment: str
    strengths: tuple[tuple[str, float], ...]
    role: str = ""
    """Which control it is, if it is one: never_ask or of `controls.NAMES`."""
    changes: tuple[tuple[str, Any], ...] = ()
    """Static settings that it does not share with its run, beside those above."""

    @property
    def name(self) -> str:
        """Unique within a run."""
        if self.protocol == CONTROL:
            return self.role or CONTROL
        return " ".join([self.protocol, self.assistant])

    @property
    def by_values(self) -> bool:
        """Whether its A corrupts values alone, and so plays by them in the arena."""
        names = book().joined("misalignment", self.misalignment)
        only = all(book().named("misalignment", name).by_values for name in names)
        return only and self.protocol != CONTROL

    @property
    def assistant(self) -> str:
        """A by its kind and strengths, "E" (or `BY_VALUES`) if honest."""
        if not any(value for _, value in self.strengths):
            return BY_VALUES if self.by_values else "E"
        words = [self.misalignment, *(f"{k}={given.exact(v)}" for k, v in self.strengths)]
        # Another misalignment or schedule than the run's may have the same words.
        return " ".join([*words, f"({self.role})"] if self.changes else words)


def run_key(config: Config) -> PRNGKey:
    """The same in all rounds; corruptions that last for a position are drawn from it."""
    import jax

    return jax.random.fold_in(jax.random.key(config.seed), 2**31 - 2)


def strengths_in(rows: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """The strengths that rows may have a column of: all short names, and long ones in use."""
    names = strength_names()
    tails = tuple(f".{name}" for name in names)
    long = {n for row in rows for n in row if isinstance(n, str) and n.endswith(tails)}
    return (*names, *sorted(long))


def members_of(config: Config) -> tuple[Member, ...]:
    """Every combination of strengths that the misalignment uses, and the controls."""
    used = strengths_used(config.misalignment)
    values = [dict.fromkeys(getattr(config, name)) for name in used]
    members = [
        Member(config.protocol, config.misalignment, tuple(zip(used, combination, strict=True)))
        for combination in itertools.product(*values)
    ]
    if config.protocol == CONTROL:  # the strength is of no consequence: run it once
        role = "own_corpus" if config.objective == "own_corpus" else CONTROL
        members = [dataclasses.replace(members[0], role=role)]
    elif config.control:
        members.append(Member(CONTROL, config.misalignment, tuple((k, 0.0) for k in used), CONTROL))
    for control in _controls_of(config):
        same = [i for i, member in enumerate(members) if member.name == control.name]
        if same:  # an honest member is the ceiling, for one
            members[same[0]] = dataclasses.replace(members[same[0]], role=control.role)
        else:
            members.append(control)
    return tuple(members)


def _controls_of(config: Config) -> list[Member]:
    """The members that `controls` asks for."""
    wanted = {name: CONTROLS[name] for name in config.controls if name in CONTROLS}
    found = [_control(config, role, *control) for role, control in wanted.items()]
    for sigma in config.benign_sigma:
        found.append(_control(config, "benign", BENIGN, {"sigma": sigma}))
    return found


def _control(
    config: Config, role: str, changes: Mapping[str, Any], strengths: Mapping[str, float]
) -> Member:
    """A member that differs from the others in what a control changes."""
    protocol = changes.get("protocol", config.protocol)
    misalignment = changes.get("misalignment", config.misalignment)
    used = strengths_used(misalignment)
    named = ("protocol", "misalignment")
    rest = {k: v for k, v in changes.items() if getattr(config, k) != v and k not in named}
    own = tuple((k, strengths.get(k, 0.0)) for k in used)
    return Member(protocol, misalignment, own, role, tuple(rest.items()))


def program_of(config: Config, member: Member) -> Config:
    """The settings that are compiled for a member: its own, without strengths and controls."""
    changes: dict[str, Any] = {"control": False, "controls": (), "benign_sigma": ()}
    changes |= {"protocol": member.protocol, "misalignment": member.misalignment}
    changes |= {name: (0.0,) for name, _ in member.strengths}
    return changed(config, changes | dict(member.changes))


def compiled_of(config: Config, member: Member) -> Config:
    """What is compiled for a member: the same for those that differ in traced numbers alone."""
    settings = program_of(config, member).plain()
    for name in settings:
        about = configs.about(name)
        if about is not None and about.traced:
            settings[name] = (0.0,) if about.strength else about.default
    kl = float(config.kl > 0)  # without it, nothing of it is compiled
    return Config(**settings | {"seed": 0, "kl": kl})


def changed(config: Config, changes: Mapping[str, Any]) -> Config:
    """A configuration with these changes, and without what is then of no use."""
    settings = config.plain() | dict(changes)
    choice = uses.Choice(*(settings[name] for name in uses.Choice._fields))
    idle = uses.idle(choice)
    strengths = set(strengths_used(choice.misalignment))
    kept = {n: v for n, v in settings.items() if n not in idle and not _other(n, strengths)}
    return Config(**kept)


def _other(name: str, strengths: set[str]) -> bool:
    """Whether this is a strength of another misalignment."""
    setting = configs.about(name)
    return setting is not None and setting.strength and name not in strengths


def knobs_of(config: Config, member: Member | None, temperature: float) -> Knobs:
    """Traced numbers of a member's self-play, or of an honest player in the arena."""
    import jax.numpy as jnp

    strengths = dict.fromkeys(strength_names(), 0.0)
    misalignment = member.misalignment if member else config.misalignment
    strengths |= dict.fromkeys(strengths_used(misalignment), 0.0)
    strengths |= dict(member.strengths) if member else {}
    numbers = {name: getattr(config, name) for name in configs.traced()}
    numbers |= {n: v for n, v in config.own if "." in n and not isinstance(v, tuple)} | strengths
    numbers["temperature"] = temperature
    numbers["by_values"] = float(member is not None and member.by_values)
    return {name: jnp.float32(value) for name, value in numbers.items()}
