"""`sandwich-jax pretrain`."""

from __future__ import annotations

import dataclasses
import pathlib

import tyro

from sandwich_jax import outputs
from sandwich_jax.machine import console, display
from sandwich_jax.machine.settings import Cluster
from sandwich_jax.training.settings import PretrainConfig


@dataclasses.dataclass(frozen=True)
class Pretrain:
    """Trains E or W on a corpus; run it again to go on after an interruption.

    On several machines, start the same command with --distributed on each, corpus and --out in a
    folder that all share: all their devices then share every batch.
    """

    corpus: pathlib.Path
    """A corpus file."""
    out: pathlib.Path
    """Folder for the network."""
    config: tyro.conf.OmitArgPrefixes[PretrainConfig]
    devices: int | None = None
    """How many share every batch; all by default."""
    cluster: tyro.conf.OmitArgPrefixes[Cluster] = Cluster()


def pretrain(args: Pretrain) -> None:
    """`sandwich-jax pretrain`."""
    import jax

    from sandwich_jax.running import network_folder
    from sandwich_jax.training.pretrain import MoveMatch

    def train() -> MoveMatch:
        with display.bar(args.config.role) as bar:
            return network_folder.pretrain_in(
                args.out, args.config, args.corpus, bar.update, args.devices
            )

    def shown(match: MoveMatch) -> None:
        if jax.process_index() == 0:
            console.OUT.print(
                f"Matches {match.share:.1%} [{match.low:.1%}, {match.high:.1%}] of human moves on"
                f" {match.positions:,} unseen positions.",
                highlight=False,
            )

    outputs.show(train, shown)
    if jax.process_index() == 0:
        console.OUT.print(f"Network in {args.out} (ckpt:{args.out}).", highlight=False)
