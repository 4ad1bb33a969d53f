"""Move text to codes: what each word of it says, without a board.

A code is a whole number. A move's is positive and holds, from the lowest bit on,

    6 bits  target square, file by file as White sees it (see `sandwich_jax.board.geometry`)
    3 bits  piece, 1 pawn to 6 king; ANY_PIECE where only the source square says which
    4 bits  source file plus one, 0 if not said
    4 bits  source rank plus one, 0 if not said
    3 bits  piece promoted to, 0 if none
    2 bits  castling: QUEEN_SIDE or KING_SIDE, 0 if neither; the piece is then NO_PIECE
    1 bit   always set

Read are SAN with or without "x" and "=", long algebraic, redundant sources, and castling with
letters or zeros of any case and alphabet and with any dash. A word is read as a whole or not at
all: one of which something is left over (other languages' letters for pieces, remarks without
braces) is UNKNOWN, and ends what can be used of a game.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

from sandwich_jax.board.geometry import KING, PAWN

ANY_PIECE, NO_PIECE = 0, 7
QUEEN_SIDE, KING_SIDE = 1, 2
PIECE, FILE, RANK, PROMOTION, CASTLING, MOVE = 6, 9, 13, 17, 20, 22
"""How far each field lies from the lowest bit."""

NOTHING = 0
WHITE_WON, DRAWN, BLACK_WON, OPEN_ENDED = -1, -2, -3, -4
"""Results at the end of the moves; the last one, "*", says none."""
OPEN, CLOSE, NULL, BROKEN, UNKNOWN = -5, -6, -7, -8, -9
LATE, MORE = -10, -11
"""Where moves begin with another number than 1; where more of them follow a result."""
SEVERAL = -12
"""Codes up to this one stand for words that hold several others."""

RESULTS = {"1-0": WHITE_WON, "1/2-1/2": DRAWN, "1/2": DRAWN, "0-1": BLACK_WON, "*": OPEN_ENDED}
"""What results are called, once `plain`."""

_LETTERS = "PNBRQK"
_O = "[O0o\N{CYRILLIC CAPITAL LETTER O}\N{CYRILLIC SMALL LETTER O}\N{GREEK CAPITAL LETTER OMICRON}"
_O += "\N{GREEK SMALL LETTER OMICRON}]"
_TOKEN = re.compile(
    r"(?P<ended>\*|1-0|0-1|1/2(?:-1/2)?)(?![0-9/])"
    rf"|(?P<queen_side>{_O}-{_O}-{_O}|[Oo]{{3}})(?![-\w])"
    rf"|(?P<king_side>{_O}-{_O}|[Oo]{{2}})(?![-\w])"
    r"|(?P<move>(?P<piece>[NBRQK])?(?P<file>[a-h])?(?P<rank>[1-8])?[-x:\xd7]?"
    r"(?P<to>[a-h][1-8])=?(?P<promotion>[NBRQKnbrqk](?![a-h]?x?[a-h][1-8]))?"
    r"(?:e\.|ep|mate|ch)?)"
    r"|(?P<broken>[PNBRQK]?@[a-h][1-8])"
    r"|(?P<null>--|Z0|0000|@@@@)"
    r"|(?P<open>\()|(?P<close>\))"
    r"|\$[0-9]+"
    r"|[1-9][0-9]*\.+|\.+"
    r"|\+-|-\+|[-+]/[-+=]|=/[-+]|[!?+#=]+"
)
_NUMBER = re.compile(r"[1-9][0-9]*")
_LATE = re.compile(r"\s*+(?!1[.\s])[0-9]++[.\s]")
"""Move text that begins with the number of another move than the first."""
_REMARKS = {
    "N",
    "TN",
    "D",
    "RR",
    "e.",
    "p.",
    "p",
    "ep",
    "ch",
    "ch.",
    "dbl.",
    "dis.",
    "check",
    "mate",
}
"""Words of annotators that say nothing of what was played: novelty, diagram, en passant."""
_NOT_SHOWN = "Cf"
"""Unicode's class of marks without a width, such as those of writing direction."""
_PIECES = re.compile("[\u2654-\u265f\U0001fa00-\U0001fa6f]")
_COMMAND = re.compile(r"\[%[^][]*\]")
"""A clock, an evaluation or the like, which most files have in a comment."""
_GAMES = re.compile(r"(?<!\S)(1-0|0-1|1/2-1/2|\*)\s+(?=1\s*\.)")
_MOST_WORDS = 1 << 17


def plain(word: str) -> str:
    """A word without what only looks different: dashes, wide letters, marks without a width."""
    if word.isascii():
        return word
    word = unicodedata.normalize("NFKC", word).replace("\N{FRACTION SLASH}", "/")
    shown = (
        "-" if unicodedata.category(c) == "Pd" or c == "\N{MINUS SIGN}" else c
        for c in word
        if unicodedata.category(c) != _NOT_SHOWN
    )
    return "".join(shown)


def result_of(text: str) -> int:
    """What a text says that is a result: WHITE_WON to OPEN_ENDED, or NOTHING if it is none."""
    return RESULTS.get(text) or RESULTS.get(re.sub(r"\s", "", plain(text)), NOTHING)


def games_of(text: str) -> list[str]:
    """Move text cut where a result is followed by the first move of another game."""
    parts = _GAMES.split(text)
    ended = [moves + end for moves, end in zip(parts[::2], parts[1::2], strict=False)]
    return [*ended, parts[-1]]


def _apart(text: str) -> str:
    """A text in which a dot ends its word."""
    return text.replace(".", ". ")


class Mainline(NamedTuple):
    """The moves of a game, variations left out."""

    codes: list[int]
    """Of moves, up to the first word that is none."""
    ended: int
    """The result that stands after them, WHITE_WON to OPEN_ENDED; NOTHING if none does."""
    stopped: int
    """NULL, BROKEN or UNKNOWN: the word that `codes` stops before; LATE or MORE, see there;
    NOTHING if it has all moves."""


class Words(dict[str, int]):
    """What words of move text mean: a memo, since a few thousand words make up all games."""

    def __init__(self) -> None:
        self._several: list[list[int]] = []

    def __missing__(self, word: str) -> int:
        parts = _apart(plain(word)).split()
        codes = [code for part in parts for code in _codes(part)]
        if len(codes) > 1:
            self._several.append(codes)
        self[word] = code = SEVERAL + 1 - len(self._several) if codes[1:] else (*codes, NOTHING)[0]
        return code

    def mainline(self, text: str) -> Mainline:
        """Reads move text without comments."""
        line = self._line(text)
        if line.stopped == UNKNOWN and _COMMAND.search(text):
            line = self._line(_COMMAND.sub(" ", text))
        if line.codes and _LATE.match(text):
            return line._replace(stopped=LATE)
        return line

    def _line(self, text: str) -> Mainline:
        if len(self) > _MOST_WORDS:
            self.clear()
            self._several.clear()
        if "(" in text or ")" in text:
            text = text.replace("(", " ( ").replace(")", " ) ")
        # "1.e4" would be a word of its own for each move number.
        words = (text if ". " in text[:8] else _apart(text)).split()
        codes = list(filter(None, map(self.__getitem__, words)))
        # The usual game: moves and a result.
        ended = codes[-1] if codes and OPEN_ENDED <= codes[-1] < 0 else NOTHING
        moves = codes[:-1] if ended else codes
        usual = not moves or min(moves) > 0
        return Mainline(moves, ended, NOTHING) if usual else self._walk(codes)

    def _walk(self, codes: list[int]) -> Mainline:
        """The mainline among codes of every kind."""
        moves: list[int] = []
        depth, ended = 0, NOTHING
        for code in self._spread(codes):
            if code == OPEN:
                depth += 1
            elif code == CLOSE and depth:
                depth -= 1
            elif depth:
                continue
            elif OPEN_ENDED <= code < 0 and ended in (NOTHING, code):
                ended = code
            elif ended and code not in (CLOSE, UNKNOWN):
                return Mainline(moves, ended, MORE)
            elif code > 0:
                moves.append(code)
            else:
                return Mainline(moves, ended, UNKNOWN if code == CLOSE else code)
        return Mainline(moves, ended, NOTHING)

    def _spread(self, codes: list[int]) -> Iterator[int]:
        for code in codes:
            if code <= SEVERAL:
                yield from self._several[SEVERAL - code]
            else:
                yield code


def _codes(word: str) -> list[int]:
    """What a plain word says, in order; UNKNOWN if anything in it is not understood."""
    if _NUMBER.fullmatch(word) or word in _REMARKS:
        return []
    codes, place = [], 0
    # A move number may stand before a move without a dot between them.
    if (number := _NUMBER.match(word)) and not _TOKEN.match(word):
        place = number.end()
    while place < len(word):
        token = _TOKEN.match(word, place)
        if token is None:
            if not _is_sign(word[place]):
                return [UNKNOWN]
            place += 1
            continue
        codes.append(_code(token))
        place = token.end()
    return [code for code in codes if code]


def _is_sign(letter: str) -> bool:
    """Whether a character is a sign of annotators, such as those for an equal or won position."""
    known = unicodedata.category(letter)[0] == "S" or letter in "\N{DAGGER}\N{DOUBLE DAGGER}"
    return known and not letter.isascii() and not _PIECES.match(letter)


def _code(token: re.Match[str]) -> int:
    if token["ended"]:
        return RESULTS[token["ended"]]
    if token["move"]:
        return _move_code(token)
    side = QUEEN_SIDE if token["queen_side"] else KING_SIDE if token["king_side"] else 0
    if side:
        return 1 << MOVE | side << CASTLING | NO_PIECE << PIECE
    kinds = {"broken": BROKEN, "null": NULL, "open": OPEN, "close": CLOSE}
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
