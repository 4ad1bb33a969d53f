"""A network by its architecture: the tower of this project, and Leela Chess Zero's."""

from sandwich_jax.nets.network import Network, apply_where, cast
from sandwich_jax.nets.tower import SIZES, NetConfig, make

__all__ = ["SIZES", "NetConfig", "Network", "apply_where", "cast", "make"]
