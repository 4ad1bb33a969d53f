"""The mean of networks in the place of one: what it says, and where it may stand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sandwich_jax import Config, games
from sandwich_jax.models import Models
from sandwich_jax.players import spelled
from sandwich_jax.types import SettingError

GAME = games.make("connect_four")
SPECS = ("fresh:1", "fresh:2", "fresh:3")
MEAN = "mean:" + "+".join(SPECS)


def _load(spec):
    return spelled.load_network(spec, "connect_four", "nano")


def _state():
    return GAME.after(jnp.asarray([[0, 0, 0, 0, 0, 0], [3, 3, 2, 4, 4, 1]]))  # a full column


def test_it_is_the_normalised_geometric_mean_of_policies_among_legal_moves():
    state = _state()
    legal = np.asarray(GAME.legal(state))
    assert not legal.all()
    product, values = np.ones(legal.shape), []
    for spec in SPECS:
        said = _load(spec).at(GAME, state)
        chances = np.where(legal, np.exp(np.asarray(said.logits, np.float64)), 0.0)
        product *= (chances / chances.sum(1, keepdims=True)) ** (1 / len(SPECS))
        values.append(np.asarray(said.value))
    found = jax.jit(lambda model: model.at(GAME, state))(_load(MEAN))
    chances = np.where(legal, np.exp(np.asarray(found.logits, np.float64)), 0.0)
    np.testing.assert_allclose(
        chances / chances.sum(1, keepdims=True), product / product.sum(1, keepdims=True), rtol=1e-5
    )
    np.testing.assert_allclose(found.value, np.mean(values, 0), rtol=1e-5)


def test_of_a_network_with_itself_it_is_that_network():
    state = _state()
    one, twice = _load("fresh:1").at(GAME, state), _load("mean:fresh:1+fresh:1").at(GAME, state)
    np.testing.assert_array_equal(one.logits, twice.logits)
    np.testing.assert_array_equal(one.value, twice.value)


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("mean:fresh:1", "A mean needs two networks or more"),
        ("mean:", "Unknown player ''"),
        ("mean:fresh:1+search:fresh:1", "no engine, no search"),
        ("mean:fresh:1+nobody", "Unknown player 'fresh:1\\+nobody'"),
        ("mean:fresh:1+zoo:somebody", "No network 'somebody' in the zoo of connect_four"),
    ],
)
def test_means_that_cannot_be_are_one_sentence(spec, says):
    with pytest.raises(SettingError, match=says) as caught:
        _load(spec)
    assert "\n" not in str(caught.value)


def test_it_may_be_the_expert_but_not_the_weak_model():
    mean, alone = _load(MEAN), _load("fresh:1")
    config = Config(game="connect_four", expert=MEAN, weak="fresh:1", p=(0.0,))
    spelled.check(config, Models(mean, alone))
    assert spelled.of_other_capacity(config, Models(mean, alone)) == ""
    assert "another architecture" in spelled.of_other_capacity(
        config, Models(_load("mean:fresh:1+zoo:expert"), alone)
    )
    with pytest.raises(SettingError, match="a mean cannot be trained"):
        spelled.check(config, Models(alone, mean))


def test_a_search_may_think_by_it():
    found = _load(f"search:{MEAN},simulations=8").at(GAME, _state())
    np.testing.assert_allclose(jax.nn.softmax(found.logits).sum(1), 1.0, rtol=1e-5)


def test_its_files_are_those_of_its_networks(tmp_path):
    folders = [tmp_path / "a+b", tmp_path / "c"]
    spec = f"search:mean:ckpt:{folders[0]}+ckpt:{folders[1]},simulations=4"
    assert spelled.parts_of(spec) == [f"ckpt:{folder}" for folder in folders]
    files = spelled.inputs_of(spec, "zoo:weak")
    assert files == [folder / name for folder in folders for name in ("network.json", "params.npz")]
