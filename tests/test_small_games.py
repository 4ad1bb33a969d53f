"""Openings of the games other than chess, and Connect Four beside a perfect solver."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sandwich_jax import games
from sandwich_jax.evaluation import evaluate_solver, solver
from sandwich_jax.players import spelled
from sandwich_jax.types import SettingError

SMALL = [name for name in games.OTHER_GAMES]
needs_solver = pytest.mark.skipif(not solver.installed(), reason="bitbully is not installed")


@pytest.mark.parametrize("name", SMALL)
def test_openings_are_many_different_and_open(name):
    game = games.make(name)
    train, arena = game.openings("train"), game.openings("arena")
    assert min(len(train), len(arena)) >= (68 if name == "tic_tac_toe" else 300)
    lines = np.concatenate([train, arena])
    assert lines.shape[1] in (4, 6)
    assert len({line.tobytes() for line in lines}) == len(lines)
    some = lines[:: len(lines) // 60]
    done, codes = jax.jit(lambda lines: _seen(game, lines))(jnp.asarray(some))
    assert not np.asarray(done).any()
    assert len({code.tobytes() for code in np.asarray(codes)}) == len(some)


def _seen(game, lines):
    state = game.after(lines)
    return game.done(state), game.encode(state)


@needs_solver
def test_openings_of_connect_four_are_drawn():
    lines = games.make("connect_four").openings("arena")[:40]
    assert (np.nanmax(solver.outcomes(lines), axis=1) == 0).all()


@needs_solver
def test_the_solver_knows_what_is_known():
    # The first player wins by the middle column alone (Allis 1988); next to it is a draw.
    np.testing.assert_array_equal(solver.outcomes([np.array([])])[0], [-1, -1, 0, 1, 0, -1, -1])
    full = solver.outcomes([np.array([0] * 6)])[0]
    assert np.isnan(full[0]) and not np.isnan(full[1:]).any()
    with pytest.raises(SettingError, match="this game is over"):
        solver.outcomes([np.array([0, 1, 0, 1, 0, 1, 0])])
    with pytest.raises(SettingError, match="no game of Connect Four"):
        solver.outcomes([np.array([0] * 7)])


@needs_solver
def test_figures_of_perfect_values_are_perfect(monkeypatch):
    found = solver.positions(30, 0, (8, 23), 0.0)
    assert (np.nanmax(found.outcomes, 1) > np.nanmin(found.outcomes, 1)).all()
    best = np.nanargmax(found.outcomes, axis=1)
    truth = np.nan_to_num(found.outcomes, nan=-9)
    monkeypatch.setattr(solver, "looks", lambda model, lines: (best, truth))
    row = solver.figures(None, found)
    assert (row["kept"], row["ordered"]) == (1.0, 1.0) and row["correlation"] > 0.999
    monkeypatch.setattr(solver, "looks", lambda model, lines: (best, -truth))
    assert solver.figures(None, found)["ordered"] == 0.0


@needs_solver
def test_a_network_is_measured_on_its_own_moves():
    model = spelled.load_network("fresh:3", "connect_four", "nano")
    lines = np.array([[3, 3, 3, 3, -1, -1], [0, 6, 1, 6, 2, 5]])
    moves, values = solver.looks(model, lines)
    assert moves.shape == (2,) and values.shape == (2, 7)
    assert values[1, 3] == 1.0  # four in a row
    assert (np.abs(values[0]) <= 1).all()


@needs_solver
def test_bad_advice_is_told_by_the_results_that_it_gives_away():
    class Rollout:
        opening = np.array([0])
        moves = np.array([[2], [5], [3]])
        advice = np.array([[-1], [-1], [4]])

    openings = np.array([[0, 6, 1, 6]])
    which = np.array([[False], [False], [True]])
    # Column 3 wins at once; what 4 does instead, the solver says.
    worth = solver.outcomes([np.array([0, 6, 1, 6, 2, 5])])[0]
    found = evaluate_solver.losses(openings, Rollout, which)
    assert worth[3] == 1 and found[2, 0] == 1 - worth[4] and found[:2].sum() == 0


@pytest.mark.slow
def test_the_demo_ends_in_tables_and_a_page(tmp_path, monkeypatch, capsys):
    from sandwich_jax.cli import demo

    toy = {"rounds": 1, "games": 8, "lanes": 8, "updates": 2, "max_plies": 6, "arena_max_plies": 6}
    toy |= {"round_openings": 4, "final_openings": 4, "p": [0.5], "protocol": ["majority"]}
    monkeypatch.setitem(demo.GRIDS, "connect_four", demo.GRIDS["connect_four"] | toy)
    demo.demo(demo.Demo("connect_four", tmp_path / "demo", "disabled"))
    told = capsys.readouterr().out
    assert "majority" in told and "report.html" in told
    assert ("Beside perfect play" in told) == solver.installed()
    assert (tmp_path / "demo" / "report.html").is_file()
