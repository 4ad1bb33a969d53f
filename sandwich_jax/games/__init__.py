"""A game by name: rules, network features, openings, record and replay, all batched.

A game is recorded as its opening and its action labels (2 bytes a ply); positions are replayed
from them, or kept as encoded positions (36 bytes for chess), from which features are made.
Players alternate strictly in every game here: ply parity says who moves.
"""

from __future__ import annotations

import functools
import importlib
from typing import TYPE_CHECKING, Any

from sandwich_jax import given
from sandwich_jax.errors import SettingError

if TYPE_CHECKING:
    from sandwich_jax.games.game import Game, Split

__all__ = ["NAMES", "OTHER_GAMES", "Game", "Split", "make"]

OTHER_GAMES = ("gardner_chess", "connect_four", "othello", "tic_tac_toe")
"""Of pgx, which calls them so."""
NAMES = ("chess", "pgx:chess", *OTHER_GAMES)


@functools.cache
def make(name: str) -> Game:
    """The game called `name`; `pgx:chess` is pgx's slower chess, for comparison.

    Raises:
        SettingError: there is no such game.
    """
    # On first use: to name a game, nothing that plays one need be loaded.
    if name == "chess":
        from sandwich_jax.games.chess import chess

        return chess()
    if name == "pgx:chess":
        from sandwich_jax.games.pgx_chess import pgx_chess

        return pgx_chess()
    if name in OTHER_GAMES:
        from sandwich_jax.games.pgx_games import pgx_game

        return pgx_game(name)
    raise SettingError(given.unknown("game", name, NAMES))


def __getattr__(name: str) -> Any:
    if name in ("Game", "Split"):
        return getattr(importlib.import_module("sandwich_jax.games.game"), name)
    raise AttributeError(f"module 'sandwich_jax.games' has no attribute '{name}'")
