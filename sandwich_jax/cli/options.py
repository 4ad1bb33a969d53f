"""The settings of a run as options of a command line: those that are declared now, and no list."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import tyro

from sandwich_jax import config as configs
from sandwich_jax import uses
from sandwich_jax.config import Config
from sandwich_jax.settings import Setting


def made(arguments: Sequence[str] = ()) -> type:
    """A dataclass of all settings of a run, for tyro.

    Args:
        arguments: of the command; a setting that is spelled with its kind (--sandbag.p) is an
            option where it is among them.
    """
    long = {word.removeprefix("--").partition("=")[0] for word in arguments if "." in word}
    every = [(name, configs.about(name)) for name in configs.names()]
    every += [(name, uses.find(name)) for name in sorted(long)]
    fields = [_field(name, setting) for name, setting in every if setting is not None]
    return dataclasses.make_dataclass("Settings", fields, frozen=True)


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


def config_of(settings: Any) -> Config:
    """The run that such options spell.

    Raises:
        SettingError: one cannot be used.
    """
    given = ((field, getattr(settings, field.name)) for field in dataclasses.fields(settings))
    return Config(**{field.metadata["name"]: value for field, value in given})


def _field(name: str, setting: Setting) -> tuple[str, Any, Any]:
    kind: Any = tuple[setting.of, ...] if setting.many else setting.of
    about = tyro.conf.arg(name=name if "." in name else None, help=help_of(name, setting))
    default = dataclasses.field(default=setting.default, metadata={"name": name})
    return name.replace(".", "__"), Annotated[kind, about], default


def help_of(name: str, setting: Setting) -> str:
    """What an option is, whose it is, and what is allowed."""
    kinds = [kind for own in uses.kinds().values() for kind, k in own.items() if _owns(k, name)]
    few = ", ".join(kinds) if len(kinds) < 4 else f"{kinds[0]}, {kinds[1]} and others"
    whose = f"Of {few}: " if kinds else ""
    says = setting.says[0].upper() + setting.says[1:] if not whose else setting.says
    limits = f"; {setting.range}" if setting.choices or setting.strength else ""
    return f"{whose}{says}{limits}."


def _owns(kind: uses.Kind, name: str) -> bool:
    return name in kind.settings.__dataclass_fields__  # pyright: ignore
