"""A game by name: rules, network features, openings, record and replay, all batched.

A game is recorded as its opening and its action labels (2 bytes a ply); positions are replayed
from them, or kept as encoded positions (36 bytes for chess), from which features are made.
Players alternate strictly in every game here: ply parity says who moves.
"""

from __future__ import annotations

import functools

from sandwich_jax.games import chess, pgx_games
from sandwich_jax.games.game import Game, Split
from sandwich_jax.types import SettingError

__all__ = ["NAMES", "OTHER_GAMES", "Game", "Split", "make"]

OTHER_GAMES = pgx_games.NAMES
NAMES = ("chess", "pgx:chess", *OTHER_GAMES)


@functools.cache
def make(name: str) -> Game:
    """The game called `name`; `pgx:chess` is pgx's slower chess, for comparison.

    Raises:
        SettingError: there is no such game.
    """
    if name == "chess":
        return chess.chess()
    if name == "pgx:chess":
        from sandwich_jax.games.pgx_chess import pgx_chess

        return pgx_chess()
    if name in OTHER_GAMES:
        return pgx_games.pgx_game(name)
    raise SettingError(f"Unknown game '{name}': choose one of {', '.join(NAMES)}.")
