"""E and W: policy and value from human games, `sandwich-jax pretrain`."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int

from sandwich_jax import games, nets
from sandwich_jax.finetune import Trainer, Window, average, make_trainer, piece_of
from sandwich_jax.measures.shares import wilson
from sandwich_jax.training.corpus_file import Corpus
from sandwich_jax.training.settings import PretrainConfig
from sandwich_jax.training.shared_batch import AXIS, SHARED, WHOLE, compiled, mesh_for, on
from sandwich_jax.types import Metrics, Params, Saver, SettingError, TrainState

REPLAY_LANES = 512
"""Games replayed at a time."""
CHUNK = 20
"""Updates of one jitted call."""


class Samples(NamedTuple):
    """Positions with the human's move and the game's result, N of them; on host or device."""

    positions: Any
    moves: Any
    value: Any
    """Result for the side to move."""


def positions_of(corpus: Corpus, rows: np.ndarray) -> Samples:
    """Replays the games `rows` of a corpus on the device."""
    replay = _jitted_replay()
    parts = [
        _replay_games(replay, corpus, rows[start : start + REPLAY_LANES])
        for start in range(0, len(rows), REPLAY_LANES)
    ]
    return Samples(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


@functools.cache
def _jitted_replay() -> Callable[[Int[Array, "T B"]], Array]:
    return jax.jit(games.make("chess").replay)


def _replay_games(replay: Callable, corpus: Corpus, rows: np.ndarray) -> Samples:
    lengths = corpus.starts[rows + 1] - corpus.starts[rows]
    # Few different shapes, so that few programs are compiled.
    plies = -(-int(lengths.max()) // 128) * 128
    moves = np.zeros((REPLAY_LANES, plies), np.int32)
    played = np.arange(plies) < np.pad(lengths, (0, REPLAY_LANES - len(rows)))[:, None]
    flat = [np.arange(int(corpus.starts[row]), int(corpus.starts[row + 1])) for row in rows]
    moves[played] = corpus.moves[np.concatenate(flat)]
    encoded = np.asarray(replay(jnp.asarray(moves.T))).swapaxes(0, 1)
    white = np.where(np.arange(plies) % 2 == 0, 1, -1)
    results = np.pad(corpus.result[rows], (0, REPLAY_LANES - len(rows)))
    value = (results[:, None] * white).astype(np.int8)
    return Samples(encoded[played], moves[played].astype(np.uint16), value[played])


def identity(positions: np.ndarray) -> np.ndarray:
    """A 64-bit hash of each encoded chess position without clocks and repetition, [N]."""
    words = positions.copy()
    words[:, 8] &= np.uint32(0xFEF)  # castling and en passant, see `board.encode`
    total = np.zeros(len(words), np.uint64)
    for column in words.T:
        total = (total ^ column) * np.uint64(0x9E3779B97F4A7C15)
        total ^= total >> np.uint64(29)
    return total


class MoveMatch(NamedTuple):
    """How often the network's first choice is the human's move."""

    share: float
    low: float
    high: float
    """95% Wilson interval."""
    positions: int


def move_match(
    apply: Callable[[Params, Array], Array], params: Params, samples: Samples
) -> MoveMatch:
    """Top-1 agreement with the moves of `samples`, over all action labels.

    Args:
        apply: jitted `(params, encoded positions [N]) -> label [N]`.
        params: of the network.
        samples: at least one.
    """
    size, right = 4096, 0
    for start in range(0, len(samples.moves), size):
        part = samples.positions[start : start + size]
        padded = np.pad(part, ((0, size - len(part)), (0, 0)))
        labels = np.asarray(apply(params, jnp.asarray(padded)))[: len(part)]
        right += int((labels == samples.moves[start : start + size]).sum())
    return MoveMatch(right / len(samples.moves), *wilson(right, len(samples.moves)))


def first_choice(game: games.Game, net: nets.Network) -> Callable[[Params, Array], Array]:
    """Jitted `(params, encoded) -> label` for `move_match`."""
    return jax.jit(lambda p, encoded: net.apply(p, net.decoded(game, encoded)).logits.argmax(-1))


def held_out(corpus: Corpus, training: np.ndarray, limit: int | None) -> Samples:
    """Positions of a corpus's test games that are not among the `training` games of `corpus`.

    Positions early in a game repeat from game to game, so leaving out games is not enough.
    """
    rows = np.flatnonzero(corpus.test)
    if not len(rows):
        raise SettingError("The corpus has no test games: build it with a test-share above 0.")
    # Games have more than 20 positions on average, so these are enough to choose from.
    rows = rows[: limit // 20 + 1 if limit else None]
    return unseen(positions_of(corpus, rows), corpus, training, limit)


def unseen(samples: Samples, corpus: Corpus, training: np.ndarray, limit: int | None) -> Samples:
    """The first `limit` of `samples` whose positions do not occur in the training games."""
    fresh = np.ones(len(samples.moves), bool)
    hashes = identity(samples.positions)
    for start in range(0, len(training), 8192):
        seen = positions_of(corpus, training[start : start + 8192]).positions
        fresh &= ~np.isin(hashes, identity(seen))
    return Samples(*(column[fresh][:limit] for column in samples))


class Report(NamedTuple):
    """State of a pretraining, from time to time."""

    step: int
    metrics: Metrics
    match: MoveMatch | None
    samples_per_second: float


class Trained(NamedTuple):
    """What a pretraining gives."""

    net: nets.Network
    params: Params
    match: MoveMatch
    """On held-out positions."""
    seconds: float
    """Of training, over all calls."""


def pretrain(
    config: PretrainConfig,
    corpus: Corpus,
    saver: Saver,
    report: Callable[[Report], None] = lambda report: None,
    start_params: Params | None = None,
    devices: int | None = None,
    together: Callable[[], None] = lambda: None,
    evaluation: Samples | None = None,
) -> Trained:
    """Trains a network; goes on from the last checkpoint if there is one.

    Args:
        config: static settings.
        corpus: from `corpus.load`.
        saver: where checkpoints go, every `config.eval_every` updates.
        report: called every `CHUNK` updates.
        start_params: of the network to go on from; fresh ones if None.
        devices: how many share every batch; all if None. Of several processes (jax.distributed),
            all devices do, and every process gets the same network.
        together: called before devices work together, with all compiled; returns when every
            process has called it.
        evaluation: positions for move match; those of `held_out` if None, which replays every
            training game.

    Raises:
        SettingError: too few games, devices that do not divide the batch, or a loss that is not
            finite.
    """
    game = games.make("chess")
    net = nets.make(config.network, game.heads)
    training = _training_games(corpus, config)
    mesh = mesh_for(config.batch, devices)
    piece = piece_of(net, config.batch // (mesh.size if mesh else 1))
    trainer = make_trainer(game, net, axis=AXIS if mesh else None, piece=piece)
    state, before = _begun(trainer, saver, start_params, net.init(jax.random.key(config.seed)))
    choose = first_choice(game, net)
    if evaluation is None:
        evaluation = held_out(corpus, training, config.eval_positions)
    run, match = compiled(_jitted_updates(trainer, config, mesh), together), None
    begin = last = time.monotonic()
    state, placed = on(mesh, state), (None, None)
    for shard, indices in _visits(config, corpus, training, int(state.step)):
        if placed[0] is not shard:
            placed = shard, on(mesh, shard)
        state, metrics = run(state, placed[1], on(mesh, indices, SHARED))
        step = int(state.step)
        _stop_if_not_finite(metrics, config)
        match, since = None, step - len(indices)
        if step == config.steps or step // config.eval_every > since // config.eval_every:
            kept = jax.device_get(state)
            match = move_match(choose, kept.params, evaluation)
            saver.save(step, (kept, np.float32(before + time.monotonic() - begin)))
        now = time.monotonic()
        report(Report(step, metrics, match, indices.size / (now - last)))
        last = now
    params = jax.device_get(state.params)
    match = match or move_match(choose, params, evaluation)
    return Trained(net, params, match, float(before) + time.monotonic() - begin)


def _begun(
    trainer: Trainer, saver: Saver, given: Params | None, drawn: Params
) -> tuple[TrainState, np.float32]:
    """The last checkpoint, or the state before the first update; and the seconds until then."""
    # A copy, since updates overwrite their argument.
    params = drawn if given is None else jax.tree.map(jnp.copy, given)
    fresh = trainer.init(params), np.float32(0)
    found = saver.latest(fresh)
    return found[1] if found else fresh


def _training_games(corpus: Corpus, config: PretrainConfig) -> np.ndarray:
    """The rows of the games to learn from.

    Raises:
        SettingError: there are too few.
    """
    training = np.flatnonzero(~corpus.test)
    if config.games > len(training):
        raise SettingError(
            f"games is {config.games}, but the corpus has {len(training)} training games."
        )
    return training[: config.games]


def _stop_if_not_finite(metrics: Metrics, config: PretrainConfig) -> None:
    if not bool(metrics.finite):
        raise SettingError(
            f"The loss was not finite at step {int(metrics.bad_step)}; the last checkpoint"
            f" is kept. Lower learning_rate (now {config.learning_rate}) or look at the corpus."
        )


def _jitted_updates(trainer: Trainer, config: PretrainConfig, mesh: Mesh | None) -> Callable:
    warmup = min(config.warmup, config.steps // 2)
    schedule = optax.warmup_cosine_decay_schedule(
        0.0, config.learning_rate, warmup, config.steps, 0.0
    )

    def one(shard: Samples) -> Callable:
        def update(state: TrainState, index: Int[Array, "N"]) -> tuple[TrainState, Metrics]:
            ones: Float[Array, "N"] = jnp.ones(index.shape)
            value = shard.value[index].astype(jnp.float32)
            batch = Window(shard.positions[index], shard.moves[index], ones, value, ones)
            return trainer.update(state, batch, jnp.asarray(schedule(state.step)))

        return update

    def run(
        state: TrainState, shard: Samples, indices: Int[Array, "S N"]
    ) -> tuple[TrainState, Metrics]:
        state, metrics = jax.lax.scan(one(shard), trainer.enter(state), indices)
        return trainer.leave(state), average(metrics)

    if mesh is not None:
        specs = (WHOLE, WHOLE, SHARED)
        run = jax.shard_map(run, mesh=mesh, in_specs=specs, out_specs=WHOLE, check_vma=False)
    return jax.jit(run, donate_argnums=0)


def _visits(
    config: PretrainConfig, corpus: Corpus, training: np.ndarray, step: int
) -> Iterator[tuple[Samples, np.ndarray]]:
    """From update `step` on: the shard (on the host) and sample indices [CHUNK or fewer, batch].

    Shards of games take turns; each visit draws without replacement. What is drawn depends on
    the seed and the visit alone, so that a resumed run draws the same.
    """
    shards = np.array_split(training, -(-len(training) // config.shard_games))
    plies = int((corpus.starts[training + 1] - corpus.starts[training]).sum())
    passes = max(1, -(-config.steps * config.batch // plies))
    length = -(-config.steps // (len(shards) * passes))
    current, samples = -1, None
    while step < config.steps:
        visit = step // length
        if samples is None or visit % len(shards) != current:
            current = visit % len(shards)
            samples = positions_of(corpus, shards[current])
        size = samples.moves.shape[0]
        order = np.random.default_rng([config.seed, visit]).permutation(size)
        order = np.resize(order, (length, config.batch))
        end = min((visit + 1) * length, config.steps)
        for start in range(step, end, CHUNK):
            stop = min(start + CHUNK, end)
            yield samples, order[start - visit * length : stop - visit * length]
        step = end
