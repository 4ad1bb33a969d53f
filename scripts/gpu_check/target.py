"""Compiling for what is not there: an NVIDIA H100 by its description, a TPU by lowering."""

from __future__ import annotations

import os
import pathlib
import tempfile
from collections.abc import Callable
from typing import Any, NamedTuple

DESCRIPTION = """
gpu_device_info {
  threads_per_block_limit: 1024
  threads_per_warp: 32
  shared_memory_per_block: 49152
  shared_memory_per_core: 233472
  threads_per_core_limit: 2048
  core_count: 132
  fpus_per_core: 128
  block_dim_limit_x: 2147483647
  block_dim_limit_y: 65535
  block_dim_limit_z: 65535
  memory_bandwidth: 3352320000000
  l2_cache_size: 52428800
  clock_rate_ghz: 1.98
  device_memory_size: 84929347584
  shared_memory_per_block_optin: 232448
  cuda_compute_capability { major: 9 }
  registers_per_core_limit: 65536
  registers_per_block_limit: 65536
  driver_version: "13.0.0"
  runtime_version: "13.0.0"
  compile_time_toolkit_version: "13.0.0"
}
platform_name: "CUDA"
dnn_version_info { major: 9 minor: 12 }
runtime_version { major: 13 minor: 0 patch: 0 }
device_description_str: "NVIDIA H100 80GB HBM3"
"""
"""Without versions of driver and runtime, XLA keeps conditionals and loops out of CUDA graphs."""

NAME = "aot"
"""Begins the name of every module that is looked at: XLA writes the thunks of those alone."""


def environment(folder: pathlib.Path) -> None:
    """Sets what must be set before JAX is imported; XLA's lists go to `folder`."""
    os.environ["JAX_PLATFORMS"] = "cpu"
    flags = [
        os.environ.get("XLA_FLAGS", ""),
        "--xla_gpu_autotune_level=0",  # it would time kernels on a device
        f"--xla_dump_to={folder}",
        "--xla_dump_hlo_as_text",
        f"--xla_dump_hlo_module_re=jit_{NAME}_.*",
    ]
    os.environ["XLA_FLAGS"] = " ".join(flags)


def device() -> Any:
    """An H100 to compile for.

    Raises:
        RuntimeError: JAX has no CUDA plugin.
    """
    from jax.experimental import topologies

    topology = topologies.get_topology_desc(
        platform="cuda", target_config=DESCRIPTION, topology="1x1x1"
    )
    return topology.devices[0]


class Compiled(NamedTuple):
    """What XLA made of a program."""

    hlo: str
    thunks: str
    """Empty if XLA wrote no list."""
    temp: int
    """Bytes of temporary memory."""
    arguments: int
    """Bytes of arguments and results."""


def compile_for(device: Any, fn: Callable, shapes: Any, folder: pathlib.Path) -> Compiled:
    """Compiles `fn` for a device of `device`; XLA's lists pass through `folder`."""
    import jax

    place = jax.sharding.SingleDeviceSharding(device)
    placed = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=place), tuple(shapes)
    )
    compiled: Any = jax.jit(_named(fn)).lower(*placed).compile()
    lists = sorted(folder.glob(f"*jit_{NAME}_*thunk_sequence_after_thunk_passes.txt"))
    thunks = lists[-1].read_text() if lists else ""
    for path in folder.iterdir():  # hundreds of files a program, and empty folders of others
        if path.is_file():
            path.unlink()
    memory = compiled.memory_analysis()
    kept = memory.argument_size_in_bytes + memory.output_size_in_bytes
    return Compiled(compiled.as_text(), thunks, memory.temp_size_in_bytes, kept)


def lower_for_tpu(fn: Callable, shapes: Any) -> int:
    """Lowers `fn` for a TPU; returns the bytes of the module."""
    import jax
    import jax.export

    exported = jax.export.export(jax.jit(_named(fn)), platforms=["tpu"])(*shapes)
    return len(exported.mlir_module_serialized)


def _named(fn: Callable) -> Callable:
    def named(*arguments: Any) -> Any:
        return fn(*arguments)

    named.__name__ = named.__qualname__ = f"{NAME}_program"
    return named


def scratch() -> tempfile.TemporaryDirectory:
    """A folder for XLA's lists."""
    return tempfile.TemporaryDirectory(prefix="gpu-check-")
