"""Matches: pairing, adjudication, and known outcomes."""

import functools

import chess
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from sandwich_jax import arena, games, nets, play
from sandwich_jax.members import Config, knobs_of
from sandwich_jax.misalign import assistant
from sandwich_jax.misalign.transforms import TRANSFORMS
from sandwich_jax.models import Model, Models
from sandwich_jax.training.corpus import label_of


def _knobs(**values):
    base = {"p": 0.0, "sigma": 0.0, "temperature": 0.0, "learning_rate": 0.0}
    return {name: jnp.float32(value) for name, value in (base | values).items()}


LANES = arena.ArenaConfig(lanes=8)


@functools.cache
def _connect_four():
    game = games.make("connect_four")
    net = nets.make("nano", game.heads)
    policy = arena.network_policy(game)
    match = jax.jit(arena.make_match(game, policy, policy, LANES))
    starts = game.after(jnp.asarray(game.openings("arena")[:12]))
    return game, lambda seed: Model(net, net.init(jax.random.key(seed))), match, starts


def test_a_player_scores_half_against_itself_opening_by_opening():
    _, fresh, match, starts = _connect_four()
    player = (fresh(0), _knobs())
    scores = match(jax.random.key(1), player, player, starts, jnp.int32(12))
    np.testing.assert_allclose(np.asarray(scores.points).sum(axis=1), 1.0)
    np.testing.assert_array_equal(scores.moves[:, :, 0], scores.moves[:, :, 1])


def test_at_p_zero_the_assistant_is_e_at_p_one_a_random_mover():
    game, fresh, match, starts = _connect_four()
    expert, other = fresh(0), fresh(5)
    rival = (other, _knobs(temperature=0.5))
    key, n = jax.random.key(1), jnp.int32(12)
    made = assistant.make(game, assistant.AssistantConfig("random_move"))
    sides = arena.assistant_player(game, made), arena.network_policy(game)
    masked = jax.jit(arena.make_match(game, *sides, LANES))

    def corrupt(params, p, temperature):
        run = jax.random.key_data(jax.random.key(0))
        knobs = _knobs(p=p, temperature=temperature) | {"nth": jnp.float32(1)}
        player = arena.Masked(Models(params, other), knobs, run)
        return masked(key, player, rival, starts, n)

    honest = match(key, (expert, _knobs(temperature=0.5)), rival, starts, n)
    np.testing.assert_array_equal(honest.moves, corrupt(expert, 0.0, 0.5).moves)
    np.testing.assert_array_equal(corrupt(expert, 1.0, 0.0).moves, corrupt(other, 1.0, 0.0).moves)


def test_at_p_one_the_assistant_plays_like_a_random_mover():
    """Uniformly, at the first moves of many games: no column is full by then."""
    game, fresh, _, _ = _connect_four()
    other, count = fresh(5), 240
    made = assistant.make(game, assistant.AssistantConfig("random_move"))
    rival = arena.network_policy(game)
    starts = game.after(jnp.asarray(game.openings("arena")[:1])[jnp.zeros(count, int)])
    knobs = _knobs(p=1.0) | {"nth": jnp.float32(1)}
    masked = arena.Masked(Models(other, other), knobs, jax.random.key_data(jax.random.key(0)))
    counts = []
    sides = (arena.assistant_player(game, made), masked), (arena.random_policy(game), ())
    for side, player in sides:
        match = jax.jit(arena.make_match(game, side, rival, LANES))
        scores = match(jax.random.key(1), player, (other, _knobs()), starts, jnp.int32(count))
        first = np.concatenate([scores.moves[0, :, 0], scores.moves[1, :, 1]])
        counts.append(np.bincount(first, minlength=7))
        assert stats.chisquare(counts[-1]).pvalue > 1e-4
    assert stats.chi2_contingency(counts).pvalue > 1e-4


def test_at_strength_zero_every_kind_is_e():
    """All kinds that other games than chess have, one after another."""
    game, fresh, match, starts = _connect_four()
    expert, other = fresh(0), fresh(5)
    names = "+".join(name for name, kind in TRANSFORMS.items() if not kind.chess)
    made = assistant.make(game, assistant.AssistantConfig(names))
    sides = arena.assistant_player(game, made), arena.network_policy(game)
    masked = jax.jit(arena.make_match(game, *sides, LANES))
    knobs = knobs_of(Config(), None, 0.5)
    run = jax.random.key_data(jax.random.key(0))
    player = arena.Masked(Models(expert, other, other), knobs, run)
    rival, key, n = (other, _knobs(temperature=0.5)), jax.random.key(1), jnp.int32(12)
    honest = match(key, (expert, _knobs(temperature=0.5)), rival, starts, n)
    np.testing.assert_array_equal(honest.moves, masked(key, player, rival, starts, n).moves)


def test_fewer_openings_are_the_first_of_all():
    _, fresh, match, starts = _connect_four()
    a, b = ((fresh(i), _knobs()) for i in range(2))
    whole = match(jax.random.key(1), a, b, starts, jnp.int32(12))
    part = arena.first_openings(match(jax.random.key(1), a, b, starts, jnp.int32(4)), 4)
    assert part.points.shape == (4, 2)
    np.testing.assert_array_equal(part.moves, whole.moves[:, :4])


def test_results_are_zero_sum():
    _, fresh, match, starts = _connect_four()
    a, b = ((fresh(i), _knobs()) for i in range(2))
    one = match(jax.random.key(1), a, b, starts, jnp.int32(12))
    two = match(jax.random.key(1), b, a, starts, jnp.int32(12))
    np.testing.assert_allclose(one.points, 1 - two.points[:, ::-1])
    np.testing.assert_allclose(one.points_by_rules, 1 - two.points_by_rules[:, ::-1])


CHESS = games.make("chess")
PIECE_UP = "e4 e5 Nf3 Nc6 Nxe5 a6 Nxc6 bxc6 Qf3 a5 Qxf7+ Kxf7 a3 a4"  # White lost the queen
LEVEL = "e4 e5"


def _script(line: str) -> list[int]:
    board, labels = chess.Board(), []
    for san in line.split():
        move = board.parse_san(san)
        labels.append(label_of(move, board.turn))
        board.push(move)
    return labels


def _shuffle(key, state, seen, memory, ask):
    """Rook and knight to and fro: the label of the first legal knight move."""
    legal = CHESS.legal(state)
    knight = jnp.arange(64 * 73) % 73 >= 65
    wanted = legal & knight
    return jnp.where(wanted.any(-1), wanted.argmax(-1), legal.argmax(-1)), (), ()


@pytest.mark.parametrize(
    ("line", "cap", "verdict", "plies", "adjudicated"),
    [
        (PIECE_UP, 40, -1.0, 6, True),  # 5 or more for 6 plies
        ("e4 d5 exd5 Qxd5 Nc3 Qxg2 Nf3 Qxh1", 3, -1.0, 3, True),  # 3 or more at the cap
        (LEVEL, 3, 0.0, 3, False),  # nobody leads at the cap
    ],
)
def test_adjudication_by_worked_positions(line, cap, verdict, plies, adjudicated):
    # One length, one program; a negative label leaves a game as it is.
    labels = _script(line)
    starts = CHESS.after(jnp.asarray([labels + [-1] * (14 - len(labels))]))
    loop = play.PlayConfig(lanes=2, max_plies=cap)
    rows = play.opening_rows(2, 2)
    record = play.play(
        jax.random.key(0), CHESS, play.Players(_shuffle, _shuffle), starts, rows, loop
    )
    assert np.asarray(record.verdict).tolist() == [verdict] * 2
    assert np.asarray(record.played).sum(axis=0).tolist() == [plies] * 2
    assert np.asarray(record.adjudicated).tolist() == [adjudicated] * 2
    assert np.asarray(record.result).tolist() == [0.0] * 2
