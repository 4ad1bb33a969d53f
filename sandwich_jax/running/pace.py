"""How fast a sweep goes, and what its time goes into."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from sandwich_jax import finetune, lane_layout, sampling, sandwich
from sandwich_jax.members import Config, assistant_of, members_of, protocol_of
from sandwich_jax.misalign import assistant
from sandwich_jax.misalign.assistant import Models
from sandwich_jax.objectives import OBJECTIVES
from sandwich_jax.sandwich import Lane, Setup
from sandwich_jax.selfplay import SelfPlayConfig, Sides, Table, selfplay
from sandwich_jax.types import Rollout, State

PLIES, UPDATES, REPEATS = 16, 8, 3
"""Of the pieces that are timed."""
PATIENCE = 60.0
"""Seconds that a program is at work, its first round left out, before its pieces are timed."""
WORTH = 10
"""And how many times as long as its first round, most of which is compiling. To compile the pieces
takes about as long again, which a short run would wait for and learn little from."""


class Rest(NamedTuple):
    """Seconds of pieces without an assistant, for all members of one call together."""

    board: float
    """Of a ply: legal moves, features, drawing a move, playing it."""
    update: float
    """One update of fine-tuning: samples drawn, forward, backward, optimiser."""


class Pieces(NamedTuple):
    """Seconds of pieces of a round, for all members of one call together."""

    ply: float
    """A ply of all lanes as self-play plays it: networks, assistant, protocol, board."""
    rest: Rest


def time_rest(setup: Setup, where: lane_layout.Layout) -> Rest:
    """Times board and update on this machine, each as a program of its own."""
    board, _ = _fastest(_board(setup), setup, where)
    update, _ = _fastest(_updates(setup), setup, where)
    return Rest(board / PLIES, update / UPDATES)


def time_pieces(setup: Setup, where: lane_layout.Layout, rest: Rest) -> Pieces:
    """Times some plies of self-play as a program of its own.

    A round is one compiled program, in which a clock cannot look at the parts.
    """
    seconds, plies = _fastest(_plies(setup), setup, where)
    return Pieces(seconds / plies, rest)


def _fastest(piece: Callable, setup: Setup, where: lane_layout.Layout) -> tuple[float, float]:
    """Seconds of the fastest of some calls, the first one left out; and what it gives."""
    config = setup.config
    first = sandwich.first_learner(setup, config.protocol)
    lane = sandwich.lane_of(config, members_of(config)[0], first, 0)
    shared = lane_layout.share((setup.models, setup.starts), where)
    call, found = lane_layout.map_lanes(piece, where), []
    for _ in range(REPEATS + 1):  # the first compiles
        start = time.perf_counter()
        ((_, results),) = call([lane] * where.together, *shared)
        found.append(time.perf_counter() - start)
    return min(found[1:]), float(results[0])


def _plies(setup: Setup) -> Callable:
    c = setup.config
    made = assistant.make(setup.game, assistant_of(c))
    table = Table(setup.game, made, protocol_of(c), OBJECTIVES[c.objective].wants)
    config = SelfPlayConfig(c.lanes, c.lanes, min(PLIES, c.max_plies), c.every)

    def run(lane: Lane, models: Models, starts: State) -> Array:
        key, run = (jax.random.wrap_key_data(data) for data in (lane.key, lane.run))
        learner = lane.learner
        weak = models.weak.with_params(learner.train.params)
        sides = Sides(weak, models, lane.knobs, learner.lore, run)
        rows = jnp.arange(c.lanes // 2) % _count(setup, starts)
        found = selfplay(key, table, sides, starts, rows, config)
        plies = found[0].played.sum(axis=0).max().astype(jnp.float32)
        return _with_all_of(found, plies)

    return run


def _board(setup: Setup) -> Callable:
    game, lanes = setup.game, setup.config.lanes

    def run(lane: Lane, models: Models, starts: State) -> Array:
        def one(carry: tuple[State, Array], key: Array) -> tuple[tuple[State, Array], None]:
            state, told = carry
            legal = game.legal(state)
            told = told + game.features(state).sum()
            uniform = jax.random.uniform(key, legal.shape[:1])
            move = sampling.sample(uniform, jnp.zeros(legal.shape), legal, jnp.float32(1))
            return (game.swap(game.step(state, move)), told), None

        keys = jax.random.split(jax.random.wrap_key_data(lane.key), PLIES)
        state = game.take(starts, jnp.arange(lanes) % _count(setup, starts))
        (state, told), _ = jax.lax.scan(one, (state, jnp.float32(0)), keys)
        return told + game.result(state).sum()

    return run


def _updates(setup: Setup) -> Callable:
    def run(lane: Lane, models: Models, starts: State) -> Array:
        # The work is the same whether or not there is something in the window.
        train, _ = finetune.finetune(
            jax.random.wrap_key_data(lane.key),
            setup.trainer,
            lane.learner.train,
            lane.learner.window,
            lane.knobs["learning_rate"],
            UPDATES,
            setup.config.batch,
            finetune.Guide(models.weak.params, lane.knobs),
        )
        return _with_all_of(train.params, jnp.float32(0))

    return run


def _with_all_of(tree: Any, number: Array) -> Array:
    """`number`, for which the whole tree has to be computed."""
    sums = [x.astype(jnp.float32).sum() for x in jax.tree.leaves(tree)]
    return number + 0 * jnp.stack(sums).sum()


def _count(setup: Setup, starts: State) -> int:
    return jax.eval_shape(setup.game.done, starts).shape[0]


# --- counts -------------------------------------------------------------------------------------


def plies_of_all_lanes(rollout: Rollout, config: Config) -> int:
    """How often self-play's loop went round: a lane's next game begins where W may ask."""
    lengths = np.asarray(rollout.played).sum(axis=0).reshape(-1, config.lanes)
    phase = 2 * config.every
    begun = -(-lengths[:-1] // phase) * phase
    return int((begun.sum(axis=0) + lengths[-1]).max())


class Pace:
    """Counts what this process has done since it began, and what that took."""

    def __init__(self) -> None:
        self.start = time.monotonic()
        self.rounds, self.plies, self.games = 0, 0, 0
        self.spent = {"networks": 0.0, "board": 0.0, "update": 0.0}

    def begin(self, timed: Callable[[], Pieces]) -> None:
        """Another program is at work; `timed` times its pieces, if it is so for long."""
        self.begun, self.timed = time.monotonic(), timed
        self.first: float | None = None
        self.pieces: Pieces | None = None
        self.waiting = {"plies": 0, "updates": 0}

    def round(self, config: Config, rollout: Rollout) -> None:
        """Counts one round of one member."""
        self.rounds += 1
        self.plies += int(np.asarray(rollout.played).sum())
        self.games += config.games
        self.waiting["plies"] += plies_of_all_lanes(rollout, config)
        self.waiting["updates"] += config.updates
        if self.pieces is None:
            if not self._is_long_enough(time.monotonic()):
                return
            self.pieces = self.timed()
        rest = self.pieces.rest
        self.spent["networks"] += self.waiting["plies"] * max(self.pieces.ply - rest.board, 0.0)
        self.spent["board"] += self.waiting["plies"] * rest.board
        self.spent["update"] += self.waiting["updates"] * rest.update
        self.waiting = {"plies": 0, "updates": 0}

    def _is_long_enough(self, now: float) -> bool:
        """Whether the program at work has been so for long; called after each of its rounds."""
        if self.first is None:
            self.first, self.begun = now - self.begun, now
        return now - self.begun >= max(PATIENCE, WORTH * self.first)

    def shares(self) -> dict[str, float | None]:
        """Of self-play's networks, its board and fine-tuning in what these three take together.

        An estimate: pieces timed apart times how often rounds came to them, of all programs that
        were at work for long. Networks are what a ply takes beyond the board's part of it, so
        with what misalignment and protocol do. The arena's matches and what is written to disk are
        left out.
        """
        total = sum(self.spent.values())
        return {name: round(s / total, 3) if total else None for name, s in self.spent.items()}

    def figures(self) -> dict[str, Any]:
        """For a last line: rates over all the time so far, the arena's included."""
        seconds = time.monotonic() - self.start
        kind, used = memory()
        rates = {"rounds": self.rounds, "games": self.games, "plies": self.plies}
        return {
            "seconds": round(seconds, 1),
            "rounds": self.rounds,
            **{f"{name}_per_second": round(n / seconds, 4) for name, n in rates.items()},
            "time": self.shares(),
            "memory": {"kind": kind, "gib": round(used / 2**30, 2)},
        }

    def __str__(self) -> str:
        found = self.figures()
        rates = (f"{found[f'{name}_per_second']:.3g} {name}/s" for name in
                 ("rounds", "games", "plies"))  # fmt: skip
        kind, gib = found["memory"].values()
        text = f"{', '.join(rates)}, {gib:.1f} GiB of {kind}"
        if all(share is None for share in found["time"].values()):
            return text
        return f"{text}, time: " + ", ".join(f"{k} {v:.0%}" for k, v in found["time"].items())


def memory() -> tuple[str, int]:
    """What kind of memory is counted, and bytes of it: in use on a device, else the peak."""
    stats = jax.local_devices()[0].memory_stats()
    if stats and "bytes_in_use" in stats:
        return "device memory in use", stats["bytes_in_use"]
    # Kilobytes on Linux.
    return "memory at its peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
