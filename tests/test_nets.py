"""Networks: shapes, parity, and a convolution that is one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sandwich_jax import games, nets
from sandwich_jax.nets import convolution
from sandwich_jax.types import Heads, SettingError

HEADS = games.make("chess").heads
SHAPE, ACTIONS = HEADS.shape, HEADS.actions
NET = nets.make("tiny", HEADS)
PARAMS = NET.init(jax.random.key(0))
X = jax.random.normal(jax.random.key(1), (150, *SHAPE))


def test_both_forms_of_the_convolution_agree_with_their_gradients():
    keys = jax.random.split(jax.random.key(0), 3)
    x, kernel = jax.random.normal(keys[0], (3, 8, 8, 5)), jax.random.normal(keys[1], (3, 5, 3, 7))
    weight = jax.random.normal(keys[2], (3, 8, 8, 7))

    def xla(x, kernel):
        hwio = kernel.transpose(0, 2, 1, 3)
        layout = ("NHWC", "HWIO", "NHWC")
        return jax.lax.conv_general_dilated(x, hwio, (1, 1), "SAME", dimension_numbers=layout)

    def value_and_gradients(form):
        return jax.value_and_grad(lambda *a: (form(*a) * weight).sum(), (0, 1))(x, kernel)

    expected = value_and_gradients(xla)
    for form in (convolution.taps, convolution.native):
        np.testing.assert_allclose(form(x, kernel), xla(x, kernel), atol=1e-4)
        got = value_and_gradients(form)
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-3), got, expected
        )


def test_a_shape_is_one_network_however_it_is_spelled():
    assert nets.make("tiny", HEADS) == nets.make(nets.SIZES["tiny"], HEADS)
    assert nets.make("tiny", HEADS) != nets.make("nano", HEADS)


def test_sizes():
    counts = {size: nets.make(size, HEADS).num_params for size in nets.SIZES}
    assert 80_000 < counts["tiny"] < 100_000
    assert counts["base"] == pytest.approx(512_000, rel=0.03)
    assert 9e6 < counts["large"] < 11e6
    leaves = jax.tree.leaves(PARAMS)
    assert counts["tiny"] == sum(leaf.size for leaf in leaves)


def test_outputs():
    outputs = jax.jit(NET.apply)(PARAMS, X)
    assert outputs.logits.shape == (150, ACTIONS) and outputs.value.shape == (150,)
    assert (jnp.abs(outputs.value) <= 1).all() and jnp.isfinite(outputs.logits).all()


def test_a_position_is_judged_the_same_alone_and_in_any_batch():
    """Chunks of a large batch, the last one padded, change nothing."""
    whole = jax.jit(NET.apply)(PARAMS, X)
    for i in (0, 63, 64, 149):
        alone = NET.apply(PARAMS, X[i : i + 1])
        np.testing.assert_allclose(whole.logits[i], alone.logits[0], atol=2e-5)
        np.testing.assert_allclose(whole.value[i], alone.value[0], atol=2e-5)


def test_members_under_vmap_and_in_a_scan_agree_with_members_alone():
    members = [NET.init(jax.random.key(i)) for i in range(3)]
    stacked = jax.tree.map(lambda *x: jnp.stack(x), *members)
    x = X[:16]
    together = jax.jit(jax.vmap(NET.apply, in_axes=(0, None)))(stacked, x)
    in_turn = jax.jit(lambda m: jax.lax.map(lambda p: NET.apply(p, x), m))(stacked)
    for i, member in enumerate(members):
        alone = jax.jit(NET.apply)(member, x)
        np.testing.assert_allclose(together.logits[i], alone.logits, atol=2e-5)
        np.testing.assert_array_equal(in_turn.logits[i], alone.logits)


@pytest.mark.parametrize(("shape", "actions"), [((3, 3, 2), 9), ((6, 7, 2), 7), ((8, 8, 2), 65)])
def test_other_boards(shape, actions):
    net = nets.make("tiny", Heads(shape, actions))
    outputs = net.apply(net.init(jax.random.key(0)), jnp.ones((2, *shape)))
    assert outputs.logits.shape == (2, actions)


def test_unknown_size():
    with pytest.raises(SettingError, match=r"'huge'.*nano, mini, tiny, base, large"):
        nets.make("huge", HEADS)


def test_wanted_rows_are_those_of_the_whole_batch():
    """Bit for bit, wherever they stand; tic-tac-toe's heads are quick to compile."""
    heads = games.make("tic_tac_toe").heads
    net = nets.make(nets.NetConfig(4, 1, 2, 1, 4), heads)
    params, features = (
        net.init(jax.random.key(0)),
        jax.random.normal(jax.random.key(1), (150, *heads.shape)),
    )
    find = jax.jit(lambda *x: nets.apply_where(net, *x))
    whole = jax.jit(net.apply)(params, features)
    for share in (0.0, 0.3, 1.0):
        wanted = jax.random.uniform(jax.random.key(4), features.shape[:1]) < share
        found = find(params, features, wanted)
        for one, other in zip(found, whole, strict=True):
            np.testing.assert_array_equal(one[wanted], other[wanted])
