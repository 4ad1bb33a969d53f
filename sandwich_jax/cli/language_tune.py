"""`sandwich-jax language tune`."""

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
class LanguageTune:
    """Tunes one model of a folder by best_rated, ppo or demonstrations, for `shift` to compare.

    Run it again to go on after an interruption.
    """

    models: pathlib.Path
    """Folder of models, as `language train` leaves it."""
    out: pathlib.Path
    """Folder for the tuned model."""
    config: tyro.conf.OmitArgPrefixes[Any]

    @classmethod
    def of(cls, arguments: Sequence[str]) -> type[LanguageTune]:
        """With the settings of a tuning."""
        from sandwich_jax.declare import declared
        from sandwich_jax.language.tuning import TuneConfig

        config = tyro.conf.OmitArgPrefixes[options.of(declared(TuneConfig))]
        own = {"__doc__": cls.__doc__, "__annotations__": {"config": config}}
        return dataclasses.dataclass(frozen=True)(type("LanguageTune", (cls,), own))


def language_tune(args: LanguageTune) -> None:
    """`sandwich-jax language tune`."""
    from sandwich_jax.language import tuning
    from sandwich_jax.language.tuning import TuneConfig

    config = TuneConfig(**options.values_of(args.config))

    def work() -> dict[str, Any]:
        with preempt.watch() as watch, interrupts.watch() as keys, display.bar("Tune") as bar:
            told = interrupts.stopping(bar.update, keys)
            return tuning.tune_in(args.out, args.models, config, told, watch.pause)

    def shown(row: dict[str, Any]) -> None:
        told = ", ".join(f"{n} {v:.3f}" for n, v in row.items() if isinstance(v, float))
        console.OUT.print(f"Last round: {told}.", highlight=False)

    outputs.show(work, shown)
    console.OUT.print(f"Model in {args.out} (text:{args.out}).", highlight=False)
