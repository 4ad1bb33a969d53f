"""Matches between players by their spelling, and a joint Elo fit of many.

Jitted players meet on the device; a match with an engine in it is a Python loop. Both start from
the arena's openings, every one with either colour, and both adjudicate alike.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sandwich_jax import arena
from sandwich_jax.config import CHESS
from sandwich_jax.engines import engine_pool
from sandwich_jax.games import Game
from sandwich_jax.measures import bradley_terry, pentanomial, sprt
from sandwich_jax.measures.elo import Pairings
from sandwich_jax.models import game_of
from sandwich_jax.players import engine_players, lockstep, spelled
from sandwich_jax.players.settings import MatchConfig
from sandwich_jax.types import SettingError
from sandwich_jax.words import Schedule

CHUNK = 32
"""Openings played between two looks at a sequential test, or before an engine's fault or Ctrl-C
can cost what was played."""
DEVICE_CHUNK = 256
"""The same where neither can happen but Ctrl-C: between pieces, lanes wait for one another."""
LANES = 64
DEFAULT_ENGINE = engine_pool.EngineConfig()
FAIR = (0.1, 0.9)
"""Scores outside say little of the difference: put a rung in between."""


class Hall:
    """Players of some matches, each loaded once, and the pool that their engines share."""

    def __init__(
        self,
        specs: Sequence[str],
        config: MatchConfig,
        engine: engine_pool.EngineConfig = DEFAULT_ENGINE,
    ):
        """Raises SettingError where a player, an engine or an opening is missing."""
        self.config = config
        self.networks = {
            spec: spelled.load_network(spec, config.game)
            for spec in specs
            if spec != "random" and not engine_players.is_engine(spec)
        }
        spelled.together(self.networks.values())
        self.game = game_of(config.game, self.networks.values())
        lines = self.game.openings("arena")
        if config.openings > len(lines):
            raise SettingError(f"openings is {config.openings}: the arena has {len(lines)}.")
        self.lines = lines[: config.openings]
        self.sides = {spec: self._side(spec) for spec in specs}
        needed = any(isinstance(s, engine_players.EngineSpec) for s in self.sides.values())
        self.pool = engine_pool.Pool(engine) if needed else None

    def __enter__(self) -> Hall:
        return self

    def __exit__(self, *error: object) -> None:
        if self.pool is not None:
            self.pool.close()

    def _side(self, spec: str) -> lockstep.Side:
        if engine_players.is_engine(spec):
            if self.config.game not in CHESS:
                raise SettingError(f"{spec} plays chess, but {self.config.game} is wanted.")
            return engine_players.parse(spec)
        if spec == "random":
            return lockstep.Jitted(_random_mover(self.game), ())
        knobs = {"temperature": jnp.float32(self.config.temperature)}
        return lockstep.Jitted(_policy(self.game), (self.networks[spec], knobs))

    def match(self, a: str, b: str, first: int = 0, count: int | None = None) -> arena.Scores:
        """A match from `count` openings, the first of them number `first`, seen by `a`.

        Raises:
            EngineFault: an engine failed too often.
        """
        lines = self.lines[first:][:count]
        key = jax.random.fold_in(jax.random.key(self.config.seed), first)
        one, two = self.sides[a], self.sides[b]
        if isinstance(one, lockstep.Jitted) and isinstance(two, lockstep.Jitted):
            return self._on_device(key, one, two, lines)
        settings = arena.ArenaConfig(max_plies=self.config.max_plies)
        return lockstep.match(key, self.game, one, two, lines, settings, self.pool)

    def _on_device(
        self, key: jax.Array, a: lockstep.Jitted, b: lockstep.Jitted, lines: np.ndarray
    ) -> arena.Scores:
        count = len(lines)
        rounds = -(-2 * count // LANES)
        lanes = 2 * -(-count // rounds)
        match = _match(
            self.game, a.policy, b.policy, arena.ArenaConfig(lanes, self.config.max_plies)
        )
        # Whole rounds of lanes: the last openings may be played for nothing.
        filled = lines[np.arange(rounds * lanes // 2) % count]
        starts = jax.jit(self.game.after)(jnp.asarray(filled))
        scores = match(key, a.parameters, b.parameters, starts, jnp.int32(len(filled)))
        return arena.first_openings(jax.tree.map(np.asarray, scores), count)

    def in_chunks(self, a: str, b: str, size: int | None = None) -> Iterator[arena.Scores]:
        """The same match by so many openings at a time, `CHUNK` by default."""
        size = size or CHUNK
        for first in range(0, len(self.lines), size):
            yield self.match(a, b, first, size)


@functools.cache
def _policy(game: Game) -> arena.Policy:
    return jax.jit(arena.network_policy(game))


@functools.cache
def _random_mover(game: Game) -> arena.Policy:
    return jax.jit(arena.random_policy(game))


@functools.cache
def _match(game: Game, a: arena.Policy, b: arena.Policy, config: arena.ArenaConfig) -> arena.Match:
    return jax.jit(arena.make_match(game, a, b, config))


def match_row(hall: Hall, a: str, b: str, test: sprt.Test | None = None) -> dict[str, Any]:
    """A match as one row, see `row_of`; a sequential test ends it as soon as it can.

    Raises:
        EngineFault: an engine failed too often.
    """
    *_, row = growing(hall, a, b, test)
    return row


def growing(hall: Hall, a: str, b: str, test: sprt.Test | None = None) -> Iterator[dict[str, Any]]:
    """The row of a match as it grows, with every piece that is played.

    Raises:
        EngineFault: an engine failed too often.
    """
    parts: list[arena.Scores] = []
    by_device = test is None and hall.pool is None
    for scores in hall.in_chunks(a, b, DEVICE_CHUNK) if by_device else hall.in_chunks(a, b):
        parts.append(scores)
        row = row_of(a, b, parts, test)
        yield row
        if test is not None and row["sprt"]["accepted"]:
            return


def row_of(
    a: str, b: str, parts: Sequence[arena.Scores], test: sprt.Test | None = None
) -> dict[str, Any]:
    """What a match says, seen by `a`: JSON values but for "points", [N, 2]."""
    points, by_rules, adjudicated = (
        np.concatenate([np.asarray(getattr(part, name)) for part in parts])
        for name in ("points", "points_by_rules", "adjudicated")
    )
    score, counted = pentanomial.score(points), pentanomial.counts(points)
    row = {
        "a": a,
        "b": b,
        "games": points.size,
        "wins": int((points == 1).sum()),
        "draws": int((points == 0.5).sum()),
        "losses": int((points == 0).sum()),
        "score": float(points.mean()),
        "score_error": score.error,
        "elo": score.elo.value,
        "elo_lo": score.elo.low,
        "elo_hi": score.elo.high,
        "los": score.los,
        "pentanomial": counted.tolist(),
        "score_by_rules": float(by_rules.mean()),
        "adjudicated": float(adjudicated.mean()),
        "points": points,
    }
    if test is not None:
        row["sprt"] = dataclasses.asdict(test) | sprt.state(test, counted)._asdict()
    return row


def pairs_of(specs: Sequence[str], schedule: Schedule) -> list[tuple[str, str]]:
    """Who meets whom.

    Raises:
        SettingError: fewer than two players, or one twice.
    """
    if len(specs) < 2 or len(set(specs)) < len(specs):
        raise SettingError("A joint fit needs at least two players, all different.")
    reach = {"all": len(specs), "neighbours": 1, "near": 2}[schedule]
    indices = itertools.combinations(range(len(specs)), 2)
    return [(specs[i], specs[j]) for i, j in indices if j - i <= reach]


def standings(
    pairings: Pairings, anchor: str, anchor_elo: float = 0.0
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Rows of players, best first, and a row about the fit, from one fit of all matches.

    Only differences are measured: the anchor is put where the caller says, and has no error. A
    player is "in_range" if some opponent scored within `FAIR` of it; resampling a match that is
    won or lost almost in full shows too little of its error.
    """
    fitted = bradley_terry.fit(pairings, anchor, anchor_elo=anchor_elo)
    rows = []
    for player in fitted.fit.players:
        elo = fitted.fit.difference(player, anchor)
        shares = [np.asarray(p) for (a, _), p in pairings.items() if a == player]
        shares += [1 - np.asarray(p) for (_, b), p in pairings.items() if b == player]
        points = np.concatenate([share.reshape(-1) for share in shares])
        row = {"player": player, "anchor": player == anchor, "games": points.size}
        row |= {"score": float(points.mean()), "elo": elo.value + anchor_elo}
        row |= {"elo_lo": elo.low + anchor_elo, "elo_hi": elo.high + anchor_elo}
        in_range = any(FAIR[0] <= share.mean() <= FAIR[1] for share in shares)
        rows.append(row | {"in_range": in_range})
    model = {"anchor": anchor, "anchor_elo": anchor_elo}
    for name, value in (
        ("draw_share", fitted.draw_share()),
        ("white_advantage", fitted.white_advantage()),
    ):
        model |= {name: value.value, f"{name}_lo": value.low, f"{name}_hi": value.high}
    return sorted(rows, key=lambda row: -row["elo"]), model
