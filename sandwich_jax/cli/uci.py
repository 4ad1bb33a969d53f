"""`sandwich-jax uci`."""

from __future__ import annotations

import dataclasses
import os
import sys


@dataclasses.dataclass(frozen=True)
class Uci:
    """Any player as a UCI engine, for chess programs: point them at this command."""

    player: str = "zoo:expert"
    """zoo:NAME, ckpt:PATH, fresh:SEED, random, stockfish:..., or W with an assistant:
    assisted:W,E[,MISALIGNMENT][,PROTOCOL][,SETTING=VALUE ...]."""
    temperature: float = 0.1
    """Of its moves; 0 plays the best. Also a UCI option."""


def uci(args: Uci) -> None:
    """`sandwich-jax uci`."""
    from sandwich_jax.players import seats, uci_engine

    uci_engine.serve(args.player, args.temperature, seats.heard(sys.stdin), sys.stdout)
    sys.stdout.flush()
    os._exit(0)  # at once: there are programs that kill an engine that takes leave slowly
