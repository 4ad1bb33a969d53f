"""`sandwich-jax evaluate`."""

from __future__ import annotations

import dataclasses
import pathlib
import sys

import tyro

from sandwich_jax import outputs
from sandwich_jax.engines.settings import EngineConfig
from sandwich_jax.errors import SettingError
from sandwich_jax.evaluation.settings import EvaluateConfig
from sandwich_jax.machine import console, notices


@dataclasses.dataclass(frozen=True)
class Evaluate:
    """Measures all that a run folder allows, each measure once; adds to its evaluation.jsonl."""

    run: tyro.conf.Positional[pathlib.Path]
    """The run's folder, or a sweep's: its members in turn, each in its own folder."""
    config: tyro.conf.OmitArgPrefixes[EvaluateConfig] = EvaluateConfig()
    engine: EngineConfig = EngineConfig()


def evaluate(args: Evaluate) -> None:
    """`sandwich-jax evaluate`."""
    from sandwich_jax.evaluation import evaluate as evaluation
    from sandwich_jax.folders import places

    folders, failed = places.run_folders(args.run), False
    for folder in folders:
        try:
            evaluation.show(folder, args.config, args.engine, console.OUT)
        except SettingError as error:
            if len(folders) == 1 or isinstance(error, outputs.Unwritten):
                raise
            # A damaged member; the others are measured.
            notices.tell(str(error))
            failed = True
    if failed:
        sys.exit(2)
