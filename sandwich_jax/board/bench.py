"""How fast the board is beside pgx's own chess: both in one process, by turns."""

import functools
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pgx
from pgx._src.games.chess import Game

from . import geometry as g
from . import state as packed
from .features import features, observation, past_of, remember
from .sample import sample_uniform

VARIANTS = ("packed masks", "compact features", "119 planes")


def bench(
    batches: tuple[int, ...] = (64, 1024),
    variants: tuple[str, ...] = VARIANTS,
    repeats: int = 5,
    seconds: float = 1.0,
    peer: bool = True,
) -> Iterator[dict]:
    """Measure random games, restarted when over, against pgx.

    Each row has the keys what, batch, ours, peer, ratio, unit and device; rates are steps of one
    game per second of processor time (of wall time on an accelerator), the median of `repeats`
    runs of each side by turns. Both sides draw moves with `sample_uniform` from packed bits, and
    carry what the variant names from step to step, so that nothing is optimised away. pgx makes no
    observation but for "119 planes". Further rows give the compile time and the bytes a game.

    Args:
        batches: numbers of games.
        variants: some of `VARIANTS`. Raises ValueError for another name.
        repeats: runs of each side.
        seconds: about how long one run takes.
        peer: whether to measure pgx too (peer and ratio are None otherwise).
    """
    for name in variants:
        if name not in VARIANTS:
            raise ValueError(f"unknown variant {name!r}: choose from {', '.join(VARIANTS)}")
    device = jax.devices()[0].device_kind
    clock = time.process_time if jax.default_backend() == "cpu" else time.perf_counter
    unit = "steps per CPU-second" if clock is time.process_time else "steps per second"
    for batch in batches:
        for name in variants:
            sides = {"ours": _ours(name, batch)}
            if peer:
                sides["peer"] = _pgx(name, batch)
            runs = {side: _prepare(rollout, batch, seconds) for side, rollout in sides.items()}
            rates = {side: [] for side in runs}
            for i in range(repeats):
                for side, run in runs.items():
                    rates[side].append(_rate(run, batch, i, clock))
            ours = statistics.median(rates["ours"])
            theirs = statistics.median(rates["peer"]) if peer else None
            common = {"batch": batch, "device": device}
            yield _row(name, ours, theirs, unit, **common)
            times = [run.compile_seconds for run in runs.values()]
            yield _row(f"compile, {name}", *_pair(times), "seconds", **common)
            if name == VARIANTS[0]:
                sizes = [_bytes(side.carry) / batch for side in sides.values()]
                yield _row("state", *_pair(sizes), "bytes a game", **common)


def _pair(values: list) -> tuple[Any, Any]:
    return values[0], values[1] if len(values) > 1 else None


def _row(what, ours, peer, unit, batch, device) -> dict:
    ratio = ours / peer if peer else None
    keys = ("what", "batch", "ours", "peer", "ratio", "unit", "device")
    return dict(zip(keys, (what, batch, ours, peer, ratio, unit, device), strict=True))


class Rollout(NamedTuple):
    """What one side does in a step, and what it starts from."""

    advance: Callable  # (key, carry) -> carry
    carry: object
    first_steps: int  # of the run that finds out how fast it is


class Run(NamedTuple):
    """A compiled rollout."""

    call: Callable  # (key, carry, steps) -> carry
    carry: object
    steps: int
    compile_seconds: float


def _prepare(rollout: Rollout, batch: int, seconds: float) -> Run:
    @jax.jit
    def play(key, carry, steps):
        def body(i, carry):
            return rollout.advance(jax.random.fold_in(key, i), carry)

        return jax.lax.fori_loop(0, steps, body, carry)

    key, steps = jax.random.key(0), jnp.int32(rollout.first_steps)
    began = time.perf_counter()
    call = play.lower(key, rollout.carry, steps).compile()
    compile_seconds = time.perf_counter() - began
    # The first run leads the games away from the opening, and says how many steps fill the time.
    carry = jax.block_until_ready(call(key, rollout.carry, steps))
    began = time.perf_counter()
    carry = jax.block_until_ready(call(key, carry, steps))
    took = time.perf_counter() - began
    enough = max(1, round(rollout.first_steps * seconds / took))
    return Run(call, carry, enough, compile_seconds)


def _rate(run: Run, batch: int, seed: int, clock: Callable) -> float:
    key = jax.random.key(seed + 1)
    began = clock()
    jax.block_until_ready(run.call(key, run.carry, jnp.int32(run.steps)))
    return batch * run.steps / (clock() - began)


def _bytes(tree) -> int:
    return sum(x.nbytes for x in jax.tree.leaves(tree))


def _ours(name: str, batch: int) -> Rollout:
    games = packed.init(batch)
    empty = past_of(games)

    def advance(key, carry):
        games, extra = carry
        action = sample_uniform(jax.random.uniform(key, (batch,)), games.words, games.count)
        after = packed.step(games, action)
        over = after.reason > 0
        if name == VARIANTS[2]:
            past, _ = extra
            past = remember(past, games, after)
            after = packed.reset(after, over)
            past = jax.tree.map(lambda a, b: jnp.where(over, a, b), empty, past)
            return after, (past, observation(after, past))
        after = packed.reset(after, over)
        return after, features(after) if name == VARIANTS[1] else ()

    shown = jax.eval_shape(features, games), jax.eval_shape(observation, games, empty)
    blank = [jnp.zeros(s.shape, s.dtype) for s in shown]
    extra = {VARIANTS[0]: (), VARIANTS[1]: blank[0], VARIANTS[2]: (empty, blank[1])}[name]
    return Rollout(advance, (games, extra), 20)


def pack(mask: jax.Array) -> jax.Array:
    """uint32[73, 2, B] from a bool[B, 4672] mask: the inverse of `expand`."""
    bits = mask.reshape(-1, 2, 32, g.PLANES).astype(jnp.uint32)
    weights = np.uint32(1) << np.arange(32, dtype=np.uint32)
    words = (bits * weights[None, None, :, None]).sum(2, dtype=jnp.uint32)
    return jnp.transpose(words, (2, 1, 0))


def _pgx(name: str, batch: int) -> Rollout:
    game, env = Game(), pgx.make("chess")
    step: Any
    over: Any
    if name == VARIANTS[2]:
        step, over = env.step, lambda s: s.terminated
        fresh = jax.jit(env.init)(jax.random.key(0))
    else:
        step, over, fresh = game.step, game.is_terminal, game.init()

    def advance(key, games):
        mask = games.legal_action_mask
        action = sample_uniform(jax.random.uniform(key, (batch,)), pack(mask))
        after = jax.vmap(step)(games, action)
        done = jax.vmap(over)(after)
        again = functools.partial(jax.vmap(jax.lax.select, (0, None, 0)), done)
        return jax.tree.map(lambda a, b: again(jnp.asarray(a), b), fresh, after)

    games = jax.tree.map(lambda x: jnp.broadcast_to(x, (batch, *jnp.shape(x))), fresh)
    return Rollout(advance, games, 2)
