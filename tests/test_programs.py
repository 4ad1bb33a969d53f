"""Room for compiled programs."""

import jax
import jax.numpy as jnp
import pytest

from sandwich_jax.machine import programs

linux = pytest.mark.skipif(not programs.MAPS.exists(), reason="no /proc/self/maps here")


def _pieces() -> int:
    return programs.MAPS.read_bytes().count(b"\n")


@linux
def test_old_programs_are_let_go_and_work_again():
    traced = []

    def fn(x):
        traced.append(None)
        return jnp.sin(x) @ x

    jitted, x = jax.jit(fn), jnp.eye(3)
    first = jitted(x)
    assert not programs.make_room(most=_pieces() + 1000)
    jitted(x)
    assert len(traced) == 1
    assert programs.make_room(most=0)
    assert (jitted(x) == first).all()
    assert len(traced) == 2


@linux
def test_programs_give_back_what_they_mapped():
    programs.make_room(most=0)
    before = _pieces()
    for size in range(3, 43):
        jax.jit(lambda x: jnp.linalg.norm(jnp.sin(x) @ jnp.cos(x)))(jnp.ones((size, size)))
    grown = _pieces() - before
    assert grown > 0
    programs.make_room(most=0)
    assert _pieces() - before < grown / 2
