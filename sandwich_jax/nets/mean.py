"""What several networks agree on, in the place of one."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from sandwich_jax.errors import SettingError
from sandwich_jax.nets.network import Network
from sandwich_jax.types import Outputs, Params, PRNGKey


@dataclasses.dataclass(frozen=True)
class MeanConfig:
    """Static: the networks."""

    networks: tuple[Any, ...]
    """Their configurations."""


@functools.cache
def network(networks: tuple[Network, ...]) -> Network:
    """The mean of networks: the very same for the same arguments. Its parameters are a tuple.

    Its logits are the means of theirs. Among legal moves that is the normalised geometric mean of
    their policies: likely is what all find likely, and what one finds unlikely stays so. (The
    logarithmic pool, Genest and Zidek 1986, "Combining probability distributions",
    https://doi.org/10.1214/ss/1177013825.) Its value is the mean of their values.

    Raises:
        SettingError: there is one network alone, or one that does not see the game's own features.
    """
    if len(networks) < 2:
        raise SettingError("A mean needs two networks or more.")
    if not all(net.learns and net.sees_as_game for net in networks):
        raise SettingError(
            "A mean needs networks zoo:NAME, ckpt:PATH or fresh:SEED: no engine, no search, and"
            " none of Leela Chess Zero."
        )

    def init(key: PRNGKey) -> Params:
        keys = jax.random.split(key, len(networks))
        return tuple(net.init(own) for net, own in zip(networks, keys, strict=True))

    def apply(params: Params, features: PyTree[Array]) -> Outputs:
        found = [net.apply(own, features) for net, own in zip(networks, params, strict=True)]
        return jax.tree.map(lambda *said: jnp.stack(said).mean(0), *found)

    def inspect(params: Params, features: PyTree[Array]) -> tuple[Outputs, Array]:
        raise SettingError("A mean has no layers to look into: choose a network.")

    return Network(
        MeanConfig(tuple(net.config for net in networks)),
        init,
        apply,
        sum(net.num_params for net in networks),
        inspect,
        of_several=True,
    )
