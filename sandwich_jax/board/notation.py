"""Positions and moves as people write them: FEN and UCI. On the host, not for traced code."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from . import geometry as g
from .attacks import in_check
from .expand import board_codes
from .legal import KING_SIDE, QUEEN_SIDE
from .move import Placement
from .pieces import board_from_codes
from .state import State, start

START_FEN = "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1"
_codes = jax.jit(board_codes)
_LETTERS = "PNBRQK"
_FILES = "abcdefgh"
_PROMOTIONS = {"q": g.QUEEN, "r": g.ROOK, "b": g.BISHOP, "n": g.KNIGHT}
# Castling letter: white's or not, the right's bit, the rook's square in its owner's view.
_CASTLING = {
    "K": (True, int(KING_SIDE), g.H1),
    "Q": (True, int(QUEEN_SIDE), g.A1),
    "k": (False, int(KING_SIDE), g.H1),
    "q": (False, int(QUEEN_SIDE), g.A1),
}


def from_fen(fen: str | list[str], *, raw_en_passant: bool = False) -> State:
    """Games that begin at the given positions, one lane each, with no history before them.

    The two counters may be left out (0 and 1 then). Raises ValueError, saying what is wrong, where
    a FEN is malformed or its position cannot be played: not one king a side, pawns on the first or
    last rank, the side to move able to take the king, castling rights without king and rook at
    home, an en-passant square that no pawn has just passed, more than 16 pieces a side.
    """
    fens = [fen] if isinstance(fen, str) else list(fen)
    if not fens:
        raise ValueError("no FEN given")
    parsed = [_parse(f) for f in fens]
    # A few batch sizes only, so that a few programs are compiled.
    padded = parsed + [parsed[0]] * (16 ** _digits(len(fens)) - len(fens))
    placement = jax.tree.map(lambda *xs: jnp.asarray(np.stack(xs, -1)), *padded)
    for f, bad in zip(fens, np.asarray(_opponent_in_check(placement)), strict=False):
        if bad:
            raise ValueError(f"the side to move could take the king in FEN {f!r}")
    state = _start(placement, raw_en_passant)
    return jax.tree.map(lambda x: jnp.asarray(np.asarray(x)[..., : len(fens)]), state)


def _digits(n: int) -> int:
    """The least d with 16**d at least n."""
    return 0 if n <= 1 else 1 + _digits(-(-n // 16))


def _parse(fen: str) -> Placement:
    """One position's placement, in numpy."""

    def bad(what: str) -> ValueError:
        return ValueError(f"{what} in FEN {fen!r}")

    fields = fen.split()
    if len(fields) not in (4, 6):
        raise bad(f"{len(fields)} fields instead of 4 or 6")
    pieces, side, castling, en_passant = fields[:4]
    counters = fields[4:] or ["0", "1"]

    codes = _parse_pieces(pieces, bad)
    if side not in ("w", "b"):
        raise bad(f"side to move {side!r} instead of w or b")
    white = side == "w"
    _check_pieces(codes, bad)

    rights = 0
    if castling != "-":
        if len(set(castling)) != len(castling) or not set(castling) <= set(_CASTLING):
            raise bad(f"castling field {castling!r} is not - or some of KQkq")
        for letter in castling:
            of_white, bit, rook = _CASTLING[letter]
            sign = 1 if of_white else -1
            king = g.E1 if of_white else g.turn_over(g.E1)
            corner = rook if of_white else g.turn_over(rook)
            if codes[king] != sign * g.KING or codes[corner] != sign * g.ROOK:
                raise bad(f"castling right {letter} without king and rook at home")
            rights |= bit if of_white == white else bit << 2

    for name, text, least in zip(("halfmove", "fullmove"), counters, (0, 0), strict=True):
        if not (text.isascii() and text.isdigit()) or int(text) < least or int(text) > 2**30:
            raise bad(f"{name} counter {text!r} is not a whole number")
    halfmove, fullmove = int(counters[0]), max(int(counters[1]), 1)

    own = codes if white else -codes.reshape(8, 8)[:, ::-1].reshape(64)
    placement: dict[str, Any] = dict(
        board=board_from_codes(own),
        castling=np.uint32(rights),
        en_passant=np.int32(_parse_en_passant(en_passant, own, white, bad)),
        color=np.int32(0 if white else 1),
        halfmove=np.int32(halfmove),
        fullmove=np.int32(fullmove),
        ply=np.int32(0),
    )
    return Placement(**placement)


def _parse_pieces(pieces: str, bad) -> np.ndarray:
    rows = pieces.split("/")
    if len(rows) != 8:
        raise bad(f"{len(rows)} ranks instead of 8")
    codes = np.zeros(64, np.int8)
    for row, rank in zip(rows, range(7, -1, -1), strict=True):
        file = 0
        for c in row:
            if c in "12345678":
                file += int(c)
                continue
            if c.upper() not in _LETTERS:
                raise bad(f"unknown piece {c!r} on rank {rank + 1}")
            if file < 8:
                codes[8 * file + rank] = (_LETTERS.index(c.upper()) + 1) * (
                    1 if c.isupper() else -1
                )
            file += 1
        if file != 8:
            raise bad(f"{file} squares instead of 8 on rank {rank + 1}")
    return codes


def _check_pieces(codes: np.ndarray, bad) -> None:
    for sign, name in ((1, "white"), (-1, "black")):
        kings = int((codes == sign * g.KING).sum())
        if kings != 1:
            raise bad(f"{kings} {name} kings instead of 1")
        if (np.sign(codes) == sign).sum() > 16:
            raise bad(f"more than 16 {name} pieces")
    ranks = codes.reshape(8, 8)
    if (np.abs(ranks[:, [0, 7]]) == g.PAWN).any():
        raise bad("a pawn on the first or last rank")


def _parse_en_passant(text: str, own: np.ndarray, white: bool, bad) -> int:
    """The en-passant square in the mover's view, -1 if there is none."""
    if text == "-":
        return -1
    if len(text) != 2 or text[0] not in _FILES or text[1] not in "12345678":
        raise bad(f"en-passant field {text!r} is not - or a square")
    if text[1] != ("6" if white else "3"):
        raise bad(f"en-passant square {text} is not behind a pawn that has just advanced by two")
    target = 8 * _FILES.index(text[0]) + 5
    if own[target - 1] != -g.PAWN or own[target] != 0 or own[target + 1] != 0:
        raise bad(f"en-passant square {text} is not behind a pawn that has just advanced by two")
    return target


@jax.jit
def _opponent_in_check(p: Placement) -> jax.Array:
    """bool[B]: whether the side that has just moved left its king attacked."""
    return in_check(p.board, opponent=True)


@functools.partial(jax.jit, static_argnums=1)
def _start(placement: Placement, raw_en_passant: bool) -> State:
    return start(placement, raw_en_passant=raw_en_passant)


def to_fen(state: State) -> list[str]:
    """Each lane's position as a FEN; the en-passant square is given after every double advance."""
    codes = np.asarray(_codes(state.board))
    placement = [np.asarray(x) for x in (state.color, state.castling, state.en_passant)]
    placement += [np.asarray(state.halfmove), np.asarray(state.fullmove)]
    return [_write(*lane) for lane in zip(codes, *placement, strict=True)]


def _write(codes, color, castling, en_passant, halfmove, fullmove) -> str:
    ranks = codes.reshape(8, 8)
    if color:
        ranks, castling = -ranks[:, ::-1], (castling & 3) << 2 | castling >> 2
    rows = []
    for rank in range(7, -1, -1):
        row = ""
        for code in ranks[:, rank]:
            letter = _LETTERS[abs(code) - 1]
            row += "1" if code == 0 else letter if code > 0 else letter.lower()
        for n in range(8, 1, -1):
            row = row.replace("1" * n, str(n))
        rows.append(row)
    rights = "".join(c for bit, c in ((2, "K"), (1, "Q"), (8, "k"), (4, "q")) if castling & bit)
    passed = "-" if en_passant < 0 else _FILES[en_passant // 8] + ("3" if color else "6")
    side = "b" if color else "w"
    return f"{'/'.join(rows)} {side} {rights or '-'} {passed} {halfmove} {fullmove}"


def _name(square: int, color: int) -> str:
    square = g.turn_over(square) if color else square
    return f"{_FILES[square // 8]}{square % 8 + 1}"


def to_uci(state: State, labels) -> list[str]:
    """Each lane's move in UCI (e2e4, e7e8q, e1g1), from int[B] labels.

    Raises ValueError where a label leads off the board or starts from an empty square.
    """
    codes, colors = np.asarray(_codes(state.board)), np.asarray(state.color)
    out = []
    for code, color, label in zip(codes, colors, np.asarray(labels), strict=True):
        start, plane = divmod(int(label), g.PLANES)
        end = int(g.DESTINATION[start, plane]) if 0 <= label < g.LABELS else -1
        if end < 0 or code[start] <= 0:
            raise ValueError(f"label {int(label)} is no move of the side to move")
        suffix = ""
        if code[start] == g.PAWN and end % 8 == 7:
            suffix = "q" if plane >= g.FIRST_LINE else "rbn"[plane // 3]
        out.append(_name(start, color) + _name(end, color) + suffix)
    return out


def from_uci(state: State, moves: list[str]) -> np.ndarray:
    """int32[B] labels of each lane's UCI move. Raises ValueError where one is not legal there."""
    words = np.asarray(state.words)
    colors, codes = np.asarray(state.color), np.asarray(_codes(state.board))
    if len(moves) != len(colors):
        raise ValueError(f"{len(moves)} moves for {len(colors)} positions")
    labels = np.zeros(len(moves), np.int32)
    for i, (move, color) in enumerate(zip(moves, colors, strict=True)):
        try:
            start, end = (_FILES.index(move[j]) * 8 + "12345678".index(move[j + 1]) for j in (0, 2))
            promotion = _PROMOTIONS[move[4:]] if move[4:] else g.EMPTY
        except (ValueError, KeyError, IndexError):
            raise ValueError(f"{move!r} is not a UCI move") from None
        if color:
            start, end = g.turn_over(start), g.turn_over(end)
        promotes = codes[i, start] == g.PAWN and end % 8 == 7
        try:
            label = g.label_of(start, end, promotion or g.QUEEN)
        except ValueError:
            label = -1
        half, bit = divmod(start, 32)
        legal = label >= 0 and words[label % g.PLANES, half, i] >> np.uint32(bit) & np.uint32(1)
        if not legal or promotes != bool(promotion):
            raise ValueError(f"{move} is not legal in {to_fen(_lane(state, i))[0]!r}")
        labels[i] = label
    return labels


def _lane(state: State, i: int) -> State:
    return jax.tree.map(lambda x: x[..., i : i + 1], state)
