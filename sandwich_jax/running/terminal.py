"""A run from the command line: progress, then what came out."""

from __future__ import annotations

import pathlib

from sandwich_jax import outputs
from sandwich_jax.driver import Result
from sandwich_jax.folders import places
from sandwich_jax.folders.log import WandbMode
from sandwich_jax.machine import console, display, interrupts, preempt
from sandwich_jax.members import Config
from sandwich_jax.running import result_tables, run_folder


def show(config: Config, out: pathlib.Path, wandb: WandbMode, title: str) -> None:
    """Runs `config` in the folder `out` with a progress display, then prints what came out."""

    def work() -> Result:
        with preempt.watch() as watch, interrupts.watch() as keys, display.bar(title) as bar:
            told = interrupts.stopping(bar.update, keys)
            return run_folder.run(config, out, wandb=wandb, progress=told, pause=watch.pause)

    outputs.show(work, lambda result: console.OUT.print(result_tables.results_table(result.rows)))
    console.OUT.print(f"Everything lies in {out}:", highlight=False)
    for path in sorted(out.iterdir()):
        says = places.CONTENTS.get(path.name, "")
        console.OUT.print(f"  {path.name:<22} {says}", highlight=False)
