"""What the benchmark of self-play counts, and what it compares."""

import jax
import jax.numpy as jnp
import pytest

from sandwich_jax import games, nets
from sandwich_jax.measures import throughput
from sandwich_jax.models import Model
from sandwich_jax.types import SettingError

GAME = games.make("tic_tac_toe")
NET = nets.make("nano", GAME.heads)
PAIR = throughput.Pair("two", GAME, *(Model(NET, NET.init(jax.random.key(i))) for i in (1, 2)))


def test_each_protocol_is_beside_bare_passes_and_beside_always_follow():
    protocols = ("prior_gate", "always_follow")
    rows = list(throughput.bench(PAIR, (4,), protocols, "sandbag", repeats=2, plies=3))
    name = "self-play, tic_tac_toe, two, {}, sandbag".format
    follow, gate = name("always_follow"), name("prior_gate")
    assert [row["what"] for row in rows] == [
        follow,
        f"{follow} beside random_move",
        f"first call, {follow}",
        gate,
        f"{gate} beside random_move",
        f"first call, {gate}",
        f"cost of {gate} relative to always_follow",
    ]
    assert all(row["ours"] > 0 and row["batch"] == 4 for row in rows)
    rate, times, _, _, _, _, cost = rows
    assert rate["ratio"] == rate["ours"] / rate["peer"]
    assert times["ratio"] == times["ours"] / times["peer"]
    assert cost["ratio"] == cost["peer"] / cost["ours"]  # of time, where the others are rates


def test_the_plies_counted_are_those_played():
    """No game of three plies is over before its cap: two games a lane."""
    size = throughput.Size(batch=4, plies=3)
    play = throughput._selfplay(PAIR, size, "always_follow", "random_move")
    bare = throughput._forwards(PAIR, size, "always_follow")
    assert int(play(jnp.int32(1))) == int(bare(jnp.int32(1))) == 2 * 4 * 3


def test_each_network_is_given_what_it_sees():
    """An E of more planes than the game's."""

    def seen(codes):
        return jnp.pad(GAME.decode(codes), ((0, 0), (0, 0), (0, 0), (0, 3)))

    def apply(params, features):
        assert features.shape[-1] == GAME.feature_shape[-1] + 3
        return NET.apply(params, features[..., :-3])

    other = Model(NET._replace(decode=seen, apply=apply), PAIR.expert.params)
    size = throughput.Size(batch=4, plies=3)
    bare = throughput._forwards(PAIR._replace(expert=other), size, "always_follow")
    assert int(bare(jnp.int32(1))) == 2 * 4 * 3


def test_what_makes_no_forward_passes_is_refused():
    engine = Model(NET._replace(by_moves=True), ())
    with pytest.raises(SettingError, match="an engine or a search has not"):
        next(throughput.bench(PAIR._replace(expert=engine)))
