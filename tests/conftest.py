import os
import pathlib
import signal

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("WANDB_MODE", "offline")
# Most of the suite's time is compiling, and hardly any test computes for long: XLA and LLVM need
# not spend theirs on fast code. (At xla_backend_optimization_level=0 some values come out wrong.)
os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "")
    + " --xla_backend_optimization_level=1 --xla_llvm_disable_expensive_passes=true"
    + " --xla_cpu_use_fusion_emitters=false"
    # Loops as they are written: a quarter of the time of compiling.
    + " --xla_backend_extra_options=-vectorize-loops=false,-vectorize-slp=false"
    + ",-unroll-allow-partial=false,-unroll-runtime=false,-unroll-max-count=1"
    + ",xla_cpu_disable_loop_unrolling,-disable-lsr,-disable-cgp"
)

# Workers side by side get a core each. XLA has as many threads as a process has cores, and small
# operations wait for the slowest of them: two workers that share two cores take turns at waiting.
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
if WORKER and hasattr(os, "sched_setaffinity"):
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[int(WORKER) % len(cores)]})

# Each file, and each process that a test starts, compiles the same small programs anew, which takes
# longer than reading them.
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"

import pytest

from sandwich_jax.machine import console, programs

console.start([])
console.quiet_start()
# A shell ignores these for what it starts in the background, and what tests start would too.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)

DATA = pathlib.Path(os.environ.get("SANDWICH_DATA", "../shared/data"))


HEAVY = (
    *("test_sweep", "test_objectives", "test_engine_network", "test_controls"),
    *("test_matches", "test_env", "test_protocols", "test_assistant", "test_tour"),
    *("test_search_gate", "test_lc0", "test_pairs", "test_language_runs", "test_sandwich"),
    *("test_forms", "test_evaluate", "test_report", "test_pretrain", "test_state"),
    *("test_full_disk", "test_alphazero", "test_games", "test_arena", "test_train_saboteur"),
    *("test_finetune", "test_language_writing", "test_sample", "test_uci", "test_engines"),
)
"""The files that take longest: they come first, so that workers end together."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts whole files in another order."""
    place = {name: index for index, name in enumerate(HEAVY)}
    items.sort(key=lambda item: place.get(item.path.stem, len(HEAVY)))


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


@pytest.fixture(scope="session")
def text_models(tmp_path_factory) -> pathlib.Path:
    """A folder of models of the small world, hardly trained."""
    from sandwich_jax.language import train
    from sandwich_jax.language.train_settings import TrainConfig

    folder = tmp_path_factory.mktemp("text") / "models"
    config = TrainConfig(
        of_world=True, network="nano", world_documents=300, passes=8.0, weak_passes=8.0, batch=8
    )
    train.train_in(folder, config)
    return folder
