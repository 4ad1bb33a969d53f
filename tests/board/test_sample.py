"""Samplers against the exact distributions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from sandwich_jax import board

from .positions import FENS

DRAWS = 40_000
ROOM = 256
"""Lanes for every legal move of a position, of which there are 218 at most: one program for all."""
POSITIONS = [FENS[0], FENS[1], FENS[3], FENS[7], FENS[-1]]
NO_MOVE_FEN = "7k/5K2/6Q1/8/8/8/8/8 b - - 0 1"

uniform_sampler = jax.jit(board.sample_uniform)
logits_sampler = jax.jit(board.sample_logits)


def many(fen, n):
    state = board.from_fen(fen)
    words = jnp.broadcast_to(state.words, (*state.words.shape[:-1], n))
    return state, words


def mask_of(state):
    return np.asarray(board.expand(state.words))[0]


def assert_fits(labels, probability):
    """Chi-square; moves too rare for it are put together."""
    counts = np.bincount(labels, minlength=board.LABELS)
    assert counts[probability == 0].sum() == 0
    expected = probability * len(labels)
    common = expected >= 10
    got, want = list(counts[common]), list(expected[common])
    if (rest := expected[~common].sum()) > 0:
        got.append(counts[~common].sum())
        want.append(rest)
    assert stats.chisquare(got, np.array(want) * sum(got) / sum(want)).pvalue > 1e-4


@pytest.mark.parametrize("fen", POSITIONS)
def test_uniform_fits(fen):
    state, words = many(fen, DRAWS)
    mask = mask_of(state)
    labels = np.asarray(uniform_sampler(jax.random.uniform(jax.random.key(1), (DRAWS,)), words))
    assert_fits(labels, mask / mask.sum())


@pytest.mark.parametrize("fen", POSITIONS)
def test_uniform_reaches_each_move_at_its_own_interval(fen):
    state, words = many(fen, ROOM)
    n = int(state.count[0])
    u = np.zeros(ROOM, np.float32)
    u[:n] = (np.arange(n) + 0.5) / n
    labels = np.asarray(uniform_sampler(u, words))
    assert sorted(labels[:n]) == list(np.flatnonzero(mask_of(state)))
    counted = board.sample_uniform(jnp.asarray(u), words, jnp.full(ROOM, n, jnp.int32))
    np.testing.assert_array_equal(labels, counted)


@pytest.mark.parametrize("temperature", [1.0, 0.3, 4.0])
@pytest.mark.parametrize("fen", POSITIONS[:3])
def test_logits_fit(fen, temperature):
    state, _ = many(fen, 1)
    mask = mask_of(state)
    logits = 2 * np.asarray(jax.random.normal(jax.random.key(2), (board.LABELS,)), np.float64)
    weight = np.where(mask, np.exp((logits - logits[mask].max()) / temperature), 0)
    n = 4000
    labels = np.concatenate(
        [
            logits_sampler(
                jax.random.uniform(jax.random.key(seed), (n,)),
                jnp.broadcast_to(jnp.float32(logits), (n, board.LABELS)),
                jnp.broadcast_to(mask, (n, board.LABELS)),
                temperature,
            )
            for seed in range(5)
        ]
    )
    assert_fits(labels, weight / weight.sum())


def test_words_do_for_a_mask():
    states = board.from_fen(POSITIONS)
    logits = jax.random.normal(jax.random.key(3), (5, board.LABELS))
    u = jax.random.uniform(jax.random.key(4), (5,))
    from_mask = logits_sampler(u, logits, board.expand(states.words))
    np.testing.assert_array_equal(from_mask, logits_sampler(u, logits, states.words))


def test_greedy_and_extreme_logits():
    mask = np.zeros((6, board.LABELS), bool)
    mask[:, [10, 20, 4671]] = True
    logits = np.zeros((6, board.LABELS), np.float32)
    logits[0, 20] = 1e-3  # the best move, if only just, at temperature 0
    logits[1, :] = 1e30  # illegal moves as likely as can be
    logits[2, [10, 20]] = -np.inf
    logits[3, :] = -np.inf
    logits[4, 4671] = 1e4
    logits[5, 0] = np.inf  # an illegal move
    temperature = np.array([0, 1, 1, 1, 1, 1], np.float32)
    seen = [set() for _ in range(6)]
    for u in (0.0, 0.2, 0.5, 0.8, np.nextafter(np.float32(1), np.float32(0))):
        labels = logits_sampler(jnp.full(6, u, jnp.float32), logits, mask, temperature)
        for i, x in enumerate(np.asarray(labels)):
            seen[i].add(int(x))
    every = {10, 20, 4671}
    assert seen == [{20}, every, {4671}, every, {4671}, every]


def test_no_legal_move():
    state = board.from_fen(NO_MOVE_FEN)
    assert int(state.count[0]) == 0
    for u in (0.0, 0.5, 0.999):
        u = jnp.float32([u])
        assert uniform_sampler(u, state.words).tolist() == [board.NO_MOVE]
        assert logits_sampler(u, jnp.zeros((1, board.LABELS)), state.words).tolist() == [-1]


@pytest.mark.slow
def test_never_an_illegal_move_in_a_million_draws():
    def draw(key):
        k_position, k_logits, k_uniform, k_scale = jax.random.split(key, 4)

        def body(state, key):
            action = board.sample_uniform(jax.random.uniform(key, (512,)), state.words)
            return board.reset(*(lambda s: (s, s.reason > 0))(board.step(state, action))), None

        state = jax.lax.scan(body, board.init(512), jax.random.split(k_position, 40))[0]
        mask = board.expand(state.words)
        scale = jnp.exp(jax.random.uniform(k_scale, (512, 1), minval=-3, maxval=7))
        logits = scale * jax.random.normal(k_logits, (512, board.LABELS))
        u = jax.random.uniform(k_uniform, (2, 512))
        lanes = jnp.arange(512)
        labels = board.sample_uniform(u[0], state.words), board.sample_logits(u[1], logits, mask)
        return sum((~mask[lanes, x] | (x < 0)).sum() for x in labels)

    run = jax.jit(draw)
    keys = jax.random.split(jax.random.key(6), 1000)  # 2 x 512 draws each
    assert sum(int(run(key)) for key in keys) == 0
