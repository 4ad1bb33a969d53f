"""Forms of the same computation: what they say is the same, on whatever machine they are fast."""

import dataclasses
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sandwich_jax import board, finetune, forms, games, nets, objectives
from sandwich_jax.board.legal import legal
from sandwich_jax.members import Config, knobs_of
from sandwich_jax.misalign import assistant
from sandwich_jax.models import Model, Models
from sandwich_jax.nets import convolution
from sandwich_jax.oversight import protocols
from sandwich_jax.selfplay import SelfPlayConfig, Sides, Table, selfplay

GPU = dataclasses.replace(forms.GPU, half_precision=False)
"""In float32, so that differences are those of the order of sums alone."""
GAME = games.make("tic_tac_toe")
NET = nets.make(nets.NetConfig(width=8, blocks=1, squeeze=4), GAME.heads)
WEAK, EXPERT = (Model(NET, NET.init(jax.random.key(i))) for i in (1, 2))
KNOBS = knobs_of(Config(), None, 0.5)
CONFIG = SelfPlayConfig(games=24, lanes=8, max_plies=8, every=2)


def _play(key, weak, p):
    made = assistant.make(GAME, assistant.AssistantConfig())
    table = Table(GAME, made, protocols.make("always_follow"))
    knobs = KNOBS | {"p": p}
    starts = GAME.init(12)
    sides = Sides(weak, Models(EXPERT, weak), knobs, (), jax.random.key(9))
    return selfplay(key, table, sides, starts, jnp.arange(12), CONFIG)


def _same(a, b):
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        if x.dtype == jnp.float32:
            np.testing.assert_allclose(x, y, atol=1e-5)
        else:
            np.testing.assert_array_equal(x, y)


def test_self_play_gives_the_same_games_in_the_forms_of_a_gpu():
    args = jax.random.key(3), WEAK, jnp.float32(0.4)
    ours = jax.jit(_play)(*args)
    with forms.using(GPU):
        theirs = jax.jit(_play)(*args)
    assert (ours[0].moves >= 0).any() and ours[1].corrupted.any()
    _same(ours, theirs)


def test_members_that_end_at_different_times_play_what_they_play_alone():
    """One flag for the whole loop: plies after a member's last change nothing of it."""
    keys = jax.random.split(jax.random.key(5), 3)
    weak = jax.tree.map(lambda a, b: jnp.stack([a, b, a]), WEAK, EXPERT)
    strengths = jnp.asarray([0.0, 1.0, 0.5])
    with forms.using(GPU):
        together = jax.jit(jax.vmap(_play))(keys, weak, strengths)
        alone = jax.jit(_play)
        for i in range(3):
            one = jax.tree.map(lambda x, i=i: x[i], (weak, strengths))
            _same(alone(keys[i], *one), jax.tree.map(lambda x, i=i: x[i], together))


@pytest.mark.parametrize("size", [3, 1])
@pytest.mark.parametrize("own", [True, False])
def test_networks_and_gradients_mapped_over_members(size, own):
    """Kernels of one's own, one network for all, and a group of one: as one by one."""
    x = jax.random.normal(jax.random.key(0), (size, 4, *GAME.feature_shape))
    many = [NET.init(jax.random.key(i)) for i in range(size)]
    params = jax.tree.map(lambda *p: jnp.stack(p), *many) if own else WEAK.params

    def loss(params, x):
        outputs = NET.apply(params, x)
        return (outputs.logits**2).sum() + outputs.value.sum(), outputs

    def of(params, x):
        return jax.grad(loss, has_aux=True)(params, x)

    expected = [jax.jit(of)(many[i] if own else WEAK.params, x[i]) for i in range(size)]
    with forms.using(GPU):
        found = jax.jit(jax.vmap(of, (0 if own else None, 0)))(params, x)
    for i, one in enumerate(expected):
        for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(found), strict=True):
            np.testing.assert_allclose(a, b[i], atol=2e-4)


def test_both_convolutions_are_one():
    x = jax.random.normal(jax.random.key(0), (5, 8, 8, 6))
    kernel = jax.random.normal(jax.random.key(1), (3, 6, 3, 7))
    np.testing.assert_allclose(
        convolution.taps(x, kernel), convolution.native(x, kernel), atol=1e-4
    )


@pytest.mark.parametrize(
    ("machine", "batch", "mapped", "gradient", "form"),
    [
        (forms.CPU, 64, False, False, "native"),
        (forms.CPU, 64, False, True, "taps"),
        (forms.GPU, 512, False, False, "taps"),
        (forms.GPU, 1024, False, False, "native"),
        (forms.GPU, 4096, False, True, "native"),
        (forms.GPU, 4096, True, True, "taps"),
        (forms.TPU, 64, False, True, "native"),
        (forms.TPU, 64, True, False, "taps"),
    ],
)
def test_the_table_of_convolutions(machine, batch, mapped, gradient, form):
    assert forms.convolution(machine, batch, mapped, gradient) == form


def _window(samples):
    positions = jax.random.normal(jax.random.key(0), (samples, *GAME.feature_shape)) > 0
    ones = jnp.ones(samples)
    moves = jnp.arange(samples, dtype=jnp.int16) % 9
    like = objectives.empty_window(GAME, samples)
    return like._replace(
        positions=positions.astype(like.positions.dtype).reshape(like.positions.shape),
        moves=moves,
        policy_weight=ones,
        value_target=jnp.sin(jnp.arange(samples)),
        value_weight=ones,
    )


def _tuned(batch, members=1):
    """Two updates, by members of different learning rates."""
    trainer = finetune.make_trainer(GAME, NET, piece=finetune.piece_of(NET, batch, members))
    window, rates = _window(64), jnp.asarray([1e-3, 3e-3])[:members]

    def one(key, rate):
        return finetune.finetune(key, trainer, trainer.init(WEAK.params), window, rate, 2, batch)

    keys = jax.random.split(jax.random.key(7), members)
    if members == 1:
        return jax.jit(one)(keys[0], rates[0])
    return jax.jit(jax.vmap(one))(keys, rates)


def test_one_vector_of_parameters_gives_the_update_of_many_leaves():
    ours = _tuned(32)
    with forms.using(GPU):
        theirs = _tuned(32)
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    # Adam's steps go by the signs of tiny gradients; its moments are the gradients themselves.
    _same(ours[0].optimizer, theirs[0].optimizer)
    _same(ours[1], theirs[1])
    for a, b in zip(*(jax.tree.leaves(x[0].params) for x in (ours, theirs)), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)  # two steps of up to 1e-3 each


def test_large_updates_of_members_are_made_in_turn():
    batch = forms.LARGE + 1
    assert forms.in_turn(GPU, batch) and not forms.in_turn(GPU, forms.LARGE)
    assert not forms.in_turn(forms.CPU, batch)
    with forms.using(GPU):
        theirs = _tuned(batch, members=2)
    assert theirs[0].step.tolist() == [2, 2]
    # Adam's steps go by the signs of tiny gradients; its moments are the gradients themselves.
    _same(_tuned(batch, members=2)[0].optimizer, theirs[0].optimizer)


def test_pieces_of_gradients_hold_what_memory_holds():
    base = nets.SIZES["base"]
    net = NET._replace(config=base)
    assert finetune.piece_of(net, 4096) is None  # a CPU goes by its cache
    with forms.using(GPU):
        assert finetune.piece_of(net, 4096) == 4096
        assert finetune.piece_of(net, 64, members=16) == 64
        assert finetune.piece_of(net, 512, members=64) == 256
        assert finetune.piece_of(net, 500, members=64) == 250
        assert finetune.piece_of(net, 1024, members=64) == 1024  # in turn
        large = NET._replace(config=nets.SIZES["large"])
        assert finetune.piece_of(large, 4096) == 2048


@pytest.mark.slow
def test_boards_of_a_whole_page_need_no_spare_lanes():
    state = board.init(1024)
    fields = state.board, state.castling, state.en_passant
    with forms.using(dataclasses.replace(forms.CPU, spare_lanes=False)):
        words = jax.jit(legal)(*fields).words
    np.testing.assert_array_equal(words, state.words)


@pytest.mark.parametrize("given", ["", "--xla_cpu_enable_fast_math=false"])
def test_loops_are_captured_where_there_is_a_cuda_plugin(given, tmp_path):
    (tmp_path / "jax_plugins" / "xla_cuda99").mkdir(parents=True)
    (tmp_path / "jax_plugins" / "xla_cuda99" / "__init__.py").touch()
    code = (
        "import os; from sandwich_jax import forms; forms.capture_loops();"
        " forms.capture_loops(); print(os.environ.get('XLA_FLAGS', ''))"
    )

    def flags(path):
        env = os.environ | {"PYTHONPATH": os.pathsep.join(path), "XLA_FLAGS": given}
        done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
        return done.stdout.strip()

    here = os.getcwd()
    assert flags([here]) == given
    assert flags([here, str(tmp_path)]) == f"{given} --xla_gpu_enable_command_buffer=+WHILE".strip()
