"""`sandwich-jax train-saboteur`."""

from __future__ import annotations

import dataclasses
import pathlib

import tyro

from sandwich_jax.engines.settings import EngineConfig
from sandwich_jax.machine import console, display
from sandwich_jax.running.settings import Material
from sandwich_jax.training.settings import SaboteurConfig


@dataclasses.dataclass(frozen=True)
class TrainSaboteur:
    """Trains an M whose moves lose without W seeing it; run it again to go on."""

    corpus: pathlib.Path
    """A corpus file: positions of its training games."""
    out: pathlib.Path
    """Folder for the network, and for the positions with all that is known of their moves."""
    material: tyro.conf.OmitArgPrefixes[Material] = Material()
    config: tyro.conf.OmitArgPrefixes[SaboteurConfig] = SaboteurConfig()
    engine: EngineConfig = EngineConfig()


def train_saboteur(args: TrainSaboteur) -> None:
    """`sandwich-jax train-saboteur`."""
    from sandwich_jax.running import saboteur_folder

    with display.bar("Saboteur") as bar:
        saboteur_folder.train_in(
            args.out, args.corpus, args.material, args.config, args.engine, bar.update
        )
    console.OUT.print(f"Network in {args.out} (ckpt:{args.out}).", highlight=False)
