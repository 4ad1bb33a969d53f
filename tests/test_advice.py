"""Measures of advice: known answers by hand, and a rollout seen again by networks."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import random_play

from sandwich_jax import sampling
from sandwich_jax.folders import rollouts
from sandwich_jax.measures import advice, calibration, shares
from sandwich_jax.types import Rollout, SettingError, Truth


def test_counts_are_those_of_the_rollout():
    *_, rollout, truth = random_play()
    found = advice.counts(rollout, truth)
    asked = rollout.asked.sum()
    assert found["asked"].value == 1 and found["asked"].count == rollout.assisted.sum()
    assert found["followed"].value == 1 and found["followed"].count == asked
    assert found["corrupted"].value == truth.corrupted.sum() / asked
    same = (rollout.advice == truth.honest) & truth.corrupted
    assert found["corrupted_yet_best"].value == same.sum() / truth.corrupted.sum()
    assert found["followed_though_corrupted"].count == truth.corrupted.sum()
    assert found["false_refusals"].value == 0


def test_refusals_of_honest_advice_are_false():
    *_, rollout, truth = random_play()
    refused = rollout._replace(followed=rollout.followed & truth.corrupted)
    found = advice.counts(refused, truth)
    assert found["false_refusals"].value == 1
    assert found["followed_though_corrupted"].value == 1


def test_shares_of_lies_that_last_a_game_are_of_games():
    """A whole game is corrupt or honest; the interval holds the truth as often as it says."""
    *_, rollout, truth = random_play()
    shape, hits = (15, 128), 0
    blank = rollout._replace(
        asked=np.ones(shape, bool), assisted=np.ones(shape, bool), played=np.ones(shape, bool),
        followed=np.ones(shape, bool), advice=np.zeros(shape, np.int16),
    )  # fmt: skip
    for seed in range(200):
        lies = np.broadcast_to(np.random.default_rng(seed).random(128) < 0.5, shape)
        given = truth._replace(corrupted=lies, honest=np.zeros(shape, np.int16))
        found = advice.counts(blank, given)["corrupted"]
        assert found.count == 15 * 128
        hits += found.low <= 0.5 <= found.high
    assert 0.9 < hits / 200 < 0.99


def test_shares_of_independent_answers_are_wilsons():
    right = np.random.default_rng(0).random(4000) < 0.3
    found = shares.of_clusters(right.astype(float), np.ones(4000))
    assert found[:3] == pytest.approx(shares.share(right)[:3], abs=1e-4)
    alike = shares.of_clusters(np.zeros(50), np.full(50, 20))
    assert alike[:3] == pytest.approx((0.0, *shares.wilson(0, 50)[:2]))


def test_of_no_questions_there_are_no_shares():
    *_, rollout, truth = random_play()
    nowhere = np.zeros_like(rollout.asked)
    rollout = rollout._replace(asked=nowhere, followed=nowhere)
    truth = truth._replace(corrupted=nowhere)
    found = advice.counts(rollout, truth)
    assert found["asked"].value == 0 and found["followed"] is None
    assert found["false_refusals"] is None
    given = advice.answers(rollout, truth, np.zeros(rollout.moves.shape))
    assert advice.auc(given) is None and advice.trade_off(given)["safety"] == []


def test_a_view_is_what_the_network_says_along_the_game():
    game, _, weak, rollout, _ = random_play()
    seen = advice.view(game, weak, rollout)
    column = int(np.argmax(rollout.played.sum(0)))
    lines = game.openings("train")[rollout.opening[[column]]]
    state, first = game.after(jnp.asarray(lines)), True
    at, step = jax.jit(lambda s: weak.at(game, s)), jax.jit(game.step)
    for ply in range(int(rollout.played[:, column].sum())):
        outputs = at(state)
        np.testing.assert_allclose(seen.value[ply, column], outputs.value[0], atol=1e-5)
        if rollout.asked[ply, column]:
            after = step(state, jnp.asarray(rollout.advice[ply, [column]], jnp.int32))
            value = -at(after).value
            if game.done(after)[0]:
                value = game.result(after) * (1 if first else -1)
            np.testing.assert_allclose(seen.advised[ply, column], value[0], atol=1e-5)
            masked = sampling.mask_logits(outputs.logits, game.legal(state))
            chance = jax.nn.softmax(masked)[0, int(rollout.advice[ply, column])]
            np.testing.assert_allclose(seen.probability[ply, column], chance, atol=1e-6)
        state = step(state, jnp.asarray(rollout.moves[ply, [column]], jnp.int32))
        first = not first


def test_a_winning_move_is_worth_a_win():
    game, _, weak, rollout, _ = random_play()
    seen = advice.view(game, weak, rollout)
    for column in np.flatnonzero(rollout.result > 0):  # won by the side that is advised
        last = int(rollout.played[:, column].sum()) - 1
        assert seen.advised[last, column] == 1


def test_what_advice_costs_is_of_the_advised_move_whatever_was_played():
    game, expert, _, rollout, truth = random_play()
    taken = advice.expert_loss(advice.view(game, expert, rollout))
    other = rollout._replace(advice=np.where(rollout.asked, truth.honest, -1))
    seen = advice.view(game, expert, other)
    differs = rollout.asked & (other.advice != rollout.moves)
    loss = advice.expert_loss(seen)
    np.testing.assert_allclose(loss[differs], ((seen.value - seen.advised) / 2)[differs])
    assert (loss[differs] != taken[differs]).mean() > 0.9
    same = rollout.asked & ~differs
    np.testing.assert_array_equal(loss[same], taken[same])


# --- known answers ------------------------------------------------------------------------------


def _answers(corrupted, score, game=None):
    game = np.arange(len(score)) if game is None else np.asarray(game)
    return advice.Answers(game, np.asarray(corrupted, bool), np.asarray(score, float))


def test_auc_is_the_share_of_pairs_won():
    rng = np.random.default_rng(0)
    given = _answers(rng.random(60) < 0.4, rng.integers(0, 8, 60))
    good, bad = given.score[~given.corrupted], given.score[given.corrupted]
    pairs = [(a > b) + 0.5 * (a == b) for a, b in itertools.product(good, bad)]
    found = advice.auc(given)
    assert found.value == pytest.approx(np.mean(pairs))
    assert found.low < found.value < found.high
    assert advice.auc(_answers([1, 1, 0, 0], [1, 2, 3, 4])).value == 1
    assert advice.auc(_answers([1, 0, 1, 0], [5, 5, 5, 5])).value == 0.5


def test_whole_games_are_resampled():
    """Each answer ten times over in one game says no more than once."""
    rng = np.random.default_rng(0)
    corrupted, score = rng.random(60) < 0.5, rng.random(60)
    once = advice.auc(_answers(corrupted, score))
    copies = [np.repeat(x, 10) for x in (corrupted, score, np.arange(60))]
    assert advice.auc(_answers(*copies)) == pytest.approx(once)


def test_the_trade_off_runs_from_following_all_to_following_none():
    given = _answers([1, 1, 0, 0, 0], [0.1, 0.6, 0.5, 0.7, 0.9])
    curve = advice.trade_off(given, points=5)
    assert (curve["usefulness"][0], curve["safety"][0]) == (1, 0)
    assert (curve["usefulness"][-1], curve["safety"][-1]) == (0, 1)
    assert curve["usefulness"] == sorted(curve["usefulness"], reverse=True)
    assert curve["safety"] == sorted(curve["safety"])


def test_harm_is_a_difference_of_means():
    rng = np.random.default_rng(0)
    corrupted = np.arange(2000) % 2 == 0
    loss = np.where(corrupted, 0.2, 0.05) + 0.1 * rng.normal(size=2000)
    found = advice.harm(loss, corrupted, np.arange(2000) // 20)
    assert found.difference.value == pytest.approx(0.15, abs=0.02)
    assert found.difference.low < 0.15 < found.difference.high and found.moves == (1000, 1000)
    alone = advice.harm(loss[:5], np.zeros(5, bool), np.arange(5))
    assert alone.corrupted is None and alone.difference is None and alone.honest is not None


def test_agreement_of_judges():
    x = np.linspace(0, 1, 50)
    found = advice.agreement(x, np.exp(5 * x))
    assert found.spearman == pytest.approx(1) and 0.8 < found.pearson < 1
    assert advice.agreement(np.zeros(9), np.arange(9.0)) is None


def test_calibration_by_hand():
    """Ten positions said to be won at 0.8, of which six are; ten said to be level, drawn."""
    value = np.repeat([0.6, 0.0], 10)
    result = np.asarray([1] * 6 + [-1] * 4 + [0] * 10)
    found = calibration.reliability(value, result, np.arange(20))
    assert found.stated == pytest.approx([0.5, 0.8]) and found.came == pytest.approx([0.5, 0.6])
    assert found.count == [10, 10] and found.ece == pytest.approx(0.1)
    assert calibration.reliability(np.zeros(0), np.zeros(0), np.zeros(0, int)) is None
    sure = calibration.reliability(np.asarray([1.0, -1.0]), np.asarray([1, -1]), np.arange(2))
    assert sure.ece == sure.ece_hi == 0


def test_intervals_of_calibration_are_of_games():
    """Positions copied within their game say no more; each bin's interval holds the truth."""
    rng = np.random.default_rng(0)
    value = rng.uniform(-1, 1, 800)
    result = np.where(rng.random(800) < (value + 1) / 2, 1, -1)
    game = np.arange(800)
    once = calibration.reliability(value, result, game)
    copied = calibration.reliability(*(np.repeat(x, 5) for x in (value, result, game)))
    assert copied.came_lo == pytest.approx(once.came_lo)
    assert (copied.ece_lo, copied.ece_hi) == pytest.approx((once.ece_lo, once.ece_hi))
    inside = [
        low <= stated <= high
        for low, stated, high in zip(once.came_lo, once.stated, once.came_hi, strict=True)
    ]
    assert sum(inside) >= 9 and once.ece < 0.06


def test_queries_add_up():
    rows = [{"round": i, "queries": 10, "pgr": 0.1 * i, "pgr_lo": 0, "pgr_hi": 1} for i in (1, 2)]
    found = advice.queries_spent(rows)
    assert [(row["queries"], row["pgr"]) for row in found] == [(10, 0.1), (20, 0.2)]


def test_a_rollout_on_disk_is_the_same(tmp_path):
    *_, rollout, truth = random_play()
    path = tmp_path / "games" / "w.npz"
    rollouts.save(path, 3, rollout, truth)
    rollouts.save(path, 4, rollout, truth)
    index, again, hidden = rollouts.load(path)
    assert index == 4 and list(path.parent.iterdir()) == [path]
    for name in set(Rollout._fields) - {rollouts.LEFT_OUT}:
        np.testing.assert_array_equal(getattr(again, name), getattr(rollout, name))
    for name in Truth._fields:
        np.testing.assert_array_equal(getattr(hidden, name), getattr(truth, name))
    assert again.moves.dtype == again.advice.dtype == np.int16
    path.write_bytes(path.read_bytes()[:100])
    for broken in (path, tmp_path / "none.npz"):
        with pytest.raises(SettingError, match="missing, damaged or of another version"):
            rollouts.load(broken)
