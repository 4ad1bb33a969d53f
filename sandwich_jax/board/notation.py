"""Positions and moves as people write them: FEN and UCI. On the host, not for traced code."""

import functools
from typing import Any, NamedTuple

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
_KING_FILE = 4
# Castling letter: the right's bit and the rook's file. K and Q name the side, H and A the file.
_CASTLING = {"K": (int(KING_SIDE), 7), "Q": (int(QUEEN_SIDE), 0)}
_CASTLING |= {"H": _CASTLING["K"], "A": _CASTLING["Q"]}


class _Fields(NamedTuple):
    """What a FEN says; squares and rights in the mover's view."""

    codes: np.ndarray
    """int8[64], see `expand.board_codes`."""
    color: int
    castling: int
    en_passant: int
    halfmove: int
    fullmove: int


def from_fen(fen: str | list[str], *, raw_en_passant: bool = False) -> State:
    """Games that begin at the given positions, one lane each, with no history before them.

    The two counters may be left out (0 and 1 then). Castling rights without king and rook at home
    and en-passant squares that no pawn has just passed are left out, as lichess.org does. Raises
    ValueError, saying what is wrong, where a FEN is malformed or its position cannot be played:
    not one king a side, pawns on the first or last rank, the side to move able to take the king,
    castling rights of Chess960, more than 16 pieces a side.
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


def mended(fen: str) -> str:
    """A FEN as `from_fen` reads it: impossible rights are gone and the counters are there.

    Raises ValueError where `from_fen` does, but does not see that the king could be taken.
    """
    return _write(*_read(fen))


def _digits(n: int) -> int:
    """The least d with 16**d at least n."""
    return 0 if n <= 1 else 1 + _digits(-(-n // 16))


def _parse(fen: str) -> Placement:
    """One position's placement, in numpy."""
    read = _read(fen)
    placement: dict[str, Any] = dict(
        board=board_from_codes(read.codes),
        castling=np.uint32(read.castling),
        en_passant=np.int32(read.en_passant),
        color=np.int32(read.color),
        halfmove=np.int32(read.halfmove),
        fullmove=np.int32(read.fullmove),
        ply=np.int32(0),
    )
    return Placement(**placement)


def _read(fen: str) -> _Fields:
    def bad(what: str) -> ValueError:
        return ValueError(f"{what} in FEN {fen!r}")

    fields = fen.split()
    if not 4 <= len(fields) <= 6:
        raise bad(f"{len(fields)} fields instead of 4 to 6")
    pieces, side, castling, en_passant = fields[:4]
    counters = [*fields[4:], *("0", "1")[len(fields) - 4 :]]

    codes = _parse_pieces(pieces, bad)
    if side not in ("w", "b"):
        raise bad(f"side to move {side!r} instead of w or b")
    white = side == "w"
    _check_pieces(codes, bad)

    rights = _parse_castling(castling, codes, white, bad)
    for name, text in zip(("halfmove", "fullmove"), counters, strict=True):
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise bad(f"{name} counter {text!r} is not a whole number")
    halfmove, fullmove = int(counters[0]), max(int(counters[1]), 1)

    own = codes if white else -codes.reshape(8, 8)[:, ::-1].reshape(64)
    passed = _parse_en_passant(en_passant, own, white, bad)
    return _Fields(own, 0 if white else 1, rights, passed, halfmove, fullmove)


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


def _parse_castling(text: str, codes: np.ndarray, white: bool, bad) -> int:
    """The rights that king and rook bear out, as in `State.castling`."""
    rights = 0
    if text == "-":
        return rights
    if len(set(text)) != len(text) or not set(text) <= {*"KQkq", *_FILES, *_FILES.upper()}:
        raise bad(f"castling field {text!r} is not - or some of KQkq")
    for letter in text:
        of_white, by_file = letter.isupper(), letter.upper() not in "KQ"
        sign, home = (1, 0) if of_white else (-1, 7)
        first = codes.reshape(8, 8)[:, home] * sign
        bit, file = _CASTLING.get(letter.upper(), (0, _FILES.find(letter.lower())))
        if first[file] == g.ROOK and first[_KING_FILE] == g.KING and bit:
            rights |= bit if of_white == white else bit << 2
        elif by_file and first[file] == g.ROOK and g.KING in first:
            raise bad(f"castling right {letter} of Chess960")
    return rights


def _parse_en_passant(text: str, own: np.ndarray, white: bool, bad) -> int:
    """The en-passant square in the mover's view, -1 if no pawn can have passed it."""
    if text == "-":
        return -1
    if len(text) != 2 or text[0] not in _FILES or text[1] not in "12345678":
        raise bad(f"en-passant field {text!r} is not - or a square")
    target = 8 * _FILES.index(text[0]) + 5
    passed = own[target - 1] == -g.PAWN and own[target] == 0 and own[target + 1] == 0
    return target if passed and text[1] == ("6" if white else "3") else -1


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
