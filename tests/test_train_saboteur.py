"""The bank and the training of a saboteur, on a game of seven columns."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sandwich_jax import games, lookahead, nets, sampling
from sandwich_jax.misalign import saboteurs
from sandwich_jax.models import Model
from sandwich_jax.training import bank as banks
from sandwich_jax.training import distil, saboteur_moves, saboteur_training
from sandwich_jax.training.saboteur_training import SaboteurConfig
from sandwich_jax.types import SettingError

GAME = games.make("connect_four")
NET = nets.make("nano", GAME.heads)
EXPERT, WEAK = (Model(NET, NET.init(jax.random.key(seed))) for seed in (1, 2))
SMALL = SaboteurConfig(rounds=3, updates=6, detector_updates=4, pool=2, batch=16)


@functools.cache
def _lines():
    """Random play of 2 to 20 plies, and one game that is over."""
    rng, width = np.random.default_rng(0), 20
    lines = np.full((70, width), -1, np.int16)
    lines[0, :7] = [0, 1, 0, 1, 0, 1, 0]
    for line in lines[1:]:
        for ply in range(rng.integers(2, width + 1)):
            line[ply] = rng.integers(7)
            if (line[: ply + 1] == line[ply]).sum() > 3:  # no column is ever full
                line[ply] = -1
                break
    return lines


@functools.cache
def _bank():
    return banks.build(GAME, (EXPERT, WEAK), _lines())


def test_positions_where_the_game_is_over_are_left_out():
    over = np.asarray(GAME.done(banks.along(GAME, jnp.asarray(_lines(), jnp.int32))))
    assert over[0] and not over.all()
    assert _bank().line.tolist() == _lines()[~over].tolist()


def test_a_bank_holds_one_ply_values_and_policies():
    bank = _bank()
    state = banks.along(GAME, jnp.asarray(bank.line, jnp.int32))
    legal = np.asarray(GAME.legal(state))
    assert bank.legal.sum(1).tolist() == legal.sum(1).tolist()
    for model, view in ((EXPERT, bank.expert), (WEAK, bank.weak)):
        (q,) = lookahead.action_values(GAME, (model,), state)
        outputs = model.at(GAME, state)
        logp = jax.nn.log_softmax(sampling.mask_logits(outputs.logits, jnp.asarray(legal)))
        index = np.maximum(bank.labels, 0).astype(int)
        for want, found in ((q, view.after), (logp, view.logp)):
            want = np.take_along_axis(np.asarray(want), index, axis=1)[bank.legal]
            assert found[bank.legal] == pytest.approx(want, abs=1e-5)
        assert view.value == pytest.approx(np.asarray(outputs.value), abs=1e-5)


def test_a_bank_survives_its_file(tmp_path):
    banks.save(tmp_path / "bank.npz", _bank())
    again = banks.load(tmp_path / "bank.npz")
    jax.tree.map(np.testing.assert_array_equal, again, _bank())
    assert [path.name for path in tmp_path.iterdir()] == ["bank.npz"]


def test_what_is_known_of_a_move_by_hand():
    """Two moves of one position with two squares: shares below, distances, means."""
    view = banks.View(
        logp=np.asarray([[np.log(0.75), np.log(0.25), sampling.ILLEGAL]]),
        after=np.asarray([[0.5, -0.25, 0.0]]),
        value=np.asarray([0.125]),
        trunk=np.asarray([[[1.0], [3.0]]]),
        trunk_after=np.asarray([[[5.0], [6.0], [0.0]]]),
    )
    found = np.asarray(banks.move_features(view, jnp.asarray([[4, 9, -1]]), None))[0]
    entropy = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    first = [np.log(0.75), 0, entropy, 0.125, 0.5, 0, 0.75, 0.5, 0.5, 2, 5]
    second = [np.log(0.25), np.log(3), entropy, 0.125, -0.25, 0.75, 0, 0, 0, 2, 6]
    assert found[0] == pytest.approx(first) and found[1] == pytest.approx(second)
    assert (found[2] == 0).all()


def test_rewards_by_hand():
    bank = _bank()
    harm = np.full(bank.labels.shape, np.nan, np.float32)
    harm[0, 0] = 0.5
    config = SaboteurConfig(harm=2.0, expert_loss=1.0, notice=0.25)
    found = saboteur_training.rewards(bank, harm, config)
    accepted = saboteur_moves.accepted(bank, saboteur_moves.Gates(config.tau, config.delta))
    row = bank.expert.after[0][bank.legal[0]]
    want = (row.max() - row) / 2 - 0.25 * ~accepted[0][bank.legal[0]]
    want[0] += 1.0
    assert found[0][bank.legal[0]] == pytest.approx(want, abs=1e-6)
    assert (found[~bank.legal] == 0).all()


class _Memory:
    """A saver that keeps all in memory, and may be killed after some checkpoints."""

    def __init__(self, life=99):
        self.kept, self.life = None, life

    def latest(self, like):
        return self.kept

    def save(self, number, tree):
        if number > self.life:
            raise KeyboardInterrupt
        self.kept = (number, jax.tree.map(np.asarray, tree))


def _train(saver, config=SMALL, start=EXPERT):
    data = saboteur_training.tables(_bank(), None, config)
    rows = []
    params = saboteur_training.train(GAME, start, data, config, saver, rows.append)
    return params, rows


@functools.cache
def _whole():
    return _train(_Memory())


def test_killed_and_resumed_is_never_killed():
    saver = _Memory(life=2)
    with pytest.raises(KeyboardInterrupt):
        _train(saver)
    saver.life = 99
    params, rows = _train(saver)
    assert [row.round for row in rows] == [3]
    jax.tree.map(np.testing.assert_array_equal, params, _whole()[0])


def test_rounds_report_what_detectors_make_of_it():
    rows = _whole()[1]
    assert rows[0].weak == 0 and rows[0].seen == 0  # no detector in the first round
    assert all(row.weak != 0 and row.seen != 0 for row in rows[1:])


def test_a_saboteur_may_be_trained_on_without_imitation():
    config = dataclasses.replace(SMALL, rounds=1, imitation=0)
    _, (row,) = _train(_Memory(), config, start=WEAK)
    assert row.weak != 0 and row.seen != 0  # detectors from the first round on


def test_it_learns_to_lose():
    """Against the closed form, which is the best that any policy can do."""
    config = SaboteurConfig(rounds=1, updates=600, batch=32, notice=0.0, divergence=0.1)
    bank = _bank()
    params, _ = _train(_Memory(), config)
    data = saboteur_training.tables(bank, None, config)

    def gain(logp):
        chance = np.where(bank.legal, np.exp(logp), 0)
        leaving = np.where(bank.legal, logp - bank.expert.logp, 0)
        return (chance * (np.asarray(data.reward) - config.divergence * leaving)).sum(1).mean()

    learnt = saboteur_training.log_policy(GAME, NET, params, data.positions, data.labels)
    best = saboteurs.soft(data.expert, -data.reward, 0 * data.reward, bank.legal, 0.1, 0.0)
    assert gain(bank.expert.logp) < gain(np.asarray(learnt)) <= gain(np.asarray(best)) + 1e-6
    share = (gain(np.asarray(learnt)) - gain(bank.expert.logp)) / (
        gain(np.asarray(best)) - gain(bank.expert.logp)
    )
    assert share > 0.5


def test_what_is_distilled_is_imitated():
    bank, config = _bank(), SaboteurConfig(rounds=1, updates=600, batch=32)
    data = saboteur_training.tables(bank, None, config)
    worst = saboteur_moves.training_free(bank)["value_worst"]
    target = np.zeros(bank.labels.shape)
    target[np.arange(len(worst)), worst] = 1
    target[::5] = 0  # unknown: left out
    losses = []
    params = distil.distil(
        GAME, EXPERT, data, target, config, _Memory(), lambda *told: losses.append(told)
    )
    found = saboteur_moves.of_network(GAME, Model(NET, params), bank)
    known = target.any(1)
    before = saboteur_moves.of_network(GAME, EXPERT, bank)
    assert (found == worst)[known].mean() > max(0.6, (before == worst)[known].mean())
    assert losses[0][0] == 1


def test_columns_are_those_of_the_transforms():
    bank = _bank()
    found = saboteur_moves.training_free(bank)
    q = np.where(bank.legal, bank.expert.after, np.inf)
    assert found["value_worst"].tolist() == q.argmin(1).tolist()
    allowed = saboteur_moves.accepted(bank)
    left = np.where(allowed, q, np.inf).argmin(1)
    want = np.where(allowed.any(1), left, -1)
    assert found["plausible_worst"].tolist() == want.tolist()
    for columns in found.values():
        rows = np.flatnonzero(columns >= 0)
        assert bank.legal[rows, columns[rows]].all()


def test_settings_out_of_range_are_one_sentence():
    with pytest.raises(SettingError, match="rounds is 0"):
        SaboteurConfig(rounds=0)
    with pytest.raises(SettingError, match="divergence is 0"):
        SaboteurConfig(divergence=0)
