"""Settings of a machine, apart from what asks it, so that the command line starts fast."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Cluster:
    """How several processes find one another."""

    distributed: bool = False
    """Share the work among the processes of JAX's distributed runtime."""
    coordinator: str | None = None
    """Address of process 0, HOST:PORT; found by itself where JAX knows the cluster."""
    processes: int | None = None
    """How many in all; likewise."""
    process_id: int | None = None
    """Which one this is, from 0; likewise."""
