"""The command line: `sandwich-jax --help`."""

from __future__ import annotations

import functools
import importlib
import operator
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import tyro

from sandwich_jax.machine import console

VERBS = {
    "corpus-build": "CorpusBuild",
    "pretrain": "Pretrain",
    "train-saboteur": "TrainSaboteur",
    "run": "Run",
    "sweep": "Sweep",
    "match": "Match",
    "elo": "Elo",
    "puzzles": "Puzzles",
    "shift": "Shift",
    "evaluate": "Evaluate",
    "uci": "Uci",
    "play": "Play",
    "report": "Report",
    "kinds": "Kinds",
    "bench": "Bench",
    "language-train": "LanguageTrain",
    "language-run": "LanguageRun",
    "language-sweep": "LanguageSweep",
    "language-tune": "LanguageTune",
}
"""Every verb and the class of its settings; both are in the module that is called as the verb.
Those with "corpus" or "language" in front are spelled as two words."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of `sandwich-jax`."""
    own, arguments = arguments is None, sys.argv[1:] if arguments is None else list(arguments)
    console.start(arguments)  # before a verb is imported: pgx puts arrays on a device
    if arguments[:1] in (["corpus"], ["language"]) and len(arguments) > 1:
        verb = "-".join(arguments[:2])
        arguments = [verb, *arguments[2:]] if verb in VERBS else arguments

    def call() -> None:
        function, args = _read(arguments)
        function(args)

    console.guarded(call, own)


def _read(arguments: list[str]) -> tuple[Callable[[Any], None], Any]:
    """The chosen verb's function and settings; help and what is wrong are told by all verbs."""
    name = arguments[0] if arguments else ""
    if name in VERBS:
        settings, function = _verb(name, arguments)
        try:
            return function, tyro.cli(settings, args=arguments[1:], console_outputs=False)
        except SystemExit:
            pass  # said below: help, or what is wrong, with what other verbs have
    verbs = {name: _verb(name, arguments) for name in VERBS}
    named = (Annotated[kind, tyro.conf.subcommand(name)] for name, (kind, _) in verbs.items())
    union = functools.reduce(operator.or_, named)
    args = tyro.cli(union, prog="sandwich-jax", description=__doc__, args=arguments)  # pyright: ignore
    return dict(verbs.values())[type(args)], args


def _verb(name: str, arguments: list[str]) -> tuple[type, Callable[[Any], None]]:
    """The class of a verb's settings, and its function."""
    own = name.replace("-", "_")
    module = importlib.import_module(f"sandwich_jax.cli.{own}")
    settings = getattr(module, VERBS[name])
    if hasattr(settings, "of"):  # its options depend on what is declared
        settings = settings.of(arguments)
    return settings, getattr(module, own)
