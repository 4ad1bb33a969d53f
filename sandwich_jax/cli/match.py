"""`sandwich-jax match`."""

from __future__ import annotations

import dataclasses
import pathlib

import tyro

from sandwich_jax.engines.settings import EngineConfig
from sandwich_jax.machine import console
from sandwich_jax.players.settings import MatchConfig


@dataclasses.dataclass(frozen=True)
class Match:
    """Plays two players against each other: score, Elo and, if wanted, a sequential test."""

    a: tyro.conf.Positional[str]
    """zoo:NAME, ckpt:PATH, fresh:SEED, random, stockfish:nodes=N[,q=Q] or stockfish:elo=N."""
    b: tyro.conf.Positional[str]
    """Likewise."""
    config: tyro.conf.OmitArgPrefixes[MatchConfig] = MatchConfig()
    engine: EngineConfig = EngineConfig()
    sprt: tuple[float, float] | None = None
    """Stop once it is decided whether A's lead in Elo is the first number or the second."""
    alpha: float = 0.05
    """Probability of deciding for the second where the first holds."""
    beta: float = 0.05
    """Probability of deciding for the first where the second holds."""
    out: pathlib.Path | None = None
    """Adds the result to this file of JSON lines."""


def match(args: Match) -> None:
    """`sandwich-jax match`."""
    from sandwich_jax.measures import sprt
    from sandwich_jax.players import contest

    test = sprt.Test(*args.sprt, args.alpha, args.beta) if args.sprt else None
    contest.match(args.a, args.b, args.config, args.engine, test, args.out, console.OUT)
