"""`sandwich-jax report`."""

from __future__ import annotations

import dataclasses
import pathlib

import tyro

from sandwich_jax.machine import console
from sandwich_jax.report.settings import ReportConfig


@dataclasses.dataclass(frozen=True)
class Report:
    """One HTML page of runs and sweeps, also unfinished ones, with their games to watch."""

    runs: tyro.conf.Positional[tuple[pathlib.Path, ...]]
    """Folders that `run` or `sweep` left."""
    out: pathlib.Path | None = None
    """The page; by default report.html in the first folder."""
    config: tyro.conf.OmitArgPrefixes[ReportConfig] = ReportConfig()


def report(args: Report) -> None:
    """`sandwich-jax report`."""
    from sandwich_jax.report import build

    build.show(args.runs, args.out, args.config, console.OUT)
