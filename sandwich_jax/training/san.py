"""Move text to codes: what each word of it says, without a board.

A code is a whole number. A move's is positive and holds, from the lowest bit on,

    6 bits  target square, file by file as White sees it (see `sandwich_jax.board.geometry`)
    3 bits  piece, 1 pawn to 6 king; ANY_PIECE where only the source square says which
    4 bits  source file plus one, 0 if not said
    4 bits  source rank plus one, 0 if not said
    3 bits  piece promoted to, 0 if none
    2 bits  castling: QUEEN_SIDE or KING_SIDE, 0 if neither; the piece is then NO_PIECE
    1 bit   always set

The syntax is what python-chess takes: SAN with or without "x" and "=", long algebraic, castling
with zeros, redundant sources.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from sandwich_jax.board.geometry import KING, PAWN

ANY_PIECE, NO_PIECE = 0, 7
QUEEN_SIDE, KING_SIDE = 1, 2
PIECE, FILE, RANK, PROMOTION, CASTLING, MOVE = 6, 9, 13, 17, 20, 22
"""How far each field lies from the lowest bit."""

NOTHING, ENDED, OPEN, CLOSE, NULL, BROKEN = 0, -1, -2, -3, -4, -5
SEVERAL = -6
"""Codes up to this one stand for words that hold several others."""

_LETTERS = "PNBRQK"
_TOKEN = re.compile(
    r"(?P<move>(?P<piece>[NBRQK])?(?P<file>[a-h])?(?P<rank>[1-8])?[-x]?"
    r"(?P<to>[a-h][1-8])=?(?P<promotion>[NBRQKnbrqk])?)"
    r"|(?P<broken>[PNBRQK]?@[a-h][1-8])"
    r"|(?P<null>--|Z0|0000|@@@@)"
    r"|(?P<queen_side>O-O-O|0-0-0)|(?P<king_side>O-O|0-0)"
    r"|\$[0-9]+"
    r"|(?P<open>\()|(?P<close>\))"
    r"|(?P<ended>\*|1-0|0-1|1/2-1/2)"
)
_MOST_WORDS = 1 << 17


class Mainline(NamedTuple):
    """The moves of a game, variations left out."""

    codes: list[int]
    """Of moves, up to the first word that is none."""
    ended: bool
    """A result stands among them."""
    stopped: int
    """NULL or BROKEN: the word that `codes` stops before; NOTHING if it has all moves."""


class Words(dict[str, int]):
    """What words of move text mean: a memo, since a few thousand words make up all games."""

    def __init__(self) -> None:
        self._several: list[list[int]] = []

    def __missing__(self, word: str) -> int:
        codes = [code for code in map(_code, _TOKEN.finditer(word)) if code]
        if len(codes) > 1:
            self._several.append(codes)
        self[word] = code = SEVERAL + 1 - len(self._several) if codes[1:] else (*codes, NOTHING)[0]
        return code

    def mainline(self, text: str) -> Mainline:
        """Reads move text without comments."""
        if len(self) > _MOST_WORDS:
            self.clear()
            self._several.clear()
        if "(" in text or ")" in text:
            text = text.replace("(", " ( ").replace(")", " ) ")
        # "1.e4" would be a word of its own for each move number.
        words = text.replace(".", ". ").split()
        codes = list(filter(None, map(self.__getitem__, words)))
        # The usual game: moves and a result.
        plain = codes[:-1] if codes and codes[-1] == ENDED else codes
        if plain and min(plain) < 0:
            return self._walk(codes)
        return Mainline(plain, plain is not codes, NOTHING)

    def _walk(self, codes: list[int]) -> Mainline:
        """The mainline among codes of every kind."""
        moves: list[int] = []
        depth, ended = 0, False
        for code in self._spread(codes):
            if code == OPEN:
                # Before the first move there is nothing to vary.
                depth += depth > 0 or bool(moves)
            elif code == CLOSE:
                depth -= depth > 0
            elif depth:
                continue
            elif code > 0:
                moves.append(code)
            elif code == ENDED:
                ended = True
            else:
                return Mainline(moves, ended, code)
        return Mainline(moves, ended, NOTHING)

    def _spread(self, codes: list[int]) -> Iterator[int]:
        for code in codes:
            if code <= SEVERAL:
                yield from self._several[SEVERAL - code]
            else:
                yield code


def _code(token: re.Match[str]) -> int:
    if token["move"]:
        return _move_code(token)
    side = QUEEN_SIDE if token["queen_side"] else KING_SIDE if token["king_side"] else 0
    if side:
        return 1 << MOVE | side << CASTLING | NO_PIECE << PIECE
    kinds = {"broken": BROKEN, "null": NULL, "open": OPEN, "close": CLOSE, "ended": ENDED}
    return kinds.get(token.lastgroup or "", NOTHING)


def _move_code(token: re.Match[str]) -> int:
    target = _file(token["to"][0]) * 8 + int(token["to"][1]) - 1
    file = _file(token["file"]) + 1 if token["file"] else 0
    rank = int(token["rank"] or 0)
    promotion = _LETTERS.index(token["promotion"].upper()) + 1 if token["promotion"] else 0
    if promotion == KING or (promotion and token["piece"]):
        return BROKEN
    if token["piece"]:
        piece = _LETTERS.index(token["piece"]) + 1
    elif file and rank:
        piece = ANY_PIECE
    else:
        piece = PAWN
        # A capture names the pawn's file.
        file = file or target // 8 + 1
    fields = target | piece << PIECE | file << FILE | rank << RANK | promotion << PROMOTION
    return 1 << MOVE | fields


def _file(letter: str) -> int:
    return ord(letter) - ord("a")
