"""The comparison with python-chess: its rows, and what it reads."""

import pytest
from helpers import pgn, read_pgn

from sandwich_jax.training import corpus_bench
from sandwich_jax.types import SettingError

KEYS = {"what", "batch", "ours", "peer", "ratio", "unit", "device"}


@pytest.mark.parametrize("ends", ["", "\n\n"])
def test_rows_on_the_first_games_of_a_file(tmp_path, ends):
    path = tmp_path / "in.pgn"
    path.write_text("".join(pgn(moves) for moves in ("e4 e5", "d4 d5", "c4")).rstrip() + ends)
    rows = list(corpus_bench.bench(path, games=2, repeats=1))
    assert [set(row) for row in rows] == [KEYS, KEYS]
    assert rows[0]["batch"] == 2 and rows[0]["ratio"] == rows[0]["ours"] / rows[0]["peer"]
    assert len(read_pgn(corpus_bench._first_games(path, 2)[0])) == 2
    assert corpus_bench._first_games(path, 9)[1] == 3


def test_random_games():
    rows = list(corpus_bench.bench(None, games=3, repeats=1))
    assert rows[0]["batch"] == 3 and rows[0]["peer"] > 0 and rows[1]["peer"] is None


def test_what_cannot_be_measured(tmp_path):
    with pytest.raises(SettingError, match="at least 1"):
        next(corpus_bench.bench(None, games=0))
    with pytest.raises(SettingError, match="no such file"):
        next(corpus_bench.bench(tmp_path / "none.pgn"))
