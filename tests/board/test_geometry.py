"""The numbering against pgx's own tables."""

import jax.numpy as jnp
import numpy as np
import pytest
from pgx._src.games import chess as pgx_chess

from sandwich_jax.board import geometry as g
from sandwich_jax.board.move import distance


def test_destinations_are_those_of_pgx():
    np.testing.assert_array_equal(g.DESTINATION, np.asarray(pgx_chess.FROM_PLANE))


def test_labels_are_those_of_pgx():
    planes = np.asarray(pgx_chess.TO_PLANE)
    for start in range(64):
        for end in range(64):
            if planes[start, end] >= 0:
                assert g.label_of(start, end) == 73 * start + planes[start, end]
            else:
                with pytest.raises(ValueError, match="no move leads"):
                    g.label_of(start, end)


def test_underpromotions():
    for start in g.RANK_7:
        for plane in range(9):
            end = int(g.DESTINATION[start, plane])
            if end >= 0:
                piece = (g.ROOK, g.BISHOP, g.KNIGHT)[plane // 3]
                assert g.label_of(start, end, piece) == 73 * start + plane


def test_distance_is_the_table():
    np.testing.assert_array_equal(distance(jnp.arange(g.PLANES)), g.DELTA)
