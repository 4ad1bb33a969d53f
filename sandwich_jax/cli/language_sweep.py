"""`sandwich-jax language sweep`."""

from __future__ import annotations

import dataclasses
import pathlib

import tyro

from sandwich_jax import outputs
from sandwich_jax.machine import console, display, interrupts, preempt
from sandwich_jax.words import WandbMode


@dataclasses.dataclass(frozen=True)
class LanguageSweep:
    """A grid of runs on text; run it again to resume or widen.

    Exits with 75 when SIGTERM stopped it: the same command goes on where it was.
    """

    config: tyro.conf.Positional[pathlib.Path]
    """TOML: any setting of `language run`; lists are axes of the grid."""
    out: pathlib.Path | None = None
    """The sweep's folder; runs/NAME by default, as the file is called."""
    models: str = ""
    """The folder of models, in place of the one that the file names."""
    wandb: WandbMode = "offline"
    """Weights & Biases; offline needs no account."""


def language_sweep(args: LanguageSweep) -> None:
    """`sandwich-jax language sweep`."""
    from sandwich_jax.language import sweeps, tables
    from sandwich_jax.language.sweeps import Phase
    from sandwich_jax.running import sweep_toml

    out = args.out or pathlib.Path("runs") / args.config.stem
    settings = sweep_toml.read(args.config) | ({"models": args.models} if args.models else {})

    def work() -> Phase:
        with preempt.watch() as watch, interrupts.watch() as keys, display.bar("Sweep") as bar:
            told = interrupts.stopping(bar.update, keys)
            return sweeps.run(settings, out, wandb=args.wandb, progress=told, pause=watch.pause)

    outputs.show(work, lambda found: tables.show_phase(found, console.OUT))
    tables.list_folder(out, sweeps.CONTENTS, console.OUT)
