"""`sandwich-jax run`."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any

import tyro

from sandwich_jax.cli import options
from sandwich_jax.folders.log import WandbMode
from sandwich_jax.running import terminal


@dataclasses.dataclass(frozen=True)
class Run:
    """Sandwiching: rounds of self-play, fine-tuning and arena; run it again to resume.

    Exits with 75 when SIGTERM stopped it: the same command goes on after the last whole round.
    """

    config: tyro.conf.OmitArgPrefixes[Any]
    out: pathlib.Path = pathlib.Path("runs/run")
    """The run's folder."""
    wandb: WandbMode = "offline"
    """Weights & Biases; offline needs no account."""

    @classmethod
    def of(cls, arguments: Sequence[str]) -> type[Run]:
        """With the settings of a run that are declared now: kinds may bring some of their own."""
        config = tyro.conf.OmitArgPrefixes[options.made(arguments)]
        own = {"__doc__": cls.__doc__, "__annotations__": {"config": config}}
        return dataclasses.dataclass(frozen=True)(type("Run", (cls,), own))


def run(args: Run) -> None:
    """`sandwich-jax run`."""
    terminal.show(options.config_of(args.config), args.out, args.wandb, "Run")
