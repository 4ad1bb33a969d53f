"""A match with an engine in it: a Python loop, all games in lockstep.

Positions live on the device as in the arena, so that rules, networks and adjudication are the
arena's own; engines see the same games on python-chess boards and answer through one pool.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import chess
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, PyTree

from sandwich_jax.arena import ArenaConfig, Policy, Scores
from sandwich_jax.engines.engine_pool import Pool
from sandwich_jax.games import Game
from sandwich_jax.players.engine_players import EngineSpec, random_move
from sandwich_jax.training.corpus import label_of, move_of
from sandwich_jax.types import PRNGKey, State


class Jitted(NamedTuple):
    """A policy of the arena and its parameters."""

    policy: Policy
    """Jitted."""
    parameters: PyTree[Array]


Side = Jitted | EngineSpec


def match(
    key: PRNGKey,
    game: Game,
    a: Side,
    b: Side,
    lines: Int[np.ndarray, "N L"],
    config: ArenaConfig,
    pool: Pool | None,
    progress: Callable[[float], None] = lambda share: None,
) -> Scores:
    """Every opening once with either colour, all games at the same time.

    Args:
        key: of networks' and rungs' choices; engines make their own.
        game: chess.
        a: the side that scores are seen by.
        b: the other.
        lines: openings as labels, an even number of plies each.
        config: the arena's; its lanes do not matter here.
        pool: needed where a side is an engine.
        progress: told the share of games that are over.

    Raises:
        EngineFault: the engine failed too often.
    """
    games = 2 * len(lines)
    table = _Table(game, lines, config)
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key)))
    while table.live.any():
        first = np.arange(games) < games // 2
        of_a = first == (table.ply % 2 == 0)
        k_a, k_b = jax.random.split(jax.random.fold_in(key, table.ply))
        turns = ((k_a, a, np.flatnonzero(of_a)), (k_b, b, np.flatnonzero(~of_a)))
        labels = np.zeros(games, np.int32)
        waiting = []
        for k_side, side, rows in turns:
            if isinstance(side, Jitted):
                state = game.take(table.state, jnp.asarray(rows))
                waiting.append((rows, side.policy(k_side, state, side.parameters)))
        # Networks work while the engines do.
        drawn = rng.random((2, games))
        for row, move in _engine_moves(turns, table, drawn, pool):
            labels[row] = label_of(move, table.boards[row].turn)
        for rows, chosen in waiting:
            labels[rows] = np.asarray(chosen)
        table.push(labels)
        progress(1 - float(table.live.mean()))
    return table.scores()


def _engine_moves(
    turns: tuple, table: _Table, drawn: np.ndarray, pool: Pool | None
) -> list[tuple[int, chess.Move]]:
    """Moves of both sides' engines in the games that go on, from one queue."""
    chosen, rows, strengths = [], [], []
    for _, side, of_side in turns:
        if isinstance(side, EngineSpec):
            for row in of_side[table.live[of_side]].tolist():
                if drawn[0, row] < side.q:
                    rows.append(row)
                    strengths.append(side.strength)
                else:
                    chosen.append((row, random_move(table.boards[row], drawn[1, row])))
    if rows and pool is not None:
        moves = pool.moves([table.boards[row] for row in rows], strengths)
        chosen += zip(rows, moves, strict=True)
    return chosen


class _Table:
    """The games of a match: `a` is the first player in the first half of them."""

    def __init__(self, game: Game, lines: Int[np.ndarray, "N L"], config: ArenaConfig):
        self.config = config
        both = np.concatenate([lines, lines])
        self.game = game
        self.state = _after(game, jnp.asarray(both))
        self.boards = [_board(line) for line in both]
        count = len(both)
        self.ply = 0
        self.live = np.ones(count, bool)
        self.streak = np.zeros(count, int)
        self.result, self.verdict = np.zeros((2, count))
        self.adjudicated = np.zeros(count, bool)
        self.moves: list[np.ndarray] = []

    def push(self, labels: Int[np.ndarray, "B"]) -> None:
        """Plays one ply of all games that go on, and ends those that are over."""
        self.moves.append(np.where(self.live, labels, -1).astype(np.int16))
        self.state, over, result, lead = _step(self.game, self.state, jnp.asarray(labels))
        for row in np.flatnonzero(self.live):
            self.boards[row].push(move_of(int(labels[row]), self.boards[row]))
        self.ply += 1
        self._judge(np.asarray(over), np.asarray(result), np.asarray(lead))

    def _judge(self, over: np.ndarray, result: np.ndarray, lead: np.ndarray) -> None:
        """As in the jitted loop (a test compares them)."""
        rule = self.config.adjudication
        self.streak = rule.streak(lead, self.streak)
        capped = self.ply >= self.config.max_plies
        long_lead, decided = rule.decides(lead, self.streak, capped)
        by_material = ~over & decided
        ended = self.live & (over | long_lead | capped)
        verdict = np.where(over, result, np.where(by_material, np.sign(lead), 0.0))
        self.result = np.where(ended & over, result, self.result)
        self.verdict = np.where(ended, verdict, self.verdict)
        self.adjudicated |= ended & by_material
        self.live &= ~ended

    def scores(self) -> Scores:
        """Scores seen by `a`, as from the arena; as many plies as were played."""
        side = jnp.asarray([0.5, -0.5])

        def paired(x: np.ndarray) -> Array:
            return jnp.asarray(np.stack(np.split(x, 2, axis=-1), axis=-1))

        return Scores(
            points=0.5 + side * paired(self.verdict),
            points_by_rules=0.5 + side * paired(self.result),
            adjudicated=paired(self.adjudicated),
            moves=paired(np.stack(self.moves)),
        )


@functools.partial(jax.jit, static_argnums=0)
def _after(game: Game, lines: Int[Array, "B L"]) -> State:
    return game.after(lines)


@functools.partial(jax.jit, static_argnums=0)
def _step(game: Game, state: State, labels: Int[Array, "B"]) -> tuple[State, Array, Array, Array]:
    """The next states, whether they are over, results and material leads of the first player."""
    after = game.step(state, labels)
    over = game.done(after)
    lead = jnp.zeros(over.shape, int) if game.material is None else game.material(after)
    return after, over, game.result(after), lead


def _board(line: Int[np.ndarray, "L"]) -> chess.Board:
    board = chess.Board()
    for label in line:
        board.push(move_of(int(label), board))
    return board
