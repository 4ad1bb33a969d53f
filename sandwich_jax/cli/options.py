"""The settings of a run as options of a command line: those that are declared now, and no list."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

import tyro

from sandwich_jax import config as configs
from sandwich_jax import uses
from sandwich_jax.config import Config
from sandwich_jax.declare import Setting
from sandwich_jax.given import Unset

GROUPS = {
    "first": (
        "What people change first.",
        ("misalignment", "p", "protocol", "objective", "rounds"),
    ),
    "models": ("The game, and who plays it.", ("game", "expert", "weak", "network", "saboteur")),
    "assistant": ("How A is misaligned beside its kind.", ("schedule", "lasts", "every")),
    "strength": ("How strongly: each value is a member of the run. At 0 A is E.", ()),
    "controls": ("Members for comparison.", ("control", "controls", "corpus", "benign_sigma")),
    "kinds": ("What chosen kinds have besides.", ()),
    "play": ("Self-play.", ("games", "lanes", "max_plies", "temperature", "seed")),
    "learning": (
        "Fine-tuning.",
        ("updates", "batch", "learning_rate", "anneal", "window", "results", "noise_loss", "kl"),
    ),
    "arena": (
        "How strength is measured.",
        ("arena_temperature", "arena_max_plies", "round_openings", "final_openings"),
    ),
}
"""How help is laid out: settings by group. Those that kinds declare are in two groups of their own
unless they are named here, and what is named nowhere is among `kinds`."""


def groups(arguments: Sequence[str] = ()) -> dict[str, Any]:
    """All settings of a run for tyro, a dataclass a group.

    Args:
        arguments: of the command; a setting that is spelled with its kind (--sandbag.p) is an
            option where it is among them.
    """
    fields: dict[str, list[tuple]] = {group: [] for group in GROUPS}
    for name, setting in _settings(arguments):
        fields[_group(name, setting)].append(_field(name, setting))
    found = {}
    for group, (says, names) in GROUPS.items():
        order = {name: place for place, name in enumerate(names)}
        own = sorted(fields[group], key=lambda field: order.get(field[0], len(order)))
        kind = dataclasses.make_dataclass(group, own, frozen=True, namespace={"__doc__": says})
        found[group] = tyro.conf.OmitArgPrefixes[kind]
    return found


def of(declared: Mapping[str, Setting], name: str = "Settings") -> type:
    """A dataclass of declared settings, for tyro."""
    fields = [_plain(name, setting) for name, setting in declared.items()]
    return dataclasses.make_dataclass(name, fields, frozen=True)


def _plain(name: str, setting: Setting) -> tuple[str, Any, Any]:
    kind: Any = tuple[setting.of, ...] if setting.many else setting.of
    says = f"{setting.says[0].upper()}{setting.says[1:]}; {setting.range}."
    default = dataclasses.field(default=setting.default)
    return name, Annotated[kind, tyro.conf.arg(help=says)], default


def values_of(settings: Any) -> dict[str, Any]:
    """What such options say, by name."""
    return {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings)}


def config_of(args: Any) -> Config:
    """The run that such options spell.

    Args:
        args: has the groups as attributes.

    Raises:
        SettingError: one cannot be used.
    """
    given = {}
    for group in GROUPS:
        settings = getattr(args, group)
        for field in dataclasses.fields(settings):
            given[field.metadata["name"]] = getattr(settings, field.name)
    return Config(**given)


def _settings(arguments: Sequence[str]) -> Iterator[tuple[str, Setting]]:
    yield from ((name, configs.about(name)) for name in configs.names())  # pyright: ignore
    for name in sorted({word.removeprefix("--").partition("=")[0] for word in arguments}):
        setting = uses.find(name) if "." in name else None
        if setting is not None:
            yield name, setting


def _group(name: str, setting: Setting) -> str:
    named = (group for group, (_, names) in GROUPS.items() if name in names)
    return next(named, "strength" if setting.strength else "kinds")


def _field(name: str, setting: Setting) -> tuple[str, Any, Any]:
    kind: Any = tuple[setting.of, ...] if setting.many else setting.of
    about = tyro.conf.arg(
        name=name if "." in name else None,
        help=help_of(name, setting),
        help_behavior_hint="(must be given)" if isinstance(setting.default, Unset) else None,
    )
    default = dataclasses.field(default=setting.default, metadata={"name": name})
    return name.replace(".", "__"), Annotated[kind, about], default


def help_of(name: str, setting: Setting) -> str:
    """What an option is, whose it is, and what is allowed."""
    kinds = [kind for own in uses.kinds().values() for kind, k in own.items() if name in k.declares]
    few = ", ".join(kinds) if len(kinds) < 4 else f"{kinds[0]}, {kinds[1]} and others"
    whose = f"Of {few}: " if kinds else ""
    says = setting.says[0].upper() + setting.says[1:] if not whose else setting.says
    limits = f"; {setting.range}" if setting.choices or setting.strength else ""
    return f"{whose}{says}{limits or _names(name)}."


def _names(name: str) -> str:
    """The kinds that a setting chooses from."""
    names = () if name == "controls" else uses.kinds().get(name, ())  # whose help explains each
    return f": {', '.join(names)}" if names else ""
