"""The programs that are compiled: a function and the shapes of its arguments, by name.

Names go from what to how large: `selfplay/base/4096/majority` is self-play of `base` networks on
4,096 lanes by that protocol. All but one setting at a time are those of `selfplay/base/4096`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from sandwich_jax import arena, finetune, games, lane_layout, nets, objectives, sandwich, selfplay
from sandwich_jax.board import features, init, reset, sample_uniform, step
from sandwich_jax.members import Config, knobs_of, strengths_used
from sandwich_jax.misalign import assistant
from sandwich_jax.models import Model, Models
from sandwich_jax.oversight import protocols
from sandwich_jax.selfplay import SelfPlayConfig, Sides, Table
from sandwich_jax.training import pretrain

MEMBERS = 16
KEY = jax.ShapeDtypeStruct((2,), jnp.uint32)

Built = tuple[Callable, tuple]
"""A function and the shapes of its arguments."""


class Unit(NamedTuple):
    """What figures are told of."""

    name: str
    """ply, update or call. A ply is one turn of the loop that takes longest; the others are a share
    of the whole program."""
    source: str = ""
    """Of a turn: the project's file that the loop comes from, if the program has several."""
    share: int = 0
    """Of the whole program: what it is divided by; 0 for a turn."""
    each: float = 1.0
    """How many of them one turn makes: where members make their updates one after the other, a
    turn makes all updates of one member."""


class Program(NamedTuple):
    """What is compiled, and of which turns figures are told."""

    build: Callable[[Any], Built]
    """Given a device for programs that lay themselves on devices."""
    units: tuple[Unit, ...]


UPDATES = 480
"""Of a round."""
SWEEP_UPDATES = 120
"""The same, of each member of a sweep."""
PLY, UPDATE, CALL = Unit("ply"), Unit("update", share=UPDATES), Unit("call", share=1)


def _scalar(dtype: Any) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct((), dtype)


def _stacked(tree: Any) -> Any:
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct((MEMBERS, *x.shape), x.dtype), tree)


@functools.cache
def _game() -> games.Game:
    return games.make("chess")


def _model(size: str) -> Model:
    """A network with the shapes of its parameters."""
    net = nets.make(size, _game().heads)
    return Model(net, jax.eval_shape(net.init, jax.eval_shape(lambda: jax.random.key(0))))


@functools.cache
def _starts(count: int) -> Any:
    lines = jax.ShapeDtypeStruct((count, 8), jnp.int32)
    return jax.eval_shape(_game().after, lines)


def _knobs(misalignment: str) -> Any:
    knobs = knobs_of(Config(), None, 0.5)
    names = (*knobs, *strengths_used(misalignment))
    return {name: _scalar(jnp.float32) for name in names}


def _board(batch: int, shown: bool, device: Any) -> Built:
    """Random games, restarted when over; `shown`: with a network's features of every position."""
    state = jax.eval_shape(lambda: init(batch))
    seen = jax.eval_shape(features, state) if shown else ()

    def ply(key: Any, carry: tuple) -> tuple:
        state, _ = carry
        label = sample_uniform(jax.random.uniform(key, (batch,)), state.words, state.count)
        after = step(state, label)
        after = reset(after, after.reason > 0)
        return after, features(after) if shown else ()

    def run(key: Any, state: Any, seen: Any, steps: Any) -> Any:
        key = jax.random.wrap_key_data(key)

        def body(i: Any, carry: tuple) -> tuple:
            return ply(jax.random.fold_in(key, i), carry)

        return jax.lax.fori_loop(0, steps, body, (state, seen))

    return run, (KEY, state, seen, _scalar(jnp.int32))


def _forward(size: str, batch: int, device: Any) -> Built:
    seen = jax.ShapeDtypeStruct((batch, *_game().feature_shape), jnp.float32)
    return lambda model, seen: model.of(seen), (_model(size), seen)


def _selfplay(
    size: str, lanes: int, device: Any, protocol: str = "always_follow",
    misalignment: str = "random_move",
) -> Built:  # fmt: skip
    game, model = _game(), _model(size)
    made = assistant.make(game, assistant.AssistantConfig(misalignment))
    table = Table(game, made, protocols.make(protocol))
    config = SelfPlayConfig(games=2 * lanes, lanes=lanes)

    def run(key: Any, weak: Any, models: Any, knobs: Any, starts: Any, rows: Any) -> Any:
        key = jax.random.wrap_key_data(key)
        sides = Sides(weak, Models(*models), knobs, table.protocol.lore(), key)
        return selfplay.selfplay(key, table, sides, starts, rows, config)

    rows = jax.ShapeDtypeStruct((lanes,), jnp.int32)
    return run, (KEY, model, (model,) * 3, _knobs(misalignment), _starts(lanes), rows)


def _batch(size: int) -> finetune.Window:
    position = jax.eval_shape(_game().encode, jax.eval_shape(lambda: _game().init(size)))
    move: Any = jax.ShapeDtypeStruct((size,), jnp.int16)
    number: Any = jax.ShapeDtypeStruct((size,), jnp.float32)
    return finetune.Window(position, move, number, number, number)


def _trainer(net: nets.Network, batch: int, members: int = 1) -> finetune.Trainer:
    piece = finetune.piece_of(net, batch, members)
    return finetune.make_trainer(_game(), net, piece=piece)


def _update(size: str, batch: int, device: Any) -> Built:
    """One update, by itself."""
    model = _model(size)
    trainer = _trainer(model.net, batch)
    entered = lambda params: trainer.enter(trainer.init(params))  # noqa: E731
    state = jax.eval_shape(entered, model.params)
    run = lambda state, batch, rate: trainer.update(state, batch, rate)  # noqa: E731
    return run, (state, _batch(batch), _scalar(jnp.float32))


def _updates(size: str, batch: int, device: Any, members: int = 1) -> Built:
    """A round's updates, samples drawn from a window."""
    model = _model(size)
    trainer = _trainer(model.net, batch, members)
    window = jax.eval_shape(lambda: objectives.empty_window(_game(), 4 * 4096 * 40))

    def run(key: Any, state: Any, window: Any, rate: Any) -> Any:
        key = jax.random.wrap_key_data(key)
        return finetune.finetune(key, trainer, state, window, rate, UPDATES, batch)

    state = jax.eval_shape(trainer.init, model.params)
    return run, (KEY, state, window, _scalar(jnp.float32))


def _updates_of_members(size: str, batch: int, device: Any) -> Built:
    """The same of 16 members in one program, each with its own parameters and window."""
    run, shapes = _updates(size, batch, device, MEMBERS)
    return jax.vmap(run), _stacked(shapes)


def _arena(size: str, lanes: int, device: Any) -> Built:
    policy = arena.network_policy(_game())
    match = arena.make_match(_game(), policy, policy, arena.ArenaConfig(lanes=lanes))

    def run(key: Any, a: Any, b: Any, starts: Any, openings: Any) -> Any:
        return match(jax.random.wrap_key_data(key), a, b, starts, openings)

    side = (_model(size), _knobs("random_move"))
    return run, (KEY, side, side, _starts(lanes), _scalar(jnp.int32))


def _pretrain(size: str, batch: int, device: Any) -> Built:
    """What `pretrain` calls again and again: a few updates on a shard of positions."""
    model = _model(size)
    trainer = _trainer(model.net, batch)
    config = pretrain.PretrainConfig("expert", games=1, steps=1000, network=size, batch=batch)
    shard = pretrain.Samples(
        jax.ShapeDtypeStruct((2**21, 9), jnp.uint32),
        jax.ShapeDtypeStruct((2**21,), jnp.uint16),
        jax.ShapeDtypeStruct((2**21,), jnp.int8),
    )
    indices = jax.ShapeDtypeStruct((pretrain.CHUNK, batch), jnp.int32)
    run = pretrain._jitted_updates(trainer, config, None)
    return run, (jax.eval_shape(trainer.init, model.params), shard, indices)


def _sweep(size: str, lanes: int, device: Any) -> Built:
    """A round of 16 members, vmapped under shard_map, as `sweep` runs it."""
    config = Config(
        games=4 * lanes, lanes=lanes, batch=1024, updates=SWEEP_UPDATES,
        round_openings=lanes // 2, final_openings=lanes // 2, p=(0.5,),
    )  # fmt: skip
    models = Models(_model(size), _model(size))
    setup = sandwich.Setup(config, _game(), models, None, None)  # pyright: ignore
    setup = setup._replace(group=MEMBERS)

    def first(weak: Any) -> Any:
        own = setup._replace(models=Models(weak, weak))
        return sandwich.first_learner(own, config.protocol)

    learner = jax.eval_shape(first, models.weak)
    lane = sandwich.Lane(learner, _knobs("random_move"), KEY, KEY, _scalar(jnp.int32))  # pyright: ignore
    one = sandwich.lane_round(setup, config.protocol)
    where = lane_layout.Layout("vmap", (device,), MEMBERS)
    mapped, _ = lane_layout._over_devices(one, where)
    shared = (models, _starts(config.games // 2))
    return lambda lanes, shared: mapped(lanes, shared), (_stacked(lane), shared)


def _of(build: Callable, *about: Any, units: tuple[Unit, ...], **more: Any) -> Program:
    return Program(lambda device: build(*about, device, **more), units)


PROGRAMS: dict[str, Program] = {
    **{f"board/{n}": _of(_board, n, False, units=(PLY,)) for n in (1024, 4096, 16384)},
    "features/16384": _of(_board, 16384, True, units=(PLY,)),
    "forward/base/4096": _of(_forward, "base", 4096, units=(CALL,)),
    "selfplay/base/4096": _of(_selfplay, "base", 4096, units=(PLY,)),
    "update/base/4096": _of(_update, "base", 4096, units=(CALL,)),
    "updates/base/4096": _of(_updates, "base", 4096, units=(UPDATE,)),
    "updates/base/4096/members": _of(_updates_of_members, "base", 4096, units=(UPDATE,)),
    "selfplay/base/1024": _of(_selfplay, "base", 1024, units=(PLY,)),
    "selfplay/base/16384": _of(_selfplay, "base", 16384, units=(PLY,)),
    "selfplay/tiny/4096": _of(_selfplay, "tiny", 4096, units=(PLY,)),
    "selfplay/large/4096": _of(_selfplay, "large", 4096, units=(PLY,)),
    **{
        f"selfplay/base/4096/{name}": _of(_selfplay, "base", 4096, units=(PLY,), protocol=name)
        for name in ("majority", "value_gate", "search_with_advice")
    },
    **{
        f"selfplay/base/4096/{name}": _of(_selfplay, "base", 4096, units=(PLY,), misalignment=name)
        for name in ("value_worst", "borrow")
    },
    "update/base/1024": _of(_update, "base", 1024, units=(CALL,)),
    "update/base/256": _of(_update, "base", 256, units=(CALL,)),
    "update/large/4096": _of(_update, "large", 4096, units=(CALL,)),
    "arena/base/4096": _of(_arena, "base", 4096, units=(PLY,)),
    "pretrain/base/4096": _of(
        _pretrain, "base", 4096, units=(Unit("update", share=pretrain.CHUNK),)
    ),
    "sweep/base/1024/members": _of(
        _sweep,
        "base",
        1024,
        units=(
            Unit("ply", "play.py"),
            Unit("update", "finetune.py", each=SWEEP_UPDATES / MEMBERS),
        ),
    ),
}
"""In an order of worth: what is cut off leaves the most."""


def labels(name: str) -> dict[str, Unit]:
    """The units of a program by what their figures are called."""
    units = PROGRAMS[name].units
    return {f"{name}, {unit.name}" if len(units) > 1 else name: unit for unit in units}
