"""The shipped pair: their cards, their strength, and on real data their match with humans."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sandwich_jax import arena, games
from sandwich_jax.folders import store
from sandwich_jax.members import Config, knobs_of
from sandwich_jax.players import spelled
from sandwich_jax.running import saboteur_folder
from sandwich_jax.training import corpus, move_match, saboteur_moves


def test_cards_tell_where_the_networks_come_from():
    cards = {name: store.read_card(spelled.ZOO / name) for name in ("expert", "weak")}
    expert, weak = cards["expert"].about, cards["weak"].about
    assert cards["expert"].network == cards["weak"].network
    assert weak["games"] <= 0.02 * expert["games"]
    for about in (expert, weak):
        assert {"steps", "seconds", "samples", "device", "strength", "source", "limits"} <= set(
            about
        )


def test_cards_tell_where_they_stand_beside_stockfish():
    """Between them and the anchor every rung measures the next: scores of 10% to 90%."""
    one, other = (
        store.read_card(spelled.ZOO / name).about["ladder"] for name in ("expert", "weak")
    )
    assert one == other and one["games a match"] >= 200
    elo, scores = one["Elo"], one["scores"]
    assert elo["random"]["elo_hi"] < elo["W"]["elo_lo"] < elo["W"]["elo_hi"] < elo["E"]["elo_lo"]
    between = ["W", *(f"stockfish:nodes=1000,q={q}" for q in (0.7, 0.8)), "E"]
    steps = [f"{a} against {b}" for a, b in itertools.pairwise(between)]
    anchor = one["scale"].split(" of ")[0]
    assert all(0.1 <= scores[name] <= 0.9 for name in (*steps, f"E against {anchor}"))


@pytest.fixture(scope="module")
def points():
    """E, W and a random mover, 128 games a match."""
    expert, weak = spelled.load_pair("zoo:expert", "zoo:weak", "chess", "tiny")
    game = games.make("chess")
    policy = arena.network_policy(game)
    others = {"W": policy, "random": arena.random_policy(game)}
    play = {
        name: jax.jit(arena.make_match(game, policy, other, arena.ArenaConfig()))
        for name, other in others.items()
    }
    starts = game.after(jnp.asarray(game.openings("arena")[:64]))
    honest = knobs_of(Config(), None, 0.1)
    sides = {"E": (expert, honest), "W": (weak, honest), "random": ()}

    def score(a: str, b: str) -> float:
        scores = play[b](jax.random.key(0), sides[a], sides[b], starts, jnp.int32(64))
        return float(np.asarray(scores.points).mean())

    return score


def test_the_expert_is_far_stronger_than_the_weak_and_both_than_chance(points):
    assert points("E", "W") > 0.9  # 400 Elo are 0.909
    assert points("W", "random") > 0.9
    assert points("E", "random") > 0.97


@pytest.mark.slow
def test_human_moves_on_positions_new_to_the_expert(data, tmp_path):
    for split, share, limit in (("train", 0.02, 120_000), ("test", 1.0, 1200)):
        corpus.build(
            [data / "games" / f"{split}.pgn.zst"],
            tmp_path / f"{split}.npz",
            test_share=share,
            max_games=limit,
        )
    train, test = (corpus.load(tmp_path / f"{split}.npz") for split in ("train", "test"))
    seen = move_match.seen_in(train, np.flatnonzero(~train.test)[:100_000])
    rows = np.arange(600)
    for name, least in (("expert", 0.32), ("weak", 0.18)):
        network = spelled.load_network(f"zoo:{name}")
        found = move_match.human_match(network, test, rows, seen)
        assert found.high >= least, found


@pytest.mark.slow
def test_e_sees_the_subtle_loser_better_than_w_does(data, tmp_path):
    """On a quarter of the test games, so that probes learn less than in docs/saboteurs.md."""
    games_file = data / "games" / "test.pgn.zst"
    corpus.build([games_file], tmp_path / "test.npz", test_share=0.0, max_games=1600)
    test, material = corpus.load(tmp_path / "test.npz"), saboteur_folder.Material(positions=1600)
    bank = saboteur_folder.of_games(test, np.arange(1600), material, lambda *told: None)
    network = spelled.load_network("zoo:subtle_loser")
    game = games.make("chess")
    chosen = saboteur_moves.of_network(game, network, bank)
    found = saboteur_moves.detection(game, bank, chosen)
    assert found.weak.value <= 0.65 and found.expert.value >= 0.85, found
