"""`sandwich-jax demo`."""

from __future__ import annotations

import dataclasses
import pathlib

from sandwich_jax.folders.log import WandbMode
from sandwich_jax.running import demo as demos


@dataclasses.dataclass(frozen=True)
class Demo:
    """The main experiment on a laptop: can W learn from an A that errs, and where does it end?

    W follows what A says (in Connect Four also what most of five answers say). A plays E's move,
    but with probability p a random one. Run it again to go on after an interruption.
    """

    game: str = "chess"
    """chess (ten minutes on two cores) or connect_four (eight)."""
    out: pathlib.Path | None = None
    """The folder; runs/demo by default, runs/demo_GAME for another game than chess."""
    wandb: WandbMode = "offline"
    """Weights & Biases; offline needs no account."""
    seed: int = 0


def demo(args: Demo) -> None:
    """`sandwich-jax demo`."""
    default = "demo" if args.game == "chess" else f"demo_{args.game}"
    out = args.out or pathlib.Path("runs") / default
    demos.show(args.game, out, args.wandb, args.seed)
