"""`sandwich-jax play`."""

from __future__ import annotations

import dataclasses
import sys

import tyro

from sandwich_jax.machine import console
from sandwich_jax.players.settings import GameConfig


@dataclasses.dataclass(frozen=True)
class Play:
    """A game against any player in the terminal: be the weak human, with advice that may be
    corrupt."""

    player: tyro.conf.Positional[str] = "zoo:weak"
    """Your opponent, spelled as for `uci`."""
    config: tyro.conf.OmitArgPrefixes[GameConfig] = GameConfig()


def play(args: Play) -> None:
    """`sandwich-jax play`."""
    from sandwich_jax.players import human, seats

    human.sit_down(args.player, args.config, seats.heard(sys.stdin), console.OUT)
