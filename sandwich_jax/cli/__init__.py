"""The command line: `sandwich-jax --help`.

A verb is a module here, with a dataclass of its settings and a function that does it, and a line in
`VERBS`. Both are loaded when the verb is called; JAX and all that needs it only by the function, so
that help and mistakes in settings are told at once.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from importlib import metadata
from typing import Any

from sandwich_jax import given
from sandwich_jax.errors import SettingError
from sandwich_jax.machine import console

VERBS = {
    "demo": "the main experiment on a laptop, on chess or Connect Four",
    "run": "sandwiching: rounds of self-play, fine-tuning and arena",
    "sweep": "a grid of runs as one program, over devices and machines",
    "evaluate": "measures all that a run folder allows",
    "report": "one HTML page of runs and sweeps, with their games to watch",
    "kinds": "every misalignment, schedule, protocol, objective and measure",
    "match": "two players against each other: score, Elo, a sequential test",
    "elo": "several players on one scale",
    "puzzles": "lets players solve puzzles",
    "shift": "what tuning did to a network's policy",
    "play": "a game in the terminal, with advice that may be corrupt",
    "uci": "any player as a UCI engine, for chess programs",
    "corpus-build": "PGN files to a corpus (also: corpus build)",
    "pretrain": "trains E or W on a corpus",
    "train-alphazero": "trains an E by self-play with a search, for any game",
    "train-saboteur": "trains an M whose moves lose without W seeing it",
    "language-train": "trains E, W and M on text (also, as those below: language train)",
    "language-run": "the same experiment on text",
    "language-sweep": "a grid of runs on text",
    "language-tune": "tunes a model of text by best_rated, ppo or demonstrations, for shift",
    "bench": "speed beside a peer's",
}
"""Every verb and what it does. `train-saboteur` is the function `train_saboteur` of the module of
the same name, which also has its settings, `TrainSaboteur`."""
TELLING = ("kinds",)
"""Verbs that compute nothing."""
USAGE = "sandwich-jax VERB [SETTING ...]"


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of `sandwich-jax`."""
    own, arguments = arguments is None, sys.argv[1:] if arguments is None else list(arguments)
    # "corpus build" and "language run" are verbs of two words.
    if arguments[:1] in (["corpus"], ["language"]) and "-".join(arguments[:2]) in VERBS:
        arguments = ["-".join(arguments[:2]), *arguments[2:]]
    console.guarded(lambda: _call(arguments), own)


def _call(arguments: list[str]) -> None:
    name, rest = (arguments[0], arguments[1:]) if arguments else ("", [])
    if name in ("-h", "--help"):
        print(_help())
    elif name == "--version":
        print(metadata.version("sandwich_jax"))
    elif not name:
        print(_help(), file=sys.stderr)
        sys.exit(2)
    elif name in VERBS:
        if name.startswith("language-"):  # whose settings are declared beside JAX
            console.start(rest)
        function, args = _read(name, rest)
        if name not in TELLING:
            console.start(rest)  # before JAX is asked for anything, and after mistakes are told
        function(args)
    else:
        raise SettingError(given.unknown("verb", name, VERBS, "`sandwich-jax --help` lists all."))


def _help() -> str:
    wide = max(map(len, VERBS))
    lines = (f"  {name:<{wide}}  {says}" for name, says in VERBS.items())
    about = "Artificial sandwiching on chess: can a weak model learn from a misaligned assistant?"
    foot = "`sandwich-jax VERB --help` has its settings; --version tells the version."
    return "\n".join((f"usage: {USAGE}", "", about, "", *lines, "", foot))


def _read(name: str, arguments: list[str]) -> tuple[Callable[[Any], None], Any]:
    """A verb's function, and its settings as the arguments give them.

    Raises:
        SettingError: one cannot be used.
    """
    import tyro

    own = name.replace("-", "_")
    module = importlib.import_module(f"sandwich_jax.cli.{own}")
    settings = getattr(module, name.title().replace("-", ""))
    if hasattr(settings, "of"):  # its options depend on what is declared
        settings = settings.of(arguments)
    args = tyro.cli(settings, prog=f"sandwich-jax {name}", args=arguments)
    return getattr(module, own), args
