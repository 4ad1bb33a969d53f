"""Where the squares and the moves are: the numbering that every other file relies on.

Squares are numbered file by file, from the side to move's point of view: its own first rank is
always at the bottom. For black the board is turned over in rank only, so files keep their letters.

    rank  8 |  7 15 23 31 | 39 47 55 63
          7 |  6 14 22 30 | 38 46 54 62        square = 8 * file + rank
          6 |  5 13 21 29 | 37 45 53 61        up one rank    +1
          5 |  4 12 20 28 | 36 44 52 60        right one file +8
          4 |  3 11 19 27 | 35 43 51 59
          3 |  2 10 18 26 | 34 42 50 58        bit s of 64 is square s:
          2 |  1  9 17 25 | 33 41 49 57        the low word has files a-d,
          1 |  0  8 16 24 | 32 40 48 56        the high word files e-h.
            +-------------+-------------
               a  b  c  d    e  f  g  h

A move is a label in 0..4671, label = 73 * from + plane. The plane says how the piece travels:

    planes 0..8     a pawn on the seventh rank promotes to something less than a queen:
                    3 * piece + way, piece 0 rook, 1 bishop, 2 knight; way 0 up, 1 right, 2 left
    planes 9..64    a straight line, by direction and distance (the numbers are the planes of
                    distance 1; they go on outwards, some upwards and some downwards)

                         57  16  44
                           \\  |  /
                      29 --  *  -- 30
                           /  |  \\
                         43  15  58

    planes 65..72   a knight's jump

A promotion to a queen is the straight plane; castling is the king's step of two files.

A set of squares is a 64-bit word, and the legal moves of a position are 73 of them: in plane p, bit
s is set if the piece on square s may travel as p says.
"""

import numpy as np

SQUARES = 64
PLANES = 73
LABELS = SQUARES * PLANES

EMPTY, PAWN, KNIGHT, BISHOP, ROOK, QUEEN, KING = range(7)

# Steps are (files, ranks).
UP, DOWN, LEFT, RIGHT = (0, 1), (0, -1), (-1, 0), (1, 0)
DOWN_LEFT, UP_RIGHT, UP_LEFT, DOWN_RIGHT = (-1, -1), (1, 1), (-1, 1), (1, -1)
STRAIGHT = (UP, DOWN, LEFT, RIGHT)
DIAGONAL = (DOWN_LEFT, UP_RIGHT, UP_LEFT, DOWN_RIGHT)
DIRECTIONS = STRAIGHT + DIAGONAL
OPPOSITE = {d: (-d[0], -d[1]) for d in DIRECTIONS}
JUMPS = ((-2, -1), (-2, 1), (-1, -2), (-1, 2), (2, -1), (2, 1), (1, -2), (1, 2))

UNDERPROMOTIONS = (ROOK, BISHOP, KNIGHT)
WAYS = (UP, UP_RIGHT, UP_LEFT)  # of a promoting pawn, in the order of the planes

# The first plane of each direction, and whether distance grows (+1) or shrinks (-1) with the plane.
_LINES = (
    (DOWN, -1),
    (UP, 1),
    (LEFT, -1),
    (RIGHT, 1),
    (DOWN_LEFT, -1),
    (UP_RIGHT, 1),
    (UP_LEFT, -1),
    (DOWN_RIGHT, 1),
)


def _planes() -> list[tuple[int, int]]:
    """The (files, ranks) travelled in each of the 73 planes."""
    steps = [way for _ in UNDERPROMOTIONS for way in WAYS]
    for (df, dr), order in _LINES:
        distances = range(1, 8) if order > 0 else range(7, 0, -1)
        steps += [(df * n, dr * n) for n in distances]
    return steps + list(JUMPS)


STEPS = tuple(_planes())
FIRST_LINE, FIRST_JUMP = 9, 65
LINE_PLANE = {step: FIRST_LINE + i for i, step in enumerate(STEPS[FIRST_LINE:FIRST_JUMP])}
JUMP_PLANE = {step: FIRST_JUMP + i for i, step in enumerate(JUMPS)}
DELTA = np.array([8 * df + dr for df, dr in STEPS], np.int32)


def _destinations() -> np.ndarray:
    out = np.full((SQUARES, PLANES), -1, np.int32)
    for start in range(SQUARES):
        for plane, (df, dr) in enumerate(STEPS):
            file, rank = start // 8 + df, start % 8 + dr
            promotes = plane >= FIRST_LINE or start % 8 == 6
            if promotes and 0 <= file < 8 and 0 <= rank < 8:
                out[start, plane] = 8 * file + rank
    return out


# int32[64, 73]: the square a label leads to, -1 where the label leaves the board.
DESTINATION = _destinations()


def label_of(start: int, end: int, promotion: int = QUEEN) -> int:
    """The label of a move between two squares in the mover's view.

    `promotion` is a piece number; only rook, bishop and knight change the label. Raises ValueError
    if no piece could travel so.
    """
    step = (end // 8 - start // 8, end % 8 - start % 8)
    if promotion in UNDERPROMOTIONS:
        if start % 8 == 6 and step in WAYS:
            return PLANES * start + 3 * UNDERPROMOTIONS.index(promotion) + WAYS.index(step)
    elif step in LINE_PLANE:
        return PLANES * start + LINE_PLANE[step]
    elif step in JUMP_PLANE:
        return PLANES * start + JUMP_PLANE[step]
    raise ValueError(f"no move leads from square {start} to square {end} (promotion {promotion})")


def turn_over(square: int) -> int:
    """The same square in the other side's view."""
    return square ^ 7


RANK_2 = [8 * f + 1 for f in range(8)]
RANK_7 = [8 * f + 6 for f in range(8)]
DARK = [8 * f + r for f in range(8) for r in range(8) if (f + r) % 2 == 0]

A1, B1, C1, D1, E1, F1, G1, H1 = range(0, 64, 8)
A8, H8 = 7, 63
