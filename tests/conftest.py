import os
import pathlib

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("WANDB_MODE", "offline")

import pytest

from sandwich_jax import cli

cli.quiet_start()

DATA = pathlib.Path(os.environ.get("SANDWICH_DATA", "../shared/data"))


@pytest.fixture(scope="session")
def data() -> pathlib.Path:
    """Folder of real games, puzzles and openings; never part of the project."""
    if not DATA.is_dir():
        pytest.skip(f"no data in {DATA}: set SANDWICH_DATA")
    return DATA
