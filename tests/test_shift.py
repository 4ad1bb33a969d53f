"""Distribution shift: a worked example by hand, legal moves and phases beside python-chess."""

import io
import json
import random

import chess
import jax.numpy as jnp
import numpy as np
import pytest
from rich.console import Console

from sandwich_jax import games
from sandwich_jax.evaluation import position_sets
from sandwich_jax.evaluation import shift_table as shifts
from sandwich_jax.measures import positions, shift
from sandwich_jax.players import board_player, spelled
from sandwich_jax.training import corpus
from sandwich_jax.training.pretrain import identity
from sandwich_jax.types import SettingError

LN2 = np.log(2)
POLICIES = {
    "base": [1 / 4, 1 / 4, 1 / 4, 1 / 4],  # H = 2 ln 2
    "tuned": [1 / 2, 1 / 4, 1 / 8, 1 / 8],  # H = 7/4 ln 2
    "sharp": [1.0, 0.0, 0.0, 0.0],  # H = 0
}


def _policy(name: str) -> shift.LogPolicy:
    row = jnp.asarray(POLICIES[name])
    logs = jnp.where(row > 0, jnp.log(jnp.maximum(row, 1e-9)), -1e30)
    return lambda encoded: jnp.broadcast_to(logs, (len(encoded), 4))


@pytest.fixture
def worked():
    policies = {name: _policy(name) for name in POLICIES}
    return shift.figures(policies, ("base", "tuned"), np.zeros((shift.CHUNK + 3, 9)))


def test_a_worked_example_by_hand(worked):
    assert [len(f.entropy) for f in worked.values()] == [shift.CHUNK + 3] * 3
    entropy = {name: f.entropy[0] / LN2 for name, f in worked.items()}
    assert entropy == pytest.approx({"base": 2, "tuned": 7 / 4, "sharp": 0}, abs=1e-6)
    to_base = {name: f.kl["base"][-1] / LN2 for name, f in worked.items()}
    # KL to the uniform policy is ln 4 less the entropy.
    assert to_base == pytest.approx({"base": 0, "tuned": 1 / 4, "sharp": 2}, abs=1e-6)
    to_tuned = {name: f.kl["tuned"][-1] / LN2 for name, f in worked.items()}
    # (1/4) (ln(1/2) + ln 1 + ln 2 + ln 2), and ln(1 / (1/2)).
    assert to_tuned == pytest.approx({"base": 1 / 4, "tuned": 0, "sharp": 1}, abs=1e-6)


def test_the_summary_of_the_example(worked):
    rows = np.ones(shift.CHUNK + 3, bool)
    row = shift.summary(worked, "tuned", {"base": "start"}, rows)
    assert row["positions"] == len(rows)
    assert row["effective_moves"] == pytest.approx(2**1.75, rel=1e-5)
    assert row["kl_to_start"] == pytest.approx(LN2 / 4, rel=1e-5)
    assert row["entropy_over_start"] == pytest.approx(-LN2 / 4, rel=1e-5)
    assert row["entropy_lo"] == pytest.approx(row["entropy_hi"], abs=1e-5)
    assert row["top1_with_start"] == 1  # the first of equals


def _boards(count: int) -> list[chess.Board]:
    rng, found = random.Random(1), []
    while len(found) < count:
        position = chess.Board()
        for _ in range(rng.randrange(160)):
            if position.is_game_over():
                break
            position.push(rng.choice(list(position.legal_moves)))
        if not position.is_game_over():
            found.append(position)
    return found


def test_legal_moves_of_encoded_positions_are_python_chess():
    boards = _boards(64)
    boards.append(chess.Board("8/8/8/8/k2Pp2Q/8/8/3K4 b - d3 0 1"))  # the capture would be check
    boards.append(chess.Board("4k3/8/8/8/3Pp3/8/8/4K3 b - d3 0 1"))
    mask = np.asarray(
        positions.legal(jnp.asarray(np.stack([board_player.encode(b) for b in boards])))
    )
    for row, position in zip(mask, boards, strict=True):
        wanted = {corpus.label_of(m, position.turn) for m in position.legal_moves}
        assert set(np.flatnonzero(row).tolist()) == wanted


def test_phases_are_counts_of_pieces():
    boards = _boards(64)
    found = positions.phases(np.stack([board_player.encode(b) for b in boards]))
    for phase, position in zip(found, boards, strict=True):
        pieces = sum(p.piece_type not in (chess.PAWN, chess.KING) for p in
                     position.piece_map().values())  # fmt: skip
        assert phase == ("endgame" if pieces <= 6 else "middlegame" if pieces <= 10 else "opening")
    assert set(found) == set(positions.PHASES)


def test_a_networks_policy_is_a_distribution_over_legal_moves():
    encoded = np.stack([board_player.encode(b) for b in _boards(66)])
    logs = shifts.policy(spelled.load_network("zoo:weak"))(jnp.asarray(encoded))
    chances = np.exp(np.asarray(logs))
    np.testing.assert_allclose(chances.sum(-1), 1, atol=1e-5)
    assert not chances[~np.asarray(positions.legal(jnp.asarray(encoded)))].any()


def test_sets_are_drawn_without_repetition():
    found = position_sets.positions("openings", 50)
    assert found.shape == (50, 9) and len(np.unique(identity(found))) == 50
    np.testing.assert_array_equal(found, position_sets.positions("openings", 50))
    assert set(identity(found).tolist()) < set(
        identity(position_sets.positions("openings", 10**6)).tolist()
    )


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("endings", "Unknown positions 'endings': spell them openings, puzzles:PATH"),
        ("puzzles:", "Unknown positions"),
        ("puzzles:none.csv", "none.csv: no such file"),
        ("corpus:none.npz", "no such corpus"),
        ("run:nowhere", r"no games/\*.npz"),
    ],
)
def test_sets_that_are_not_there(spec, says):
    with pytest.raises(SettingError, match=says):
        position_sets.positions(spec, 5)


def test_the_verb_lays_networks_side_by_side(tmp_path):
    console, out = Console(record=True, width=200, file=io.StringIO()), tmp_path / "rows.jsonl"
    sets = ("openings",)
    rows = shifts.show("zoo:weak", ["fresh:1"], sets, "zoo:expert", 20, out, console)
    assert [json.loads(line) for line in out.read_text().splitlines()] == rows
    assert {row["set"] for row in rows} == set(sets)
    whole = {r["player"]: r for r in rows if r["set"] == "openings" and r["phase"] == "all"}
    assert list(whole) == ["zoo:weak", "fresh:1", "zoo:expert"]
    assert whole["zoo:weak"]["kl_to_start"] == pytest.approx(0, abs=1e-5)
    assert whole["zoo:expert"]["top1_with_expert"] == 1
    assert whole["fresh:1"]["kl_to_start"] > whole["zoo:expert"]["kl_to_start"] > 0
    assert "Policies on openings" in console.export_text()
    with pytest.raises(SettingError, match="each named once"):
        shifts.show("zoo:weak", ["zoo:weak"], sets, None, 20, None, console)


def test_positions_of_self_play_are_those_of_the_games():
    """Encoded anew from the labels: the same as python-chess makes along a line."""
    game = games.make("chess")
    line = game.openings("train")[3]
    position = chess.Board()
    for label in line:
        position.push(corpus.move_of(int(label), position))
    wanted, moves = [], np.full((6, 1), -1, np.int16)
    for ply in range(5):
        wanted.append(board_player.encode(position))
        move = next(iter(position.legal_moves))
        moves[ply, 0] = corpus.label_of(move, position.turn)
        position.push(move)
    rollout = position_sets.Rollout(*[None] * len(position_sets.Rollout._fields))
    rollout = rollout._replace(opening=np.asarray([3]), moves=moves, played=moves >= 0)
    np.testing.assert_array_equal(position_sets.of_rollout(rollout), np.stack(wanted))
