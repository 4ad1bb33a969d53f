"""Makes sandwich_jax/kinds.json out of what kinds declare: python -m scripts.kinds_table.

A test compares the two; run this after a change of a kind or of one of its settings.
"""

from __future__ import annotations

import json

from sandwich_jax.machine import console

console.start([])

from sandwich_jax import kinds  # noqa: E402
from sandwich_jax.language import on_text  # noqa: E402
from sandwich_jax.measures.of_games import MEASURES  # noqa: E402


def text() -> str:
    """What the file should hold."""
    measures = {name: (one.says, one.source) for name, one in MEASURES.items()}
    told = kinds.made(measures, on_text.declarations())
    return json.dumps(told, indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    """Writes the table."""
    kinds.TABLE.write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    main()
