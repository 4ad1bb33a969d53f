"""Games of tic-tac-toe by any protocol, for tests: one program a protocol, networks by seed."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from sandwich_jax import games, nets
from sandwich_jax.members import Config, knobs_of
from sandwich_jax.misalign import assistant
from sandwich_jax.models import Model, Models
from sandwich_jax.oversight import protocols
from sandwich_jax.oversight.protocols import Protocol, ProtocolConfig
from sandwich_jax.selfplay import SelfPlayConfig, Sides, Table, selfplay

GAME = games.make("tic_tac_toe")
NET = nets.make(nets.NetConfig(4, 1, 2, 1, 4), GAME.heads)
CONFIG = SelfPlayConfig(games=16, lanes=8, max_plies=8)


@functools.cache
def program(protocol: str | Protocol, misalignment="random_move", every=1, **sizes):
    """Jitted `(key, sides, starts) -> rollout, truth`; sizes are those of `ProtocolConfig`."""
    if isinstance(protocol, str):
        protocol = protocols.make(ProtocolConfig(protocol, **sizes))
    made = assistant.make(GAME, assistant.AssistantConfig(misalignment))
    table = Table(GAME, made, protocol)
    config = SelfPlayConfig(CONFIG.games, CONFIG.lanes, CONFIG.max_plies, every)

    @jax.jit
    def games_of(key, sides, starts):
        rows = jnp.arange(CONFIG.games // 2)
        return selfplay(key, table, sides, starts, rows, config)

    return lambda key, sides, starts: games_of(key, sides._replace(lore=protocol.lore()), starts)


@jax.jit
def _drawn(seed):
    """E, W and a key of the games."""
    k_expert, k_weak, k_play = jax.random.split(jax.random.key(seed), 3)
    return _sharp(k_expert), _sharp(k_weak), k_play


def _sharp(key):
    """Untrained heads are nearly flat: sharper ones make priors and values differ."""
    return Model(NET, jax.tree.map(lambda x: 3.0 * x, NET.init(key)))


@functools.cache
def _starts():
    return GAME.after(jnp.asarray(GAME.openings("train")[: CONFIG.games // 2]))


def play(protocol, seed=0, every=1, misalignment="random_move", sizes=(), **knobs):
    """Rollout and truth as NumPy arrays."""
    given = {name: jnp.float32(value) for name, value in knobs.items()}
    made = program(protocol, misalignment, every, **dict(sizes))
    expert, weak, key = _drawn(jnp.uint32(seed))
    sides = Sides(weak, Models(expert, weak), knobs_of(Config(), None, 0.7) | given, (), key)
    found = made(key, sides, _starts())
    return jax.tree.map(np.asarray, found)


def same_games(one, other) -> None:
    """Bit for bit the same moves, positions and results."""
    for field in ("moves", "played", "result", "finished", "positions"):
        np.testing.assert_array_equal(getattr(one, field), getattr(other, field), field)


def same(one, other) -> None:
    """Bit for bit the same, but for what the protocol noted."""
    jax.tree.map(np.testing.assert_array_equal, one._replace(notes=()), other._replace(notes=()))
