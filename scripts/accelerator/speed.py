"""How fast everything is on this device, beside a peer on the same device and beside its floor."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sandwich_jax import finetune, forms, games, lane_layout, nets, sandwich
from sandwich_jax.board import bench
from sandwich_jax.measures import throughput
from sandwich_jax.members import Config, members_of
from sandwich_jax.models import Model, Models
from sandwich_jax.nets import convolution
from scripts.accelerator.stages import GIB, Row, timed
from scripts.gpu_check import costs, figures

PEAKS = {
    "H100": costs.Peak(3.35e12, 990e12),
    "H200": costs.Peak(4.8e12, 990e12),
    "A100": costs.Peak(2.0e12, 312e12),
    "TPU v5 lite": costs.Peak(0.82e12, 197e12),
    "TPU v6 lite": costs.Peak(1.64e12, 918e12),
}
"""By a part of the device's name: bytes and bfloat16 operations a second, from data sheets."""


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    board: tuple[int, ...] = (16_384, 1024)
    """Beside pgx."""
    more_board: tuple[int, ...] = (65_536, 262_144, 4096)
    lanes: tuple[tuple[str, int], ...] = (("base", 4096),)
    more_lanes: tuple[tuple[str, int], ...] = (
        ("base", 16_384), ("tiny", 4096), ("base", 1024), ("tiny", 65_536), ("base", 65_536),
        ("tiny", 16_384), ("tiny", 1024),
    )  # fmt: skip
    batches: tuple[int, ...] = (4096, 1024)
    more_batches: tuple[int, ...] = (16_384,)
    size: str = "base"
    """Of networks, unless told otherwise."""
    plies: int = 80
    updates: int = 20
    convolutions: tuple[int, ...] = (1024, 256, 2048, 8192)
    members: tuple[int, ...] = (1, 16)
    more_members: tuple[int, ...] = (64, 4)
    member_lanes: int = 256
    repeats: int = 3
    seconds: float = 0.5


def peak_of(kind: str) -> costs.Peak | None:
    """What a device can do at best, if it is known."""
    return next((peak for name, peak in PEAKS.items() if name in kind), None)


def board(batches: tuple[int, ...], sizes: Sizes, peer: bool) -> Iterator[Row]:
    """Random games, restarted when over, beside pgx's."""
    variants = bench.VARIANTS[:1]
    yield from bench.bench(batches, variants, sizes.repeats, sizes.seconds, peer)


@functools.cache
def _pair(size: str) -> throughput.Pair:
    game = games.make("chess")
    net = nets.make(size, game.heads)
    models = (Model(net, net.init(jax.random.key(seed))) for seed in (1, 2))
    return throughput.Pair(size, game, *models)


def self_play(size: str, lanes: int, sizes: Sizes) -> Iterator[Row]:
    """Self-play beside its bare forward passes, and beside its floor."""
    peak = peak_of(jax.devices()[0].device_kind)
    floor = floor_of(size, lanes, peak)
    for row in throughput.bench(_pair(size), (lanes,), repeats=sizes.repeats, plies=sizes.plies):
        at_floor = lanes / floor if floor and row["peer"] else None
        told = {"floor": at_floor, "of floor": row["ours"] / at_floor} if at_floor else {}
        yield row | told


def floor_of(size: str, lanes: int, peak: costs.Peak | None) -> float | None:
    """Seconds of a ply of all lanes: scaled from what was compiled for 4,096 lanes on an H100."""
    kept = _kept(f"selfplay/{size}/4096")
    return None if peak is None or kept is None else _scaled(kept, lanes, peak)


def _kept(program: str) -> dict[str, float] | None:
    """Figures of a program as it was compiled for an H100."""
    return figures.read(figures.CEILINGS)["programs"].get(program)


def _scaled(kept: dict[str, float], batch: int, peak: costs.Peak) -> float:
    """Seconds of its floor, from a batch of 4,096 to another and to another device's memory."""
    return kept["floor_us"] * 1e-6 * batch / 4096 * costs.Peak().bandwidth / peak.bandwidth


def _batch(game: games.Game, size: int) -> finetune.Window:
    """Positions, moves and results that look like samples."""
    lines = jnp.asarray(game.openings("train"))
    state = jax.jit(game.after)(lines[jnp.arange(size) % len(lines)])
    positions = game.encode(state)
    moves = jnp.argmax(game.legal(state), -1).astype(jnp.int16)
    ones = jnp.ones(size)
    return finetune.Window(positions, moves, ones, jnp.zeros(size), ones)


def updates(size: str, batch: int, sizes: Sizes) -> Iterator[Row]:
    """Updates on one batch again and again: the share of the device's peak."""
    game, weak = _pair(size).game, _pair(size).weak
    trainer = finetune.make_trainer(game, weak.net, piece=finetune.piece_of(weak.net, batch))
    state, samples = trainer.enter(trainer.init(weak.params)), _batch(game, batch)

    def run(state: Any, samples: finetune.Window) -> Any:
        def one(state: Any, _: None) -> tuple[Any, Any]:
            return trainer.update(state, samples, jnp.float32(1e-3))

        return jax.lax.scan(one, state, None, length=sizes.updates)

    began = time.perf_counter()
    compiled: Any = jax.jit(run).lower(state, samples).compile()
    took = time.perf_counter() - began
    jax.block_until_ready(compiled(state, samples))
    seconds = timed(lambda: compiled(state, samples), sizes.repeats) / sizes.updates
    row: Row = {
        "what": f"update, {size}", "batch": batch, "seconds": seconds,
        "samples per second": batch / seconds, "compile seconds": took,
    }  # fmt: skip
    peak = peak_of(jax.devices()[0].device_kind)
    kept = _kept(f"update/{size}/4096")
    if peak and kept:
        floor = _scaled(kept, batch, peak)
        row |= {"floor seconds": floor, "of floor": floor / seconds}
        row["share of peak"] = kept["gflop"] * 1e9 * batch / 4096 / seconds / peak.flops
    yield row
    # Told apart: not every compiled program can say it.
    memory = compiled.memory_analysis()
    yield {"what": f"memory of update, {size}", "batch": batch,
           "temporary GiB": memory.temp_size_in_bytes / GIB}  # fmt: skip


def convolutions(batch: int, sizes: Sizes) -> Iterator[Row]:
    """3 x 3 convolutions in every form, forward and gradient, for the table in `forms`."""
    width, layers = nets.SIZES[sizes.size].width, 12
    dtype = jnp.bfloat16 if forms.here().half_precision else jnp.float32
    x = jax.random.normal(jax.random.key(0), (batch, 8, 8, width), dtype)
    kernels = 0.05 * jax.random.normal(jax.random.key(1), (layers, 3, width, 3, width), dtype)

    row: Row = {"what": f"{layers} convolutions, {sizes.size}", "batch": batch}
    for name, form in convolution.FORMS.items():

        def tower(kernels: Any, x: Any, form: Callable = form) -> Any:
            out = jax.lax.scan(lambda x, k: (jax.nn.relu(form(x, k)), None), x, kernels)[0]
            return out.astype(jnp.float32).sum()

        for what, call in (("forward", tower), ("gradient", jax.grad(tower))):
            jitted = jax.jit(call)
            jax.block_until_ready(jitted(kernels, x))
            row[f"{name} {what} us"] = 1e6 * timed(lambda: jitted(kernels, x), 5)  # noqa: B023
    yield row


def member_config(sizes: Sizes) -> Config:
    """A small round of one member; networks are given by hand."""
    lanes = sizes.member_lanes
    return Config(
        games=2 * lanes, lanes=lanes, max_plies=min(sizes.plies, 40),
        updates=sizes.updates, batch=min(256, 8 * lanes), window=1, p=(0.5,), round_openings=lanes,
        final_openings=lanes,
    )  # fmt: skip


def members(count: int, alone: list[float], sizes: Sizes) -> Iterator[Row]:
    """A round of so many members at once, beside one member as often.

    Args:
        count: members.
        alone: gets the seconds of one member, which are measured where `count` is 1.
        sizes: of the round.
    """
    config = member_config(sizes)
    pair = _pair(sizes.size)
    setup = sandwich.prepare(config, Models(pair.expert, pair.weak))
    setup = setup._replace(group=count)
    one = sandwich.lane_round(setup, config.protocol)
    lane = sandwich.lane_of(
        config, members_of(config)[0], sandwich.first_learner(setup, config.protocol), 0
    )
    where = lane_layout.layout("vmap", 1, count)
    shared = lane_layout.share((setup.models, setup.starts), where)
    mapped, sharding = lane_layout._over_devices(one, where)
    stacked = jax.tree.map(lambda x: np.stack([x] * count), jax.device_get(lane))
    placed = jax.device_put(stacked, sharding)
    began = time.perf_counter()
    compiled = mapped.lower(placed, shared).compile()
    took = time.perf_counter() - began
    jax.block_until_ready(compiled(placed, shared))
    seconds = timed(lambda: compiled(placed, shared), sizes.repeats)
    alone += [seconds] if count == 1 else []
    yield {
        "what": f"a round of members at once, {sizes.size}",
        "members": count,
        "seconds": seconds,
        "of a loop": seconds / (count * alone[0]) if alone else None,
        "compile seconds": took,
    }
    memory = compiled.memory_analysis()
    yield {
        "what": f"memory of a round of members at once, {sizes.size}",
        "members": count,
        "temporary GiB": memory.temp_size_in_bytes / GIB,
        "arguments and results GiB": (
            memory.argument_size_in_bytes + memory.output_size_in_bytes
        ) / GIB,
    }  # fmt: skip
