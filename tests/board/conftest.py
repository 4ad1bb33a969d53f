"""A compile cache for the board's tests."""

import jax
import pytest


@pytest.fixture(scope="session", autouse=True)
def compile_cache():
    """Compiled programs are kept between runs, unless the caller has chosen a place."""
    if jax.config.jax_compilation_cache_dir is None:
        jax.config.update("jax_compilation_cache_dir", "/tmp/sandwich-jax-board-cache")
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
