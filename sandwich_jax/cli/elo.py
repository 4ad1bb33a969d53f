"""`sandwich-jax elo`."""

from __future__ import annotations

import dataclasses
import pathlib

import tyro

from sandwich_jax.engines.settings import EngineConfig
from sandwich_jax.machine import console
from sandwich_jax.players.settings import MatchConfig
from sandwich_jax.words import Schedule


@dataclasses.dataclass(frozen=True)
class Elo:
    """Puts players on one scale: matches between them, one joint fit."""

    players: tyro.conf.Positional[tuple[str, ...]]
    """At least two, spelled as for `match`."""
    config: tyro.conf.OmitArgPrefixes[MatchConfig] = MatchConfig()
    engine: EngineConfig = EngineConfig()
    schedule: Schedule = "all"
    """Everybody meets everybody, neighbours in the list do, or those two apart as well."""
    anchor: str | None = None
    """The player whose Elo is set; by default the first. Only differences are measured."""
    anchor_elo: float = 0.0
    out: pathlib.Path | None = None
    """Adds matches and standings to this file of JSON lines."""


def elo(args: Elo) -> None:
    """`sandwich-jax elo`."""
    from sandwich_jax.players import contest

    anchor = args.anchor or next(iter(args.players), "")
    scale = contest.Scale(args.schedule, anchor, args.anchor_elo)
    contest.elo(args.players, args.config, args.engine, scale, args.out, console.OUT)
