"""Artificial sandwiching on chess, in JAX.

`sandwich_jax.run(sandwich_jax.Config(...), "runs/mine")` is one run; everything else is a module.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sandwich_jax.driver import Result
    from sandwich_jax.members import Config
    from sandwich_jax.running.interactive import run
    from sandwich_jax.types import SettingError

__all__ = ["Config", "Result", "SettingError", "run"]

_HOME = {
    "Config": "members",
    "Result": "driver",
    "SettingError": "types",
    "run": "running.interactive",
}


def __getattr__(name: str) -> Any:
    # On first use, so that worker processes that parse PGN need not load JAX and all the rest.
    if name not in _HOME:
        raise AttributeError(f"module 'sandwich_jax' has no attribute '{name}'")
    import importlib

    if name != "SettingError":  # the rest computes, and a device may be missing
        from sandwich_jax.machine import devices

        devices.check()
    return getattr(importlib.import_module(f"sandwich_jax.{_HOME[name]}"), name)
