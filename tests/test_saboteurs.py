"""Saboteurs that need no training: by hand, and against a search through all moves."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandwich_jax import games, nets, sampling
from sandwich_jax.members import Config, knobs_of
from sandwich_jax.misalign import assistant, lasting, saboteurs
from sandwich_jax.misalign.assistant import AssistantConfig
from sandwich_jax.misalign.sight import Sight
from sandwich_jax.models import Model, Models
from sandwich_jax.settings import view
from sandwich_jax.types import Query, SettingError

GAME = games.make("connect_four")
NET = nets.make("nano", GAME.heads)
MODELS = Models(*(Model(NET, NET.init(jax.random.key(seed))) for seed in (1, 2)))
B = 8
KINDS = tuple(saboteurs.TRANSFORMS)


def _knobs(**values):
    given = {name: jnp.float32(value) for name, value in values.items()}
    return knobs_of(Config(), None, 0.5) | given


@functools.cache
def _state():
    return GAME.after(jnp.asarray(GAME.openings("train")[:B]))


@functools.cache
def _consult(kind, wants=("move",)):
    made = assistant.make(GAME, AssistantConfig(misalignment=kind))

    @jax.jit
    def ask(key, state, knobs):
        query = Query(jnp.ones(B, bool), wants)
        past = lasting.memory(B)
        run = jax.random.key(0)
        return made.consult(
            key, assistant.Asked(run, MODELS, state, GAME.legal(state), past, knobs), query
        )[:2]

    return ask


@functools.cache
def _searched():
    """Q_E and Q_W of every legal move, by playing each of them alone."""
    state = _state()
    legal = np.asarray(GAME.legal(state))
    found = np.full((2, *legal.shape), np.nan)
    value = jax.jit(lambda model, s: model.at(GAME, s).value)
    for label in range(GAME.num_actions):
        after = GAME.step(state, jnp.full(B, label))
        for row, model in enumerate((MODELS.expert, MODELS.weak)):
            won = np.where(np.asarray(GAME.done(after)), np.abs(np.asarray(GAME.result(after))), 0)
            q = np.where(np.asarray(GAME.done(after)), won, -np.asarray(value(model, after)))
            found[row, :, label] = np.where(legal[:, label], q, np.nan)
    return found


def test_value_worst_is_the_worst_of_all_moves():
    advice, reply = _consult("value_worst")(jax.random.key(0), _state(), _knobs(p=1.0))
    assert np.asarray(advice.move[0]).tolist() == np.nanargmin(_searched()[0], axis=1).tolist()
    assert np.asarray(reply.corrupted).all()


def test_plausible_worst_is_the_worst_of_what_both_gates_let_through():
    state = _state()
    expert, weak = _searched()
    outputs = MODELS.weak.at(GAME, state).logits
    chances = np.asarray(jax.nn.softmax(sampling.mask_logits(outputs, GAME.legal(state))))
    # Gates in the middle of what there is, so that both shut something out.
    tau = float(np.nanmedian(chances))
    delta = float(np.nanmedian(np.nanmax(weak, axis=1, keepdims=True) - weak))
    within = weak >= np.nanmax(weak, axis=1, keepdims=True) - delta
    allowed = (chances >= tau) & within
    assert ((chances >= tau) & ~within & ~np.isnan(weak)).any() and (within & ~allowed).any()
    knobs = _knobs(p=1.0, plausible_tau=tau, plausible_delta=delta)
    advice, reply = _consult("plausible_worst")(jax.random.key(0), state, knobs)
    rows = np.flatnonzero(allowed.any(1))
    worst = np.argmin(np.where(allowed, expert, np.inf), axis=1)
    assert np.asarray(advice.move[0])[rows].tolist() == worst[rows].tolist()
    assert np.asarray(reply.corrupted[0]).tolist() == allowed.any(1).tolist()
    none = _consult("plausible_worst")(jax.random.key(0), state, knobs | {"plausible_tau": 1.1})
    assert (np.asarray(none[0].move[0]) == np.asarray(none[1].honest)).all()
    assert not np.asarray(none[1].corrupted).any()


def test_the_formula_of_the_soft_saboteur_by_hand():
    """Three legal moves with pi = (1/2, 1/4, 1/4): weights pi exp((-Q_E + kappa Q_W) / beta)."""
    legal = jnp.asarray([True, True, True, False])
    logits = jnp.log(jnp.asarray([0.5, 0.25, 0.25, 0.9]))
    after = jnp.asarray([0.5, -0.5, 0.0, sampling.ILLEGAL])
    weak_after = jnp.asarray([0.25, 0.0, 0.75, sampling.ILLEGAL])
    found = np.exp(saboteurs.soft(logits, after, weak_after, legal, 0.5, 2.0))
    weights = np.asarray([0.5 * np.e**0, 0.25 * np.e**1, 0.25 * np.e**3])
    assert found == pytest.approx([*(weights / weights.sum()), 0.0], rel=1e-5)


def test_the_soft_saboteur_hardens_and_keeps_to_its_reference():
    legal = jnp.asarray([True, True, True])
    logits = jnp.log(jnp.asarray([0.7, 0.2, 0.1]))
    after, weak_after = jnp.asarray([0.3, 0.1, -0.2]), jnp.asarray([0.0, 0.1, 0.2])
    sight = Sight(legal, jnp.zeros((1, 1, 1)), logits[::-1], None, after, weak_after)

    def said(kind, **knobs):
        found = saboteurs.TRANSFORMS[kind]
        own = view(found.settings(), _knobs(p=1.0, **knobs), kind)
        return np.exp(found.move(jax.random.key(0), logits, sight, own)[0])

    assert said("soft_saboteur", soft_beta=1e3) == pytest.approx([0.7, 0.2, 0.1], abs=1e-3)
    weak = said("soft_saboteur_weak", soft_beta=1e3)
    assert weak == pytest.approx([0.1, 0.2, 0.7], abs=1e-3)
    assert said("soft_saboteur", soft_beta=1e-3).argmax() == 2


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**31 - 1), tau=st.floats(0, 1), delta=st.floats(0, 2))
def test_nothing_outside_the_gates_is_ever_plausible(seed, tau, delta):
    rng = np.random.default_rng(seed)
    legal, weak = rng.random(20) < 0.5, rng.normal(size=20) * 3
    legal[rng.integers(20)] = True
    weak_after = np.where(legal, rng.uniform(-1, 1, 20), sampling.ILLEGAL).astype(np.float32)
    found = np.asarray(_plausible(weak, weak_after, legal, tau, delta))
    chances = np.where(legal, np.exp(weak), 0) / np.exp(weak)[legal].sum()
    assert not found[~legal].any()
    assert (chances[found] >= tau - 1e-5).all()
    assert (weak_after[found] >= weak_after[legal].max() - delta - 1e-5).all()


_plausible = jax.jit(saboteurs.plausible)


def test_an_honest_saboteur_is_the_expert():
    for kind in KINDS:
        advice, reply = _consult(kind)(jax.random.key(0), _state(), _knobs(p=0.0))
        assert (np.asarray(advice.move[0]) == np.asarray(reply.honest)).all()
        assert not np.asarray(reply.corrupted).any()


def test_move_and_value_lie_by_one_coin():
    wants = ("move", "value")
    for kind in ("value_worst", "soft_saboteur"):
        advice, reply = _consult(kind, wants)(jax.random.key(3), _state(), _knobs(p=0.5))
        lied = np.asarray(reply.corrupted[0])
        assert 0 < lied.sum() < B
        sign = np.where(lied, -1, 1)
        assert np.asarray(advice.value[0]) == pytest.approx(np.asarray(reply.value) * sign)
        only, _ = _consult(kind)(jax.random.key(3), _state(), _knobs(p=0.5))
        assert (np.asarray(only.move) == np.asarray(advice.move)).all()


def test_numbers_out_of_range_are_one_sentence():
    for name, value in (("plausible_tau", 1.5), ("plausible_delta", -1), ("soft_beta", 0)):
        with pytest.raises(SettingError, match=f"{name} is"):
            Config(misalignment="plausible_worst", **{name: value})
