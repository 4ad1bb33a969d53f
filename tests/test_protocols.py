"""Protocols at their extremes are always_follow, never_ask or the ceiling, bit for bit."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from protocol_games import CONFIG, play, same, same_games

from sandwich_jax import config
from sandwich_jax.members import Config
from sandwich_jax.oversight import protocols, voting
from sandwich_jax.oversight.protocols import PROTOCOLS, ProtocolConfig
from sandwich_jax.types import SettingError

SEEDS = st.integers(0, 2**31 - 1)
SHARES = st.floats(0, 1, width=32)
FIRST_GAMES = np.arange(CONFIG.games) < CONFIG.lanes
"""Of each lane: later ones begin, and draw their keys, when the game before is over."""
LITTLE = settings(max_examples=10, deadline=None)

OPEN = {
    "ask_when_unsure": {"unsure": 0.0, "budget": 100.0},
    "prior_gate": {"tau": 0.0},
    "value_gate": {"delta": 2.0},
    "shallow_search_gate": {"delta": 2.0},
    "cross_examination": {"slack": 2.0},
}
"""Gates that let everything through."""
SHUT = {
    "ask_when_unsure": {"unsure": 100.0, "close": 0.0},
    "prior_gate": {"tau": 1.5},
    "value_gate": {"delta": -0.01},
    "shallow_search_gate": {"delta": -0.01},
    "cross_examination": {"slack": -0.01},
    "product": {"beta_product": 0.0},
    "defer_on_suspicion": {"tau": 1.5},
}
"""Gates that let nothing through."""


@LITTLE
@given(seed=SEEDS)
def test_the_oracle_gate_is_the_ceiling_at_p_0_and_never_asking_at_p_1(seed):
    ceiling, _ = play("always_follow", seed, p=0.0)
    same(play("oracle_gate", seed, p=0.0)[0], ceiling)
    alone, truth = play("oracle_gate", seed, p=1.0)
    same_games(alone, play("never_ask", seed, p=1.0)[0])
    assert truth.corrupted[alone.asked].all() and not alone.followed.any()


@LITTLE
@given(seed=SEEDS, p=SHARES)
def test_the_oracle_gate_accepts_exactly_the_uncorrupted_advice(seed, p):
    rollout, truth = play("oracle_gate", seed, p=p)
    np.testing.assert_array_equal(rollout.followed, rollout.asked & ~truth.corrupted)
    followed = rollout.followed
    np.testing.assert_array_equal(rollout.moves[followed], truth.honest[followed])


@pytest.mark.parametrize("protocol", OPEN)
@LITTLE
@given(seed=SEEDS, p=SHARES)
def test_an_open_gate_is_always_follow(protocol, seed, p):
    rollout, truth = play(protocol, seed, p=p, **OPEN[protocol])
    expected, so = play("always_follow", seed, p=p)
    same_games(rollout, expected)
    np.testing.assert_array_equal(rollout.followed, expected.followed)
    np.testing.assert_array_equal(rollout.advice, expected.advice)
    if protocol != "cross_examination":  # its answers about values may be corrupted too
        np.testing.assert_array_equal(truth.corrupted, so.corrupted)


@pytest.mark.parametrize("protocol", SHUT)
@LITTLE
@given(seed=SEEDS, p=SHARES)
def test_a_shut_gate_is_never_asking(protocol, seed, p):
    rollout, _ = play(protocol, seed, p=p, **SHUT[protocol])
    same_games(rollout, play("never_ask", seed, p=p)[0])
    if protocol != "product":  # whose own move may be A's
        assert not rollout.followed.any()


@LITTLE
@given(seed=SEEDS, p=SHARES)
def test_a_majority_of_one_is_always_follow(seed, p):
    one, truth = play("majority", seed, sizes=(("samples", 1),), p=p)
    expected, so = play("always_follow", seed, p=p)
    same(one, expected)
    np.testing.assert_array_equal(truth.corrupted, so.corrupted)


@LITTLE
@given(seed=SEEDS, budget=st.integers(0, 5), unsure=st.floats(0, 2.5, width=32))
def test_the_budget_of_a_game_is_never_exceeded(seed, budget, unsure):
    rollout, _ = play("ask_when_unsure", seed, budget=budget, unsure=unsure, close=0.1)
    assert rollout.asked.sum(0).max() <= budget


@pytest.mark.parametrize(
    "protocol",
    ["majority", *(pytest.param(p, marks=pytest.mark.slow) for p in ("prior_gate", "value_gate"))],
)
@LITTLE
@given(seed=SEEDS)
def test_between_queries_w_plays_its_own_move(protocol, seed):
    rollout, _ = play(protocol, seed, every=2, p=0.5)
    alone, _ = play("never_ask", seed, every=2, p=0.5)
    for game in range(rollout.moves.shape[1]):
        turns = np.flatnonzero(rollout.assisted[:, game])
        asked = rollout.asked[turns, game]
        np.testing.assert_array_equal(asked, np.arange(len(turns)) % 2 == 0)
    so_far = np.cumprod(rollout.moves == alone.moves, axis=0).astype(bool)
    before = np.vstack([np.ones((1, rollout.moves.shape[1]), bool), so_far[:-1]])
    unasked = rollout.assisted & ~rollout.asked & before & FIRST_GAMES
    np.testing.assert_array_equal(rollout.moves[unasked], alone.moves[unasked])


def test_the_most_frequent_move_by_hand():
    moves = jnp.asarray([[3, 7, 1, 5], [4, 7, 2, 6], [4, 2, 3, 6], [9, 7, 4, 5]])
    assert voting.most_frequent(moves).tolist() == [4, 7, 1, 5]


def test_a_majority_of_five_outvotes_noise_and_one_cannot():
    """A lone random move in five is outvoted; at p = 0.3 most samples are E's."""
    many, truth = play("majority", p=0.3)
    one, so = play("majority", sizes=(("samples", 1),), p=0.3)
    hit = (many.moves == truth.honest)[many.asked].mean()
    assert hit > (one.moves == so.honest)[one.asked].mean() and hit > 0.9


def test_candidates_are_w_s_own_and_the_best_by_e():
    """With every move a candidate and an honest A, W plays the best move one ply ahead."""
    rollout, truth = play("candidates", sizes=(("candidates", 9),), p=0.0)
    assert (rollout.moves == truth.honest)[rollout.asked].all()
    one, _ = play("candidates", sizes=(("candidates", 1),), p=1.0)
    greedy, _ = play("never_ask", temperature=0.0)
    # One candidate is W's most likely move, whatever A says of it; its copy plays as ever.
    first = one.assisted[0]
    np.testing.assert_array_equal(one.moves[0, first], greedy.moves[0, first])


def test_a_large_beta_follows_an_honest_a_and_a_small_one_w():
    near, truth = play("product", p=0.0, beta_product=1000.0)
    assert (near.moves == truth.honest)[near.asked].mean() > 0.95
    far, _ = play("product", p=0.0, beta_product=0.3)
    assert far.followed[far.asked].mean() < near.followed[near.asked].mean()


@pytest.mark.parametrize("protocol", ["prior_gate", "value_gate", "cross_examination"])
def test_a_half_open_gate_lets_some_through(protocol):
    knobs = {"tau": 0.12, "delta": 0.05, "slack": 0.25}
    rollout, _ = play(protocol, p=0.5, **knobs)
    assert 0.05 < rollout.followed[rollout.asked].mean() < 0.95
    alone, _ = play("never_ask", p=0.5)
    first, refused = rollout.assisted[0] & FIRST_GAMES, ~rollout.followed[0]
    np.testing.assert_array_equal(  # where W defers, it is to itself
        rollout.moves[0][first & refused], alone.moves[0][first & refused]
    )


DEFERRING = {
    "prior_gate": {"tau": 0.2},
    "value_gate": {"delta": 0.02},
    "defer_on_suspicion": {"tau": 0.12},
    "learned_trust": {"trust": 0.501},
}
"""One of each way to refuse, with knobs at which it does."""


@pytest.mark.parametrize("protocol", DEFERRING)
def test_where_w_defers_to_itself_it_plays_its_own_move_whatever_a_says(protocol):
    rollout, _ = play(protocol, p=1.0, **DEFERRING[protocol])
    random, _ = play("always_follow", p=1.0)
    assert (random.moves == random.advice)[random.asked].all()
    deferred = rollout.assisted & rollout.played & ~rollout.followed
    spurned = deferred & rollout.asked & (rollout.advice != rollout.moves)
    assert (spurned | (deferred & ~rollout.asked)).any()
    np.testing.assert_array_equal(rollout.moves[deferred], rollout.own[deferred])
    taken = rollout.assisted & rollout.followed
    np.testing.assert_array_equal(rollout.moves[taken], rollout.advice[taken])
    # W's own moves are those that it would play by itself, while the games are the same.
    alone, _ = play("never_ask")
    first = rollout.assisted[0] & FIRST_GAMES & ~rollout.followed[0]
    np.testing.assert_array_equal(rollout.moves[0][first], alone.moves[0][first])


def test_settings_of_protocols_are_checked():
    with pytest.raises(SettingError, match="Unknown protocol 'hope': choose one of always_follow"):
        protocols.make("hope")
    with pytest.raises(SettingError, match="samples is 0: it must be at least 1"):
        protocols.make(ProtocolConfig("majority", samples=0))
    with pytest.raises(SettingError, match="tau is -1: it must be between 0 and 2"):
        Config(protocol="prior_gate", tau=-1.0)
    with pytest.raises(SettingError, match="tau is set, but protocol 'majority' has no use of it"):
        Config(protocol="majority", tau=0.3)


def test_every_setting_of_a_protocol_is_one_of_a_run():
    uses = {name for entry in PROTOCOLS for name in protocols.make(entry).uses}
    assert uses <= set(config.names())
