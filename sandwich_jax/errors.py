"""What is told in one sentence, and no traceback."""

from __future__ import annotations


class SettingError(Exception):
    """A setting or an input that cannot be used; its one sentence names it and what is allowed.

    Not a ValueError: the command line's parser would wrap one in a frame of its own.
    """

    def __str__(self) -> str:
        """One line, also where it quotes input with line ends or commands to a terminal in it."""
        return printable(super().__str__())


def printable(text: str, beside: str = "") -> str:
    """A text that gives a terminal no commands: what is not to be seen is spelled out.

    Args:
        text: from anywhere.
        beside: letters that may stay as they are.
    """
    return "".join(c if c.isprintable() or c in beside else repr(c)[1:-1] for c in text)
