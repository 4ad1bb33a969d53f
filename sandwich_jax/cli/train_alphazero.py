"""`sandwich-jax train-alphazero`."""

from __future__ import annotations

import dataclasses
import pathlib

import tyro

from sandwich_jax.machine import console, display
from sandwich_jax.training.settings import AlphaZeroConfig


@dataclasses.dataclass(frozen=True)
class TrainAlphazero:
    """Trains an E by self-play with a search; run it again to go on after an interruption."""

    out: pathlib.Path
    """Folder for the network, for snapshots and checkpoints."""
    config: tyro.conf.OmitArgPrefixes[AlphaZeroConfig] = AlphaZeroConfig()


def train_alphazero(args: TrainAlphazero) -> None:
    """`sandwich-jax train-alphazero`."""
    from sandwich_jax.running import alphazero_folder

    with display.bar("AlphaZero") as bar:
        alphazero_folder.train_in(args.out, args.config, bar.update)
    console.OUT.print(f"Network in {args.out} (ckpt:{args.out}).", highlight=False)
