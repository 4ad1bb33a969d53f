"""A network with its parameters: who E, W and M are.

Roles may differ in architecture, and in what they see of a position: nothing that takes models
assumes that they share a network.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable
from typing import NamedTuple

import jax
from jaxtyping import Array, Bool, Float, PyTree

from sandwich_jax import games, nets
from sandwich_jax.games import Game, past
from sandwich_jax.nets import Network
from sandwich_jax.types import Outputs, Params, State


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Model:
    """A pytree: models of one architecture have one structure, and so one compiled program."""

    net: Network = dataclasses.field(metadata={"static": True})
    params: Params

    def at(self, game: Game, state: State) -> Outputs:
        """What it says of the positions in `state`."""
        return self.of(self.net.view(game, state))

    def of(self, features: PyTree[Array]) -> Outputs:
        """What it says of what it sees, see `Network.view`."""
        return self.net.apply(self.params, features)

    def of_encoded(self, game: Game, positions: Array) -> Outputs:
        """What it says of encoded positions, [B, ...]."""
        return self.of(self.net.decoded(game, positions))

    def where(self, features: PyTree[Array], wanted: Bool[Array, "B"]) -> Outputs:
        """`of` on the rows that are wanted; of no meaning on the others."""
        return nets.apply_where(self.net, self.params, features, wanted)

    def with_params(self, params: Params) -> Model:
        """The same network after training."""
        return Model(self.net, params)


def game_of(name: str, models: Iterable[Model]) -> Game:
    """The game of this name, with as much of the past in its states as these models look at."""
    if any(model.net.looks_back for model in models):
        return past.chess_with_past()
    return games.make(name)


@functools.partial(jax.jit, static_argnums=1)
def encoded_values(model: Model, game: Game, positions: Array) -> Float[Array, "B"]:
    """Values of encoded positions [B, ...] for the side to move, in [-1, 1]; compiled."""
    return model.of_encoded(game, positions).value


class Models(NamedTuple):
    """The networks of a run."""

    expert: Model
    weak: Model
    """W as it was before the run."""
    saboteur: Model | tuple[()] = ()
    """M, for transforms that borrow its moves."""

    @property
    def all(self) -> tuple[Model, ...]:
        """Those that there are."""
        return tuple(model for model in self if isinstance(model, Model))
