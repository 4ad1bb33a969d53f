"""The main experiment on a laptop: `make demo`, about ten minutes on two cores.

W follows everything that A says. A plays E's move, but with probability p a random one. Can W
learn from that, and how much is lost at p = 0.5, where A itself is about as weak as W?
"""

import dataclasses
import pathlib

import tyro

from sandwich_jax.machine import console

console.start()  # before the imports below, which put arrays on a device

from sandwich_jax import Config
from sandwich_jax.folders.log import WandbMode
from sandwich_jax.running import terminal


@dataclasses.dataclass(frozen=True)
class Demo:
    """Settings of the demo; those of the run itself are in this file."""

    out: pathlib.Path = pathlib.Path("runs/demo")
    wandb: WandbMode = "offline"
    seed: int = 0


def main(args: Demo) -> None:
    """Runs the demo and shows what came out."""
    config = Config(misalignment="random_move", p=(0.0, 0.5, 0.9), control=True, seed=args.seed)
    terminal.show(config, args.out, args.wandb, "Demo")


if __name__ == "__main__":
    console.guarded(lambda: main(tyro.cli(Demo, description=__doc__)))
