"""`sandwich-jax sweep`."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from typing import Any

import tyro

from sandwich_jax import grid, outputs
from sandwich_jax.machine import console, display, interrupts, preempt
from sandwich_jax.machine.settings import Cluster
from sandwich_jax.running import sweep_toml
from sandwich_jax.running.settings import Devices
from sandwich_jax.words import WandbMode


@dataclasses.dataclass(frozen=True)
class Sweep:
    """A grid of runs as one program, over devices and machines; run it again to resume or widen.

    Exits with 75 when SIGTERM stopped it: the same command goes on where it was. On several
    machines, start the same command with --distributed on each, --out in a folder that all share.
    """

    config: tyro.conf.Positional[pathlib.Path]
    """TOML: any setting of `run`; those that may be lists are axes of the grid."""
    out: pathlib.Path | None = None
    """The sweep's folder; runs/NAME by default, as the file is called."""
    wandb: WandbMode = "offline"
    """Weights & Biases: one group, a run a member."""
    where: tyro.conf.OmitArgPrefixes[Devices] = Devices()
    cluster: tyro.conf.OmitArgPrefixes[Cluster] = Cluster()
    """Every process plays its share of the members."""

    def __post_init__(self) -> None:
        """Raises SettingError where the file cannot be read, or spans no grid."""
        settings = sweep_toml.read(self.config)
        object.__setattr__(self, "grid", (settings, grid.parse(settings)))


def sweep(args: Sweep) -> None:
    """`sandwich-jax sweep`."""
    import jax

    from sandwich_jax.machine import cluster
    from sandwich_jax.running import result_tables, sweep_folder
    from sandwich_jax.running.phase import Phase

    cluster.keep_compiled()
    out = args.out or pathlib.Path("runs") / args.config.stem
    settings, parts = args.grid  # pyright: ignore[reportAttributeAccessIssue]

    def work() -> tuple[Phase, dict[str, Any]]:
        sigterm = preempt.watch(cluster.linger())
        with sigterm as watch, interrupts.watch() as keys, display.bar("Sweep") as bar:
            return sweep_folder.run(
                settings,
                out,
                parts=parts,
                where=args.where,
                wandb=args.wandb,
                progress=interrupts.stopping(bar.update, keys),
                pause=watch.pause,
            )

    def shown(result: tuple[Phase, dict[str, Any]]) -> None:
        if jax.process_index() > 0:
            return
        found, pace = result
        for table in result_tables.sweep_tables(found.rows, found.critical):
            console.OUT.print(table)
        about = {"sweep": str(out), "cells": len(found.rows), "critical": found.critical}
        print(json.dumps(about | {"pace": pace}), flush=True)

    outputs.show(work, shown)
