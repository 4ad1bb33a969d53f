"""`sandwich-jax run`."""

from __future__ import annotations

import dataclasses
import pathlib

import tyro

from sandwich_jax.folders.log import WandbMode
from sandwich_jax.members import Config
from sandwich_jax.running import terminal


@dataclasses.dataclass(frozen=True)
class Run:
    """Sandwiching: rounds of self-play, fine-tuning and arena; run it again to resume.

    Exits with 75 when SIGTERM stopped it: the same command goes on after the last whole round.
    """

    config: tyro.conf.OmitArgPrefixes[Config]  # no default: some of its own are the game's
    out: pathlib.Path = pathlib.Path("runs/run")
    """The run's folder."""
    wandb: WandbMode = "offline"
    """Weights & Biases; offline needs no account."""


def run(args: Run) -> None:
    """`sandwich-jax run`."""
    terminal.show(args.config, args.out, args.wandb, "Run")
