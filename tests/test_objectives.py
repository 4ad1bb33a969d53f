"""Objectives by hand-worked values, the window, and what they do in whole rounds."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers import games_of_four, small

import sandwich_jax
from sandwich_jax import (
    finetune,
    games,
    lane_layout,
    losses,
    members,
    models,
    objectives,
    sandwich,
    search,
)
from sandwich_jax.folders import checkpoints, log
from sandwich_jax.members import Config, members_of
from sandwich_jax.objectives import Seen
from sandwich_jax.oversight import protocols
from sandwich_jax.players import spelled
from sandwich_jax.types import SettingError

GAME = games.make("tic_tac_toe")
KNOBS = objectives.AdvantageWeighted(0.5)
# Result for the mover of `games_of_four`, ply by ply.
RESULTS = np.asarray([[1, 1, -1, -1, 0, 0], [-1, -1, 1, 1, 0, 0]] * 2, float)


def _seen(value: float = 0.25) -> Seen:
    shape = (4, 6)
    return Seen(jnp.full(shape, value), jnp.full(shape, -1.0), jnp.zeros((*shape, 2), jnp.uint8))


def test_imitate_weighs_every_move_of_the_assisted_side():
    rollout = games_of_four()
    found = objectives.imitate(rollout, None, {})
    np.testing.assert_array_equal(found.policy_weight, rollout.assisted.astype(float))
    np.testing.assert_array_equal(found.value_target, RESULTS)
    # The unfinished game has no result.
    np.testing.assert_array_equal(found.value_weight[:, 5], 0)
    np.testing.assert_array_equal(found.value_weight[:, :5], found.policy_weight[:, :5])


def test_imitate_wins_weighs_only_games_that_the_assisted_side_won():
    # Games 0 (assisted first, first player won) and 3 (assisted second, second player won).
    found = objectives.imitate_wins(games_of_four(), None, {})
    weight = np.asarray(found.policy_weight)
    assert weight[:, [0, 3]].any(axis=0).all() and not weight[:, [1, 2, 4, 5]].any()
    # The value head learns from lost games too, or it would take all games for won.
    everything = objectives.imitate(games_of_four(), None, {})
    np.testing.assert_array_equal(found.value_weight, everything.value_weight)
    np.testing.assert_array_equal(found.value_target, everything.value_target)


def test_advantage_weighted_by_hand():
    rollout = games_of_four()
    weight = np.asarray(objectives.advantage_weighted(rollout, _seen(), KNOBS).policy_weight)
    known = np.asarray(rollout.assisted & rollout.played & rollout.finished)
    wanted = np.minimum(np.exp((RESULTS - 0.25) / 0.5), 20)
    np.testing.assert_allclose(weight, np.where(known, wanted, 0), rtol=1e-6)
    sharp = objectives.AdvantageWeighted(0.1)
    clipped = objectives.advantage_weighted(rollout, _seen(), sharp).policy_weight
    assert float(clipped.max()) == objectives.MOST_WEIGHT


def test_distilling_takes_the_advice_and_not_the_move():
    rollout = games_of_four()
    rollout = rollout._replace(
        followed=rollout.followed.at[0].set(False), advice=jnp.full((4, 6), 7, jnp.int16)
    )
    accepted = objectives.distil_accepted(rollout, None, {})
    everything = objectives.distil_advice(rollout, None, {})
    assert (accepted.moves == 7).all() and not accepted.policy_weight[0].any()
    np.testing.assert_array_equal(accepted.policy_weight[1:], rollout.assisted[1:].astype(float))
    np.testing.assert_array_equal(everything.policy_weight, rollout.asked.astype(float))


def test_distil_value_learns_values_where_they_were_told():
    rollout = games_of_four()
    asked = rollout.asked.at[2].set(False)
    rollout = rollout._replace(asked=asked, advised_value=jnp.full((4, 6), 0.5))
    found = objectives.distil_value(rollout, None, {})
    np.testing.assert_array_equal(found.value_weight, asked.astype(float))
    assert (found.value_target[asked] == 0.5).all()
    np.testing.assert_array_equal(found.policy_weight, rollout.assisted.astype(float))


def test_ppo_by_hand():
    rollout = games_of_four()
    found = objectives.ppo(rollout, _seen(), {})
    known = np.asarray(rollout.played & rollout.finished)
    np.testing.assert_array_equal(found.policy_weight, known.astype(float))
    centred, assisted = np.zeros((4, 6)), np.asarray(rollout.assisted)
    for side in (known & assisted, known & ~assisted):
        centred[side] = RESULTS[side] - RESULTS[side].mean()
    wanted = centred / np.sqrt((centred[known] ** 2).mean())
    np.testing.assert_allclose(found.behaviour.advantage, wanted, atol=1e-6)
    np.testing.assert_array_equal(found.behaviour.log_prob, -1.0)


def test_window_keeps_the_last_rounds():
    rollout = games_of_four()
    window = objectives.empty_window(GAME, 2 * 24)
    for index in range(3):
        targets = objectives.imitate(rollout, None, {})
        targets = targets._replace(moves=jnp.full_like(rollout.moves, index))
        window = objectives.push(window, rollout.positions, targets, jnp.int32(index))
    assert np.unique(window.moves[:24]).tolist() == [2]
    assert np.unique(window.moves[24:]).tolist() == [1]
    np.testing.assert_array_equal(window.value_target[:24].reshape(4, 6), RESULTS)


@pytest.mark.parametrize("name", ["tic_tac_toe", "chess"])
def test_a_window_tells_which_moves_were_legal(name):
    game = games.make(name)
    state = game.after(jnp.asarray(game.openings("train")[:5]))
    legal = game.legal(state)
    found = objectives.legal_in(game, game.encode(state), jnp.packbits(legal, axis=-1))
    np.testing.assert_array_equal(found, legal)


@pytest.mark.parametrize("name", ["tic_tac_toe", "chess"])
def test_a_window_survives_a_checkpoint(name, tmp_path):
    window = objectives.empty_window(games.make(name), 8, "ppo")
    window = window._replace(moves=window.moves + 3)
    saver = checkpoints.Checkpoints(tmp_path)
    saver.save(1, window)
    found = saver.latest(window)
    assert found is not None and found[0] == 1
    jax.tree.map(np.testing.assert_array_equal, found[1], window)


# --- whole rounds -------------------------------------------------------------------------------

PPO = small(
    protocol="never_ask", objective="ppo", games=256, lanes=16, updates=60, batch=64, window=1,
    learning_rate=3e-3, temperature=1.0, final_openings=16, rounds=6,
)  # fmt: skip


def _setup(config: Config) -> sandwich.Setup:
    return sandwich.prepare(config, spelled.load_models(config))


@pytest.fixture(scope="module")
def trained():
    """PPO against itself: every round's result."""
    setup = _setup(PPO)
    member = members_of(PPO)[0]
    play = sandwich.rounds_of(setup, member.protocol, lane_layout.layout("loop", 1))
    learner, found = sandwich.first_learner(setup, member.protocol), []
    for index in range(PPO.rounds):
        lane = sandwich.lane_of(PPO, member, learner, index)
        ((_, results),) = play([lane], setup.models, setup.starts)
        found.append(results[0])
        learner = results[0].learner
    return setup, member, found


def test_ppo_learns_to_play(trained):
    setup, member, found = trained
    standings = sandwich.standings_of(setup, lane_layout.layout("loop", 1))
    jobs = standings.student(PPO, member, found[-1].learner.train.params)
    (scores,) = standings.play_matches(jobs, 16, lambda names: None).values()
    assert scores.points.mean() > 0.65  # 0.5 before; against a random mover alike


def test_ppo_keeps_the_log_probability_of_what_was_played(trained):
    """Against W's own network at the temperature of self-play, from the replayed games."""
    setup, _, found = trained
    was = found[0].learner.train.params  # who played round 2
    rollout, window = found[1].rollout, found[1].learner.window
    played, moves = np.asarray(rollout.played), np.asarray(rollout.moves)
    kept = np.asarray(window.behaviour.log_prob).reshape(moves.shape)
    state = GAME.take(setup.starts, jnp.asarray(rollout.opening))
    for ply in range(3):
        outputs = setup.models.weak.with_params(was).at(GAME, state)
        legal = np.asarray(GAME.legal(state))
        chances = jax.nn.softmax(jnp.where(legal, outputs.logits, -jnp.inf))
        index = np.maximum(moves[ply], 0)
        wanted = np.log(np.asarray(chances)[np.arange(len(index)), index])
        np.testing.assert_allclose(kept[ply][played[ply]], wanted[played[ply]], atol=1e-4)
        state = GAME.step(state, jnp.asarray(index))


def test_ppo_resumed_is_ppo_bit_for_bit(tmp_path):
    config = small(objective="ppo", rounds=3, p=(0.5,), kl=0.01, window=2, control=False)
    whole = sandwich_jax.run(config, tmp_path / "whole", wandb="disabled")

    class Killed(Exception):
        pass

    def stop(done, total, text):
        if text.startswith("round 3/3"):
            raise Killed

    with pytest.raises(Killed):
        sandwich_jax.run(config, tmp_path / "killed", wandb="disabled", progress=stop)
    resumed = sandwich_jax.run(config, tmp_path / "killed", wandb="disabled")
    jax.tree.map(np.testing.assert_array_equal, resumed.networks, whole.networks)
    rows = [log.read_rows(tmp_path / name / "rows.jsonl") for name in ("whole", "killed")]
    assert [r["elo_gain"] for r in rows[0]] == [r["elo_gain"] for r in rows[1]]
    assert {r["objective"] for r in rows[0]} == {"ppo"}


# --- settings -----------------------------------------------------------------------------------


@pytest.mark.parametrize("objective", [n for n in objectives.OBJECTIVES if n != "own_corpus"])
def test_every_objective_has_its_own_control(objective):
    config = small(objective=objective)
    assert [m.protocol for m in members_of(config)][-1] == "never_ask"
    assert members.loss_of(config).clipped == (objective == "ppo")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (dict(objective="ppo", noise_loss="symmetric"), "has no labels"),
        (dict(objective="distil_policy", noise_loss="truncated"), "has no labels"),
        (dict(objective="ppo", temperature=0.0), "at least 0.01"),
        (dict(results="adjudicated"), "no material"),
        (dict(noise_loss="huber"), "choose one of none, symmetric, truncated"),
        (dict(kl=-1.0), "kl is -1"),
        (dict(clip=1.5), "clip is 1.5"),
    ],
)
def test_settings_that_do_not_go_together(changes, said):
    with pytest.raises(SettingError, match=said):
        small(**changes)


def _one_round(config: Config, sharper: float = 1.0) -> tuple[sandwich.Setup, sandwich.RoundResult]:
    """A round with an E whose parameters are multiplied, so that it is surer of itself."""
    loaded = spelled.load_models(config)
    sure = jax.tree.map(lambda x: x * sharper, loaded.expert.params)
    loaded = loaded._replace(expert=loaded.expert.with_params(sure))
    setup, member = sandwich.prepare(config, loaded), members_of(config)[0]
    play = sandwich.rounds_of(setup, member.protocol, lane_layout.layout("loop", 1))
    learner = sandwich.first_learner(setup, member.protocol)
    lane = sandwich.lane_of(config, member, learner, 0)
    ((_, results),) = play([lane], setup.models, setup.starts)
    return setup, results[0]


def test_distil_value_hears_a_value_that_its_protocol_does_not_ask_for():
    assert "value" not in protocols.always_follow.wants
    _, result = _one_round(small(objective="distil_value", control=False, p=(0.0,)))
    window, rollout = result.learner.window, result.rollout
    said = np.asarray(rollout.advised_value).reshape(-1)
    told, target = (np.asarray(x)[: len(said)] for x in (window.value_weight, window.value_target))
    assert told.sum() == rollout.asked.sum() > 0 and said.any()
    np.testing.assert_array_equal(target[told > 0], said[told > 0])


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_distil_policy_learns_what_a_told_with_its_probabilities(p):
    """E's own distribution where A is honest; a certain move where it plays at random."""
    config = small(
        objective="distil_policy", control=False, p=(p,), games=64, updates=300, learning_rate=1e-2
    )
    setup, result = _one_round(config, sharper=8.0)
    window, rollout = result.learner.window, result.rollout
    count = rollout.moves.size
    weight = np.asarray(window.policy_weight)[:count]
    labels, shares = (np.asarray(x)[:count] for x in window.behaviour[:2])
    asked = np.asarray(rollout.asked).reshape(-1)
    np.testing.assert_array_equal(weight, asked.astype(float))
    assert asked.any() and (labels[~asked] == -1).all() and not shares[~asked].any()
    np.testing.assert_allclose(shares[asked].sum(-1), 1, rtol=1e-5)
    np.testing.assert_array_equal(labels[asked, 0], np.asarray(rollout.advice).reshape(-1)[asked])
    if p:
        assert (shares[asked, 0] == 1).all() and (labels[asked, 1:] == -1).all()
        return
    state = GAME.take(setup.starts, jnp.asarray(rollout.opening))
    first = np.asarray(rollout.asked)[0]
    legal, outputs = GAME.legal(state), setup.models.expert.at(GAME, state)
    whole = np.asarray(jax.nn.softmax(jnp.where(legal, outputs.logits, -jnp.inf)))
    rows = np.flatnonzero(first)
    wanted = whole[rows[:, None], labels[rows]] * (labels[rows] >= 0)
    wanted /= wanted.sum(-1, keepdims=True)
    np.testing.assert_allclose(shares[rows], wanted, atol=1e-3)  # sums in another order

    def apart(params) -> float:
        """Divergence of E from W over the moves that A told."""
        codes, there = window.positions[:count][asked], labels[asked] >= 0
        logits = setup.models.weak.with_params(params).of_encoded(GAME, codes).logits
        own = np.take_along_axis(np.asarray(logits), np.maximum(labels[asked], 0).astype(int), -1)
        own = np.where(there, jax.nn.log_softmax(jnp.where(there, own, -jnp.inf)), 0)
        told = shares[asked]
        return float(np.where(told > 0, told * (np.log(np.maximum(told, 1e-9)) - own), 0).mean())

    assert 0 < 2 * apart(result.learner.train.params) < apart(setup.models.weak.params)


def test_of_several_answers_their_mean_is_learnt():
    config = small(
        protocol="only_listen", listens=4, objective="distil_policy", control=False, p=(1.0,)
    )
    _, result = _one_round(config)
    rollout = result.rollout
    asked = np.asarray(rollout.asked)
    labels, shares = (np.asarray(x)[asked] for x in rollout.told[:2])
    np.testing.assert_allclose(4 * shares, np.round(4 * shares), atol=1e-5)  # random moves, counted
    np.testing.assert_allclose(shares.sum(-1), 1, rtol=1e-5)
    assert ((labels >= 0) == (shares > 0)).all() and ((labels >= 0).sum(-1) > 1).any()
    np.testing.assert_array_equal(np.asarray(rollout.moves)[asked], np.asarray(rollout.own)[asked])


@pytest.mark.parametrize("objective", ["distil_accepted_policy", "distil_believed"])
def test_only_the_advice_that_w_took_is_learnt_with_its_probabilities(objective):
    config = small(protocol="prior_gate", tau=0.2, objective=objective, control=False, p=(0.7,))
    _, result = _one_round(config)
    rollout, window = result.rollout, result.learner.window
    took = np.asarray(rollout.followed & rollout.asked & rollout.played).reshape(-1)
    asked = np.asarray(rollout.asked & rollout.played).reshape(-1)
    assert 0.05 < took[asked].mean() < 0.95
    np.testing.assert_array_equal(window.policy_weight[: took.size], took.astype(float))
    told = np.asarray(rollout.told.weights).reshape(took.size, -1)
    np.testing.assert_array_equal(np.asarray(window.behaviour.weights)[: took.size], told)
    # The value head learns A's values of the same positions, or their results.
    valued, values = (
        np.asarray(x)[: took.size] for x in (window.value_weight, window.value_target)
    )
    said = np.asarray(rollout.advised_value).reshape(-1)
    results = np.asarray(objectives.results_of_movers(rollout)).reshape(-1)
    if objective == "distil_believed":
        np.testing.assert_array_equal(valued, took.astype(float))
        np.testing.assert_array_equal(values[took], said[took])
        assert (said[took] != results[took]).any()
    else:
        finished = np.broadcast_to(rollout.finished, rollout.played.shape).reshape(-1)
        np.testing.assert_array_equal(valued, (took & finished).astype(float))
        np.testing.assert_array_equal(values[took & finished], results[took & finished])


LOOKS = 4
THINKS = {"protocol": "search_gate", "looks": LOOKS, "objective": "distil_told", "control": False}


def test_where_w_refuses_advice_it_learns_what_its_own_search_found():
    heard, thought = (
        _one_round(small(**THINKS, refused=refused, odds=1.5, p=(0.7,)))
        for refused in ("advice", "thought")
    )
    setup, result = thought
    rollout, other = result.rollout, heard[1].rollout
    np.testing.assert_array_equal(rollout.moves, other.moves)
    np.testing.assert_array_equal(rollout.followed, other.followed)
    asked, took = (np.asarray(x) for x in (rollout.asked, rollout.followed))
    refused = asked & ~took
    assert took.any() and refused.any()
    for one, two in zip(rollout.told[:2], other.told[:2], strict=True):
        np.testing.assert_array_equal(np.asarray(one)[took], np.asarray(two)[took])
    values = [np.asarray(x.advised_value) for x in (rollout, other)]
    np.testing.assert_array_equal(values[0][took], values[1][took])
    # The same network's search, as a player, in the positions after the openings.
    lane = np.flatnonzero(refused[0])
    weak = setup.models.weak
    searching = models.Model(search.network(weak.net, GAME, LOOKS), weak.params)
    state = GAME.take(setup.starts, jnp.asarray(rollout.opening))
    legal, found = GAME.legal(state), jax.jit(lambda: searching.at(GAME, state))()
    whole = np.asarray(jax.nn.softmax(jnp.where(legal, found.logits, -jnp.inf)))[lane]
    labels, shares = (np.asarray(x)[0, lane] for x in rollout.told[:2])
    wanted = np.take_along_axis(whole, np.maximum(labels, 0).astype(int), 1) * (labels >= 0)
    np.testing.assert_allclose(shares, wanted, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(values[0][0, lane], np.asarray(found.value)[lane], rtol=1e-4)
    # All of it is learnt, with the values.
    window, learnt = result.learner.window, (asked & rollout.played).reshape(-1)
    for weight in (window.policy_weight, window.value_weight):
        np.testing.assert_array_equal(np.asarray(weight)[: learnt.size], learnt.astype(float))
    targets = np.asarray(window.value_target)[: learnt.size]
    np.testing.assert_array_equal(targets[learnt], values[0].reshape(-1)[learnt])


def test_a_value_by_w_s_own_search_is_learnt_by_objectives_of_values_alone_too():
    both = [
        _one_round(small(**THINKS | {"objective": name}, refused="thought", odds=1.5, p=(0.7,)))
        for name in ("distil_told", "distil_value")
    ]
    told, valued = (np.asarray(result.rollout.advised_value) for _, result in both)
    np.testing.assert_array_equal(valued, told)


def test_w_that_takes_no_advice_learns_its_own_search_whatever_a_says():
    """The control of all that is gained with advice."""
    after = [
        _one_round(small(**THINKS, refused="thought", odds=1e4, p=(p,)))[1].learner.train.params
        for p in (0.1, 0.9)
    ]
    jax.tree.map(np.testing.assert_array_equal, *after)


def test_the_medoid_of_several_answers_is_one_of_them():
    config = small(
        protocol="only_listen", listens=5, pool="medoid", objective="distil_policy", control=False,
        p=(0.7,), games=32, max_plies=2,
    )  # fmt: skip
    setup, result = _one_round(config)
    rollout = result.rollout
    lane = np.flatnonzero(np.asarray(rollout.asked)[0])
    labels, shares = (np.asarray(x)[0, lane] for x in rollout.told[:2])
    state = GAME.take(setup.starts, jnp.asarray(rollout.opening))
    legal, outputs = GAME.legal(state), setup.models.expert.at(GAME, state)
    whole = np.asarray(jax.nn.softmax(jnp.where(legal, outputs.logits, -jnp.inf)))[lane]
    wanted = np.take_along_axis(whole, np.maximum(labels, 0).astype(int), 1) * (labels >= 0)
    one_move = (shares == 1).any(-1)
    honest = np.isclose(shares, wanted, atol=1e-3).all(-1)
    assert (one_move | honest).all()
    # Of two honest answers each has all in common with the other; 0.53 have two of five or more.
    assert honest.mean() > 0.5


def test_w_that_never_asks_stays_w_where_only_advice_that_it_took_is_learnt():
    config = small(objective="distil_believed", protocol="never_ask", updates=4)
    setup, result = _one_round(config)
    after = result.learner.train.params
    jax.tree.map(np.testing.assert_array_equal, setup.models.weak.params, after)


def test_the_control_of_distil_policy_learns_what_w_itself_would_have_said():
    config = small(objective="distil_policy", protocol="never_ask", games=64, updates=4)
    setup, result = _one_round(config)
    rollout, weight = result.rollout, np.asarray(result.learner.window.policy_weight)
    labels, shares = (np.asarray(x) for x in rollout.told[:2])
    own = np.asarray(rollout.played & rollout.assisted)
    np.testing.assert_array_equal(weight[: own.size], own.reshape(-1).astype(float))
    assert not rollout.asked.any() and own.any()
    assert (labels[own][:, 0] >= 0).all() and (labels[~own] == -1).all()
    state = GAME.take(setup.starts, jnp.asarray(rollout.opening))
    legal, outputs = GAME.legal(state), setup.models.weak.at(GAME, state)
    whole = np.asarray(jax.nn.softmax(jnp.where(legal, outputs.logits, -jnp.inf)))
    rows = np.flatnonzero(own[0])
    wanted = whole[rows[:, None], labels[0, rows]] * (labels[0, rows] >= 0)
    wanted /= wanted.sum(-1, keepdims=True)
    np.testing.assert_allclose(shares[0, rows], wanted, atol=1e-3)  # sums in another order

    def gradient(loss: finetune.LossConfig) -> float:
        """Its norm at W, of what W itself would have said."""
        trainer = finetune.make_trainer(GAME, setup.models.weak.net, loss=loss)
        samples = jax.tree.map(lambda x: x[np.flatnonzero(weight)], result.learner.window)
        state = trainer.init(setup.models.weak.params)
        state, _ = trainer.update(state, samples, jnp.float32(0))
        return float(optax.tree.norm(optax.tree_utils.tree_get(state.optimizer, "mu"))) / 0.1

    soft = finetune.LossConfig(soft=True, value_weight=0.0)
    assert members.loss_of(config).legal and not soft.legal
    assert gradient(dataclasses.replace(soft, legal=True)) < 1e-4 < 1e-2 < gradient(soft)


def test_adjudicated_results_are_learnt_from_only_when_asked_for():
    by_rules = games_of_four()
    truth = sandwich.Truth(*[jnp.zeros((4, 6))] * 3, adjudicated=jnp.ones(6))
    known = sandwich.adjudicated(by_rules, truth)
    assert known.finished.all() and (known.result == 1).all()
    assert Config().results == "rules"


def test_losses_and_objectives_are_reachable_by_name():
    assert set(losses.NOISE_LOSSES) == {"none", "symmetric", "truncated"}
