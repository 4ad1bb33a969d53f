"""What is told in one sentence, and no traceback."""

from __future__ import annotations


class SettingError(Exception):
    """A setting or an input that cannot be used; its one sentence names it and what is allowed.

    Not a ValueError: the command line's parser would wrap one in a frame of its own.
    """

    def __str__(self) -> str:
        """One line, also where it quotes input with line ends or commands to a terminal in it."""
        text = super().__str__()
        return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
