"""`sandwich-jax language run`."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any

import tyro

from sandwich_jax import outputs
from sandwich_jax.cli import options
from sandwich_jax.machine import console, display, interrupts, preempt
from sandwich_jax.words import WandbMode


@dataclasses.dataclass(frozen=True)
class LanguageRun:
    """Sandwiching on text: W writes beside A and learns what was written; run it again to resume.

    Exits with 75 when SIGTERM stopped it: the same command goes on after the last whole round.
    """

    config: tyro.conf.OmitArgPrefixes[Any]
    out: pathlib.Path = pathlib.Path("runs/language")
    """The run's folder."""
    wandb: WandbMode = "offline"
    """Weights & Biases; offline needs no account."""

    @classmethod
    def of(cls, arguments: Sequence[str]) -> type[LanguageRun]:
        """With the settings of a run on text that are declared now."""
        from sandwich_jax.language import config as configs

        settings = {name: configs.about(name) for name in configs.names()}
        config = tyro.conf.OmitArgPrefixes[options.of(settings)]
        own = {"__doc__": cls.__doc__, "__annotations__": {"config": config}}
        return dataclasses.dataclass(frozen=True)(type("LanguageRun", (cls,), own))


def language_run(args: LanguageRun) -> None:
    """`sandwich-jax language run`."""
    from sandwich_jax.language import runs, tables
    from sandwich_jax.language.config import Config
    from sandwich_jax.language.runs import Result

    config = Config(**options.values_of(args.config))

    def work() -> Result:
        with preempt.watch() as watch, interrupts.watch() as keys, display.bar("Run") as bar:
            told = interrupts.stopping(bar.update, keys)
            return runs.run(config, args.out, wandb=args.wandb, progress=told, pause=watch.pause)

    outputs.show(work, lambda result: tables.show(result.rows, console.OUT))
    tables.list_folder(args.out, runs.CONTENTS, console.OUT)
