"""Positions and moves as other programs write them, read in one place."""

from __future__ import annotations

import chess

from sandwich_jax import board as rules
from sandwich_jax.types import SettingError

SHOWN = 90
"""Characters of somebody's text that a sentence repeats."""
NULL = chess.Move.null()


def read(fen: str) -> chess.Board:
    """The position that a FEN names, by the rules of `board.from_fen`.

    Castling rights and en-passant squares that the pieces do not bear out are left out. As other
    programs have it, all after the side to move may be missing.

    Raises:
        SettingError: it is malformed, or the position cannot be played.
    """
    words = fen.split()
    whole = [*words, *"--"[len(words) - 2 :]] if len(words) in (2, 3) else words
    try:
        found = chess.Board(rules.mended(" ".join(whole)))
    except ValueError as error:
        reason = str(error).partition(" in FEN ")[0]
        raise SettingError(f"{shown(fen)} cannot be played: {reason}.") from error
    if found.was_into_check():
        raise SettingError(f"{shown(fen)} cannot be played: the king could be taken.")
    return found


def move(board: chess.Board, word: str) -> chess.Move:
    """The legal move that a word of UCI names, in small letters or capitals.

    Raises:
        SettingError: it names none: 0000 is no move.
    """
    try:
        found = board.parse_uci(word.lower())
    except ValueError as error:
        raise SettingError(f"{shown(word)} is no legal move.") from error
    if found == NULL:
        raise SettingError(f"{shown(word)} is no legal move.")
    return found


def shown(text: str) -> str:
    """Somebody's text for a sentence: in quotes, in one line, cut short."""
    return repr(text if len(text) <= SHOWN else text[:SHOWN] + "...")
