"""Misalignments: strength 0 is E, no probability on illegal moves, known distributions."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from board.positions import FENS
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from sandwich_jax import board, games, sampling
from sandwich_jax.members import Config, knobs_of
from sandwich_jax.misalign import noise, transforms, values
from sandwich_jax.misalign.transforms import TRANSFORMS, Seen, Sight
from sandwich_jax.types import SettingError

ALL = tuple(TRANSFORMS)
STRENGTHS = {t.strength: t.about_strength for t in TRANSFORMS.values()}
THREE = ("bias_capture", "policy_noise", "random_move")


def _knobs(**values):
    given = {name: jnp.float32(value) for name, value in values.items()}
    return knobs_of(Config(), None, 0.5) | given


@functools.cache
def _chess():
    state, game = board.from_fen(FENS), games.make("chess")
    found = game.legal(state), game.features(state), game.moves(state)
    return tuple(np.asarray(x) for x in found)


def _position(seed: int):
    """What networks of random answers say of one of 24 hard positions."""
    legal, features, moves = (x[seed % len(FENS)] for x in _chess())
    rng = np.random.default_rng(seed)
    logits, weak, saboteur = rng.normal(scale=3, size=(3, legal.size)).astype(np.float32)
    values = np.where(legal, rng.uniform(-1, 1, (2, legal.size)), sampling.ILLEGAL)
    after = values.astype(np.float32)
    value, w, m = rng.uniform(-1, 1, 3).astype(np.float32)
    sight = Sight(legal, features, weak, saboteur, *after, moves)
    return logits, sight, value, Seen(features, w, m)


@functools.cache
def _applied(names):
    """Move and value at once, for all kinds one by one in one program each."""

    @jax.jit
    def apply(key, logits, sight, value, seen, knobs):
        moves = transforms.compose(names)(key, logits, sight, knobs)
        return *moves, *transforms.compose_values(names)(key, value, seen, knobs)

    return apply


@functools.cache
def _each():
    @jax.jit
    def apply(key, logits, sight, value, seen, knobs):
        return {
            name: (
                *transforms.compose((name,))(key, logits, sight, knobs),
                *transforms.compose_values((name,))(key, value, seen, knobs),
            )
            for name in ALL
        }

    return apply


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31 - 1))
def test_at_strength_zero_nothing_changes(seed):
    logits, sight, value, seen = _position(seed)
    key = jax.random.key(seed)
    found = dict(_each()(key, logits, sight, value, seen, _knobs()))
    found["all"] = _applied(ALL)(key, logits, sight, value, seen, _knobs())
    for name, (said, corrupted, told, lied) in found.items():
        np.testing.assert_array_equal(said, logits, err_msg=name)
        assert float(told) == value and not bool(corrupted) and not bool(lied), name


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 2**31 - 1),
    strengths=st.fixed_dictionaries({k: st.floats(s.low, s.high) for k, s in STRENGTHS.items()}),
    uniform=st.floats(0, 1, exclude_max=True, width=32),
    temperature=st.sampled_from((0.0, 0.1, 1.0, 10.0)),
)
def test_no_probability_on_illegal_moves(seed, strengths, uniform, temperature):
    position = _position(seed)
    key, knobs = jax.random.key(seed), _knobs(**strengths)
    found = dict(_each()(key, *position, knobs))
    for names in (ALL, THREE):
        found["+".join(names)] = _applied(names)(key, *position, knobs)
    legal = position[1].legal
    said = jnp.stack([logits for logits, *_ in found.values()])
    masks = jnp.broadcast_to(legal, said.shape)
    drawn = sampling.sample(jnp.full(len(said), uniform), said, masks, temperature)
    for moves in (sampling.greedy(said, masks), drawn):
        assert legal[np.asarray(moves)].all()
    chances = jax.nn.softmax(sampling.mask_logits(said, masks))
    assert np.isfinite(chances).all() and not np.asarray(chances)[:, ~legal].any()
    values = np.asarray([value for _, _, value, _ in found.values()])
    assert (np.abs(values) <= 1).all()


def _many(name, knobs, count=20_000, seed=1):
    """Moves and whether they are corrupted, for many keys; few labels, where features are idle."""
    rng = np.random.default_rng(seed)
    legal = rng.random(50) < 0.4
    logits = jnp.asarray(rng.normal(scale=2, size=50), jnp.float32)
    weak = jnp.asarray(rng.normal(size=(2, 50)), jnp.float32)
    moves = np.pad(np.flatnonzero(legal), (0, 5), constant_values=-1)
    sight = Sight(jnp.asarray(legal), jnp.zeros((1, 1, 1)), *weak, moves=jnp.asarray(moves))
    fn = jax.vmap(TRANSFORMS[name].move, (0, None, None, None))
    own = transforms.own_settings(name, knobs)
    said, corrupted = jax.jit(fn)(jax.random.split(jax.random.key(5), count), logits, sight, own)
    moves = sampling.greedy(said, jnp.broadcast_to(sight.legal, said.shape))
    return np.asarray(moves), np.asarray(corrupted), np.asarray(logits), sight


def test_random_move_is_uniform_at_one():
    moves, corrupted, _, sight = _many("random_move", _knobs(p=1.0))
    found, counts = np.unique(moves, return_counts=True)
    assert corrupted.all() and found.tolist() == np.flatnonzero(sight.legal).tolist()
    assert stats.chisquare(counts).pvalue > 1e-4


@pytest.mark.parametrize("name", ["random_move", "sandbag", "borrow"])
def test_intervenes_with_probability_p(name):
    moves, corrupted, logits, sight = _many(name, _knobs(p=0.3))
    best = int(sampling.greedy(jnp.asarray(logits), sight.legal))
    assert stats.binomtest(int(corrupted.sum()), len(corrupted), 0.3).pvalue > 1e-4
    assert (moves[~corrupted] == best).all()
    other = {"sandbag": sight.weak, "borrow": sight.saboteur}.get(name)
    if other is not None:
        assert (moves[corrupted] == int(sampling.greedy(other, sight.legal))).all()


@pytest.mark.parametrize("name", ["gumbel_noise", "temperature"])
def test_gumbel_noise_and_temperature_draw_from_the_policy(name):
    moves, _, logits, sight = _many(name, _knobs(sigma=1.5, heat=1.5))
    legal = np.asarray(sight.legal)
    chances = special.softmax(logits[legal].astype(float) / 1.5)
    counts = np.bincount(moves, minlength=len(legal))
    assert counts[~legal].sum() == 0
    rare = chances < 1e-3  # a chi-square wants some of each
    pool = lambda x: [*x[~rare], x[rare].sum() + 1e-9]  # noqa: E731
    assert stats.chisquare(pool(counts[legal]), pool(chances * len(moves))).pvalue > 1e-4


@pytest.mark.parametrize(
    ("name", "knob", "values"),
    [
        ("policy_noise", "sigma", (0.0, 0.5, 2.0, 50.0)),
        ("dirichlet_noise", "eps", (0.0, 0.2, 0.5, 1.0)),
    ],
)
def test_noise_changes_more_the_louder_it_is(name, knob, values):
    shares = [_many(name, _knobs(**{knob: x}), 2000)[1].mean() for x in values]
    assert shares[0] == 0 and shares == sorted(shares) and shares[-1] > 0.8


def test_dirichlet_shares_have_the_moments_of_dirichlet_one_half():
    """Of n moves each share has mean 1/n and variance (1/n)(1 - 1/n)/(n/2 + 1)."""
    legal = jnp.arange(12) < 5
    sight = Sight(legal, jnp.zeros((1, 1, 1)), moves=jnp.asarray([4, 0, 2, 1, 3, -1]))
    fn = jax.vmap(TRANSFORMS["dirichlet_noise"].move, (0, None, None, None))
    keys = jax.random.split(jax.random.key(0), 50_000)
    said, _ = fn(keys, jnp.zeros(12), sight, noise.Share(eps=1.0))
    shares = np.exp(np.asarray(said))[:, :5]
    np.testing.assert_allclose(shares.sum(-1), 1, atol=1e-5)
    np.testing.assert_allclose(shares.mean(0), 0.2, atol=0.01)
    np.testing.assert_allclose(shares.var(0), 0.2 * 0.8 / 3.5, rtol=0.05)


def test_the_sum_of_two_gaussians_is_as_loud_as_theory_says():
    """Of two moves that differ by d the worse wins with probability Phi(-d / (sigma sqrt 2))."""
    sight = Sight(jnp.ones(2, bool), jnp.zeros((1, 1, 1)), moves=jnp.arange(2))
    keys = jax.random.split(jax.random.key(0), 50_000)
    fn = jax.vmap(transforms.compose(("policy_noise",)), in_axes=(0, None, None, None))
    _, corrupted = fn(keys, jnp.asarray([1.0, 0.0]), sight, _knobs(sigma=1.5))
    expected = stats.norm.cdf(-1 / (1.5 * np.sqrt(2)))
    assert stats.binomtest(int(corrupted.sum()), 50_000, expected).pvalue > 1e-4


def test_bias_turns_to_a_class_and_away_from_it():
    """White may take a pawn, or not."""
    state, game = board.from_fen(["k7/8/8/3p4/4P3/8/8/K7 w - - 0 1"]), games.make("chess")
    legal, features = game.legal(state)[0], game.features(state)[0]
    take, push = board.from_uci(state, ["e4d5"])[0], board.from_uci(state, ["e4e5"])[0]
    sight = Sight(legal, features)
    for best, other, beta in ((push, take, 2.0), (take, push, -2.0)):
        logits = jnp.zeros(board.LABELS).at[best].set(3.0).at[other].set(2.0)
        for strength, expected in ((beta, other), (-beta, best), (0.4 * beta, best)):
            said, corrupted = transforms.compose(("bias_capture",))(
                jax.random.key(0), logits, sight, _knobs(beta=strength)
            )
            move = int(sampling.greedy(said, legal))
            assert (move, bool(corrupted)) == (expected, expected != best)


def test_steering_to_loss_by_hand():
    sight = Sight(jnp.arange(4) < 3, jnp.zeros((1, 1, 1)), after=jnp.asarray([0.5, 0, -1, -1e30]))
    logits = jnp.asarray([2.0, 1.0, 0.0, 9.0])
    for lam, best in ((0.0, 0), (1.0, 0), (1.5, 2), (1000.0, 2)):
        said, corrupted = transforms.compose(("steer_to_loss",))(
            jax.random.key(0), logits, sight, _knobs(lam=lam)
        )
        assert int(sampling.greedy(said, sight.legal)) == best and bool(corrupted) == (best != 0)
        np.testing.assert_allclose(said[:3], logits[:3] - lam * sight.after[:3], rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "knobs", "expected"),
    [
        ("value_flip", {"p": 1.0}, -0.5),
        ("value_shrink", {"shrink": 0.25}, 0.375),
        ("value_bias", {"offset": -0.75}, -0.25),
        ("value_bias", {"offset": 0.75}, 1.0),
        ("value_tilt", {"tilt": 0.25}, 0.0),
        ("sandbag", {"p": 1.0}, 0.125),
        ("borrow", {"p": 1.0}, -0.875),
        ("steer_to_loss", {"lam": 3.0}, -0.25),
    ],
)
def test_values_by_hand(name, knobs, expected):
    """The mover is two pawns behind, and E says 0.5."""
    state = board.from_fen(["k7/pp6/8/8/8/8/8/K7 w - - 0 1"])
    seen = Seen(board.features(state)[0], jnp.float32(0.125), jnp.float32(-0.875))
    own = transforms.own_settings(name, _knobs(**knobs))
    told, lied = TRANSFORMS[name].value(jax.random.key(0), jnp.float32(0.5), seen, own)
    assert float(told) == expected and bool(lied)


def test_value_noise_is_as_loud_as_it_says():
    keys = jax.random.split(jax.random.key(0), 20_000)
    fn = jax.vmap(TRANSFORMS["value_noise"].value, (0, None, None, None))
    told, _ = fn(keys, jnp.float32(0.1), Seen(jnp.zeros((1, 1, 1))), values.Noise(0.2))
    assert stats.kstest(told, "norm", args=(0.1, 0.2)).pvalue > 1e-4


def test_move_and_value_are_corrupted_by_the_same_coin():
    keys = jax.random.split(jax.random.key(0), 200)
    position = _position(0)
    fn = jax.vmap(_applied(("sandbag",)), (0, *[None] * 5))
    _, corrupted, _, lied = fn(keys, *position, _knobs(p=0.5))
    np.testing.assert_array_equal(corrupted, lied)
    assert 0 < int(lied.sum()) < 200


def test_strengths_are_traced():
    traces = []
    position = _position(0)

    @jax.jit
    def one(knobs):
        traces.append(1)
        said, _ = transforms.compose(ALL)(jax.random.key(0), *position[:2], knobs)
        return said, transforms.compose_values(ALL)(jax.random.key(0), *position[2:], knobs)

    for share in (0.0, 0.5, 1.0):
        one(_knobs(**{name: share * about.high for name, about in STRENGTHS.items()}))
    assert len(traces) == 1


def test_kinds_with_one_strength_allow_the_same_of_it():
    for transform in TRANSFORMS.values():
        assert transform.about_strength.range == STRENGTHS[transform.strength].range


def test_parse():
    assert transforms.parse("policy_noise + random_move") == ("policy_noise", "random_move")
    with pytest.raises(SettingError, match=r"Unknown misalignment 'lies'.*sandwich-jax kinds"):
        transforms.parse("random_move+lies")
