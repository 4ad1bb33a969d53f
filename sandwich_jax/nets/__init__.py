"""A network by its architecture: the tower of this project, and Leela Chess Zero's."""

from sandwich_jax.nets import lc0, tower
from sandwich_jax.nets.lc0 import Lc0Config
from sandwich_jax.nets.network import Network, apply_where, cast
from sandwich_jax.nets.tower import SIZES, NetConfig
from sandwich_jax.types import Heads

__all__ = ["SIZES", "Lc0Config", "NetConfig", "Network", "apply_where", "cast", "make"]


def make(config: str | NetConfig | Lc0Config, heads: Heads) -> Network:
    """The network of a shape, the very same for the same arguments.

    Args:
        config: a shape, or the name of a size of this project's tower.
        heads: what a game shows and wants; lc0's networks know chess alone.

    Raises:
        SettingError: there is no size of this name.
    """
    return lc0.make(config) if isinstance(config, Lc0Config) else tower.make(config, heads)
