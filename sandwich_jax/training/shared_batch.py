"""A batch shared by devices, of one process or of several."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array

from sandwich_jax.types import SettingError

AXIS = "data"
"""Of the mesh over which a batch is shared."""
WHOLE = PartitionSpec()
"""On every device of it."""
SHARED = PartitionSpec(None, AXIS)
"""Of sample indices [CHUNK, batch] over it."""


def mesh_for(batch: int, devices: int | None) -> Mesh | None:
    """The devices that share every batch, of all processes; None if it is one."""
    present, processes = jax.devices(), jax.process_count()
    count = len(present) if devices is None else devices
    fitting = [n for n in range(1, len(present) + 1) if batch % n == 0]
    if processes > 1 and (count != len(present) or count not in fitting):
        raise SettingError(
            f"devices is {count} and the batch {batch}, but {processes} processes have"
            f" {len(present)} devices: use all of them, and a batch that {len(present)} divides."
        )
    if count not in fitting:
        raise SettingError(
            f"devices is {count}, but this machine has {len(present)} and the batch is {batch}:"
            f" choose devices from {', '.join(map(str, fitting))}, or a batch that they divide."
        )
    if count == 1:
        return None
    return Mesh(np.asarray(present[:count]), (AXIS,), axis_types=(AxisType.Auto,))


def on(mesh: Mesh | None, tree: Any, spec: PartitionSpec = WHOLE) -> Any:
    """`tree`, which every process holds whole, on the devices of the mesh, or on the only one."""
    if mesh is None:
        return jax.tree.map(jnp.asarray, tree)
    sharding = NamedSharding(mesh, spec)

    def place(x: Any) -> Array:
        host = np.asarray(x)
        return jax.make_array_from_callback(host.shape, sharding, lambda part: host[part])

    return jax.tree.map(place, tree)


def compiled(jitted: Any, together: Callable[[], None]) -> Callable:
    """`jitted`, compiled before `together` is called."""
    programs: dict[Any, Callable] = {}

    def run(*arguments: Any) -> Any:
        leaves, structure = jax.tree.flatten(arguments)
        shapes = structure, tuple(jnp.shape(leaf) for leaf in leaves)
        if shapes not in programs:
            programs[shapes] = jitted.lower(*arguments).compile()
        together()
        return programs[shapes](*arguments)

    return run
