import os
import pathlib

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("WANDB_MODE", "offline")

import pytest

from sandwich_jax import cli
from sandwich_jax.outside import programs

cli.quiet_start()

DATA = pathlib.Path(os.environ.get("SANDWICH_DATA", "../shared/data"))


@pytest.fixture(scope="session")
def data() -> pathlib.Path:
    """Folder of real games, puzzles and openings; never part of the project."""
    if not DATA.is_dir():
        pytest.skip(f"no data in {DATA}: set SANDWICH_DATA")
    return DATA


@pytest.fixture(scope="module", autouse=True)
def _room_for_programs():
    """The whole suite compiles more programs than a process has room for."""
    yield
    programs.make_room()
