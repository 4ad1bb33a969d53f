"""Many runs as one program: members of a sweep side by side."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp

MemberMode = Literal["loop", "map", "vmap"]
"""`loop`: one call a member. `map`: one program, one member after another. `vmap`: all at once.

`loop` and `map` give the same bits on CPU and suit it; `vmap` suits an accelerator.
"""


def default_mode() -> MemberMode:
    """What suits this machine."""
    return "loop" if jax.default_backend() == "cpu" else "vmap"


def map_members(fn: Callable[..., Any], mode: MemberMode) -> Callable[..., Any]:
    """`fn(member, *shared)` over the leading axis P of `member`, results stacked.

    Jitted once, whatever the number of members; `shared` arguments are not copied.
    """
    if mode == "vmap":
        return jax.jit(lambda member, *shared: jax.vmap(lambda m: fn(m, *shared))(member))
    if mode == "map":
        return jax.jit(lambda member, *shared: jax.lax.map(lambda m: fn(m, *shared), member))
    jitted = jax.jit(fn)

    def loop(member: Any, *shared: Any) -> Any:
        results = [jitted(pick(member, i), *shared) for i in range(size(member))]
        return stack(results)

    return loop


def size(member: Any) -> int:
    """Number of members P of a stacked tree."""
    return jax.tree.leaves(member)[0].shape[0]


def pick(member: Any, index: int) -> Any:
    """One member of a stacked tree."""
    return jax.tree.map(lambda x: x[index], member)


def stack(members: list[Any]) -> Any:
    """Trees of one shape as one with a leading axis P."""
    return jax.tree.map(lambda *x: jnp.stack(x), *members)
