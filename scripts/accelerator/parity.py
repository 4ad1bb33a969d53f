"""That the accelerator plays the same chess, thinks the same thoughts and keeps the identities."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import sandwich_jax
from sandwich_jax import forms, games, nets
from sandwich_jax.board import init, reset, rewards, sample_uniform, step
from sandwich_jax.folders import store
from sandwich_jax.members import Config, knobs_of
from sandwich_jax.misalign import assistant
from sandwich_jax.models import Model, Models
from sandwich_jax.oversight import protocols
from sandwich_jax.selfplay import SelfPlayConfig, Sides, Table, selfplay
from scripts.accelerator.stages import Row

BFLOAT16 = 2.0**-8
"""Between a number and the next one, as a share of it."""
ZOO = pathlib.Path(sandwich_jax.__file__).parent / "training" / "zoo"


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How much is compared."""

    games: int = 4096
    plies: int = 400
    """Of random play; games that are over begin again."""
    lanes: int = 512
    """Of the identities, at two games a lane."""
    game_plies: int = 40


def _play(key: Any, count: int, plies: int) -> tuple[Any, ...]:
    """Random games: of every ply a hash of the legal moves, the move, why it ended, the result."""
    state = init(count)
    shape = state.words.shape[:2]
    odd = (2 * jnp.arange(shape[0] * shape[1], dtype=jnp.uint32) + 1) * jnp.uint32(0x9E3779B1)
    weights = odd.reshape(*shape, 1)

    def ply(state: Any, key: Any) -> tuple[Any, tuple[Any, ...]]:
        told = ((state.words + 1) * weights).sum((0, 1), dtype=jnp.uint32), state.count
        label = sample_uniform(jax.random.uniform(key, (count,)), state.words, state.count)
        after = step(state, label)
        seen = (*told, label, after.reason, rewards(after)[:, 0], after.hash)
        return reset(after, after.reason > 0), seen

    return jax.lax.scan(ply, state, jax.random.split(key, plies))


def chess(sizes: Sizes) -> Iterator[Row]:
    """Legal sets, moves and results of random games, here and on the CPU, to the last bit."""
    play = jax.jit(_play, static_argnums=(1, 2))
    here = jax.device_get(play(jax.random.key(0), sizes.games, sizes.plies))
    with jax.default_device(jax.devices("cpu")[0]):
        there = jax.device_get(play(jax.random.key(0), sizes.games, sizes.plies))
    differing = _differing(here, there)
    reason = here[1][3]
    yield {
        "what": "legal sets, moves and results of random games, beside the CPU",
        "games": sizes.games,
        "positions": sizes.games * sizes.plies,
        "finished": int((reason > 0).sum()),
        "numbers that differ": differing,
        "equal": differing == 0,
    }


def _differing(here: Any, there: Any) -> int:
    """Numbers in two trees of arrays that are not the same."""
    pairs = zip(jax.tree.leaves(here), jax.tree.leaves(there), strict=True)
    return sum(int((a != b).sum()) for a, b in pairs)


def zoo(name: str, game: games.Game) -> Model:
    """A network that the project ships."""
    net = nets.make(store.read_card(ZOO / name).network, game.heads)
    like = jax.eval_shape(net.init, jax.random.key(0))
    return Model(net, store.load_params(ZOO / name, like))


def logits(sizes: Sizes) -> Iterator[Row]:
    """What E thinks of positions of random games, here and on the CPU in float32."""
    game = games.make("chess")
    count = sizes.games
    state = init(count)
    advance = jax.jit(
        lambda s, u: reset((a := step(s, sample_uniform(u, s.words, s.count))), a.reason > 0)
    )
    for key in jax.random.split(jax.random.key(1), 12):
        state = advance(state, jax.random.uniform(key, (count,)))
    expert = zoo("expert", game)
    seen, legal = jax.device_get((game.features(state), game.legal(state)))
    here = jax.device_get(jax.jit(expert.net.apply)(expert.params, seen))
    cpu = jax.devices("cpu")[0]
    with forms.using(forms.CPU), jax.default_device(cpu):
        # A function of its own, which is traced anew.
        there = jax.device_get(jax.jit(lambda m, x: m.of(x))(jax.device_put(expert, cpu), seen))
    scale = np.sqrt((there.logits[legal] ** 2).mean())
    error = np.sqrt(((here.logits - there.logits)[legal] ** 2).mean()) / scale
    best = [np.where(legal, x.logits, -np.inf).argmax(-1) for x in (here, there)]
    value = np.abs(here.value - there.value)
    yield {
        "what": "E's logits of legal moves and values, beside the CPU in float32",
        "positions": count,
        "relative error of logits": float(error),
        "in steps of bfloat16": float(error / BFLOAT16),
        "same first choice": float((best[0] == best[1]).mean()),
        "value differs by at most": float(value.max()),
        # Twenty layers, each rounded.
        "equal within bfloat16": bool(error < 8 * BFLOAT16 and value.max() < 0.1),
    }


def identities(sizes: Sizes) -> Iterator[Row]:
    """At p = 0 A is E, and W that never asks is plain W."""
    game = games.make("chess")
    expert, weak = zoo("expert", game), zoo("weak", game)
    made = assistant.make(game, assistant.AssistantConfig())
    config = SelfPlayConfig(2 * sizes.lanes, sizes.lanes, sizes.game_plies)
    lines = jnp.asarray(game.openings("train"))
    starts = jax.jit(game.after)(lines[jnp.arange(sizes.lanes) % len(lines)])

    def program(protocol: str) -> Any:
        table = Table(game, made, protocols.make(protocol))

        def run(p: Any, models: Any, starts: Any) -> Any:
            knobs = knobs_of(Config(), None, 0.5) | {"p": p}
            key = jax.random.key(5)
            sides = Sides(models[1], Models(*models), knobs, table.protocol.lore(), key)
            return selfplay(key, table, sides, starts, jnp.arange(sizes.lanes), config)

        return lambda p: jax.device_get(jax.jit(run)(jnp.float32(p), (expert, weak), starts))

    rollout, truth = program("always_follow")(0.0)
    turns = rollout.assisted
    yield {
        "what": "at p = 0 the assisted side plays E's move",
        "turns": int(turns.sum()),
        "equal": bool((rollout.moves == truth.honest)[turns].all() and not truth.corrupted.any()),
    }
    never = program("never_ask")
    (one, told), (two, _) = never(0.0), never(1.0)
    turns = one.assisted
    same = _differing(one, two) == 0
    own = bool((one.own == one.moves)[turns].all())
    yield {
        "what": "never asking is plain W, whatever A is",
        "turns": int(turns.sum()),
        "equal": same and own and not one.asked.any() and not told.corrupted.any(),
    }
