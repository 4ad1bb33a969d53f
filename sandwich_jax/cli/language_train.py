"""`sandwich-jax language train`."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any

import tyro

from sandwich_jax import outputs
from sandwich_jax.cli import options
from sandwich_jax.machine import console, display, interrupts, preempt


@dataclasses.dataclass(frozen=True)
class LanguageTrain:
    """Trains E, W and M on text; without files on a small world of sentences.

    Run it again to go on after an interruption.
    """

    out: pathlib.Path
    """Folder for the models."""
    config: tyro.conf.OmitArgPrefixes[Any]
    normal: tuple[pathlib.Path, ...] = ()
    """Files of normal text, one document a line."""
    toxic: tuple[pathlib.Path, ...] = ()
    """Files of toxic text."""
    normal_test: tuple[pathlib.Path, ...] = ()
    """Held-out normal text; by default a share of the other."""
    toxic_test: tuple[pathlib.Path, ...] = ()
    """Held-out toxic text, likewise."""
    devices: int | None = None
    """How many share every batch; all by default."""

    @classmethod
    def of(cls, arguments: Sequence[str]) -> type[LanguageTrain]:
        """With the settings of a training."""
        from sandwich_jax.declare import declared
        from sandwich_jax.language.train_settings import TrainConfig

        config = tyro.conf.OmitArgPrefixes[options.of(declared(TrainConfig))]
        own = {"__doc__": cls.__doc__, "__annotations__": {"config": config}}
        return dataclasses.dataclass(frozen=True)(type("LanguageTrain", (cls,), own))


def language_train(args: LanguageTrain) -> None:
    """`sandwich-jax language train`."""
    from sandwich_jax.language import train
    from sandwich_jax.language.tables import models_table
    from sandwich_jax.language.train import Files
    from sandwich_jax.language.train_settings import TrainConfig

    files = Files(args.normal, args.toxic, args.normal_test, args.toxic_test)
    config = TrainConfig(**options.values_of(args.config), of_world=not args.normal)

    def work() -> dict[str, dict[str, Any]]:
        with preempt.watch() as watch, interrupts.watch() as keys, display.bar("Train") as bar:
            told = interrupts.stopping(bar.update, keys)
            return train.train_in(args.out, config, files, told, args.devices, watch.pause)

    outputs.show(work, lambda found: console.OUT.print(models_table(found)))
    console.OUT.print(f"Models in {args.out}.", highlight=False)
