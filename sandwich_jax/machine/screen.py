"""A terminal that shows texts from anywhere, also from files made by an enemy."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from sandwich_jax.errors import printable


class Screen(Console):
    """Spells out what would be a command to the terminal."""

    def render_str(self, text: str, **how: Any) -> Text:
        return super().render_str(printable(text, "\n\t"), **how)
