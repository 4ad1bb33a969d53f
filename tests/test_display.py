"""Progress: a live bar on a terminal, plain lines elsewhere."""

import io

import pytest
from rich.console import Console

from sandwich_jax.machine import display


def _shown(terminal: bool, act) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=80)
    with display.bar("Work", console) as bar:
        act(bar)
    return console.file.getvalue()


@pytest.mark.parametrize("terminal", [False, True])
def test_what_is_done_is_said_as_text_and_never_as_markup(terminal):
    said = _shown(terminal, lambda bar: bar.say("reading [red]a[/red]"))
    assert "Work" in said and "reading [red]a[/red]" in said and ("\x1b" in said) == terminal


def test_lines_are_few_where_there_is_no_terminal():
    def act(bar):
        for i in range(1000):
            bar.say(f"step {i}")
        bar.update(5, 10)
        bar.update(10, 10, "over")

    assert _shown(False, act).splitlines() == ["Work: step 0", "Work: 100%  over"]
