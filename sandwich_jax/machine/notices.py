"""Sentences for the user beside progress and results: what was done otherwise than asked."""

from __future__ import annotations

import functools
import sys

from sandwich_jax.errors import printable


@functools.cache
def tell_once(sentence: str) -> None:
    """`tell`, the first time in this process; nothing where there is nothing to say."""
    if sentence:
        tell(sentence)


def tell(sentence: str) -> None:
    """Prints a sentence as the command line does, where results do not go."""
    print(f"sandwich-jax: {printable(sentence)}", file=sys.stderr, flush=True)
