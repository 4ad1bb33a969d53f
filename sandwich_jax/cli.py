"""The command line: `sandwich-jax --help`."""

from __future__ import annotations

import dataclasses
import errno
import functools
import json
import operator
import os
import pathlib
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal

import platformdirs
import tyro
from rich.console import Console

from sandwich_jax.machine import cluster, devices, notices, preempt
from sandwich_jax.types import SettingError

try:
    devices.start(sys.argv[1:])  # before the imports below: pgx's puts arrays on a device
except SettingError as error:
    notices.tell(str(error))
    sys.exit(2)
except KeyboardInterrupt:
    notices.tell("interrupted.")
    sys.exit(130)

from sandwich_jax import options, outputs
from sandwich_jax.driver import Result
from sandwich_jax.engines.engine_pool import EngineConfig
from sandwich_jax.evaluation.settings import EvaluateConfig
from sandwich_jax.folders.log import WandbMode
from sandwich_jax.members import Config
from sandwich_jax.players.human import PlayConfig
from sandwich_jax.players.matches import MatchConfig, Schedule
from sandwich_jax.report.settings import ReportConfig
from sandwich_jax.running.phase import Phase
from sandwich_jax.running.saboteur_folder import Material
from sandwich_jax.running.sweep_folder import Devices
from sandwich_jax.training.corpus import Filters
from sandwich_jax.training.pretrain import MoveMatch, PretrainConfig
from sandwich_jax.training.saboteur import SaboteurConfig

OUT = Console(width=None if sys.stdout.isatty() else 140)


@dataclasses.dataclass(frozen=True)
class CorpusBuild:
    """Turns PGN files into a corpus of move arrays."""

    pgn: tyro.conf.Positional[tuple[pathlib.Path, ...]]
    """PGN files, plain or packed (.zst, .gz, .bz2, .xz)."""
    out: pathlib.Path
    """The corpus file to write (.npz)."""
    filters: tyro.conf.OmitArgPrefixes[Filters] = Filters()
    test_share: float = 0.02
    """Share of games held out, chosen by a hash of their moves."""
    max_games: int | None = None
    """Stop after so many usable games."""
    workers: int | None = None
    """Threads; all processors by default."""


@dataclasses.dataclass(frozen=True)
class Cluster:
    """How several processes find one another."""

    distributed: bool = False
    """Share the work among the processes of JAX's distributed runtime."""
    coordinator: str | None = None
    """Address of process 0, HOST:PORT; found by itself where JAX knows the cluster."""
    processes: int | None = None
    """How many in all; likewise."""
    process_id: int | None = None
    """Which one this is, from 0; likewise."""


@dataclasses.dataclass(frozen=True)
class Pretrain:
    """Trains E or W on a corpus; run it again to go on after an interruption.

    On several machines, start the same command with --distributed on each, corpus and --out in a
    folder that all share: all their devices then share every batch.
    """

    corpus: pathlib.Path
    """A corpus file."""
    out: pathlib.Path
    """Folder for the network."""
    config: tyro.conf.OmitArgPrefixes[PretrainConfig]
    devices: int | None = None
    """How many share every batch; all by default."""
    cluster: tyro.conf.OmitArgPrefixes[Cluster] = Cluster()


@dataclasses.dataclass(frozen=True)
class TrainSaboteur:
    """Trains an M whose moves lose without W seeing it; run it again to go on."""

    corpus: pathlib.Path
    """A corpus file: positions of its training games."""
    out: pathlib.Path
    """Folder for the network, and for the positions with all that is known of their moves."""
    material: tyro.conf.OmitArgPrefixes[Material] = Material()
    config: tyro.conf.OmitArgPrefixes[SaboteurConfig] = SaboteurConfig()
    engine: EngineConfig = EngineConfig()


@dataclasses.dataclass(frozen=True)
class Run:
    """Sandwiching: rounds of self-play, fine-tuning and arena; run it again to resume.

    Exits with 75 when SIGTERM stopped it: the same command goes on after the last whole round.
    """

    config: tyro.conf.OmitArgPrefixes[Any]
    """Of `options.made`: kinds may come with settings of their own."""
    out: pathlib.Path = pathlib.Path("runs/run")
    """The run's folder."""
    wandb: WandbMode = "offline"
    """Weights & Biases; offline needs no account."""


@dataclasses.dataclass(frozen=True)
class Sweep:
    """A grid of runs as one program, over devices and machines; run it again to resume or widen.

    Exits with 75 when SIGTERM stopped it: the same command goes on where it was. On several
    machines, start the same command with --distributed on each, --out in a folder that all share.
    """

    config: tyro.conf.Positional[pathlib.Path]
    """TOML: any setting of `run`; those that may be lists are axes of the grid."""
    out: pathlib.Path | None = None
    """The sweep's folder; runs/NAME by default, as the file is called."""
    wandb: WandbMode = "offline"
    """Weights & Biases: one group, a run a member."""
    where: tyro.conf.OmitArgPrefixes[Devices] = Devices()
    cluster: tyro.conf.OmitArgPrefixes[Cluster] = Cluster()
    """Every process plays its share of the members."""


@dataclasses.dataclass(frozen=True)
class Match:
    """Plays two players against each other: score, Elo and, if wanted, a sequential test."""

    a: tyro.conf.Positional[str]
    """zoo:NAME, ckpt:PATH, fresh:SEED, random, stockfish:nodes=N[,q=Q] or stockfish:elo=N."""
    b: tyro.conf.Positional[str]
    """Likewise."""
    config: tyro.conf.OmitArgPrefixes[MatchConfig] = MatchConfig()
    engine: EngineConfig = EngineConfig()
    sprt: tuple[float, float] | None = None
    """Stop once it is decided whether A's lead in Elo is the first number or the second."""
    alpha: float = 0.05
    """Probability of deciding for the second where the first holds."""
    beta: float = 0.05
    """Probability of deciding for the first where the second holds."""
    out: pathlib.Path | None = None
    """Adds the result to this file of JSON lines."""


@dataclasses.dataclass(frozen=True)
class Elo:
    """Puts players on one scale: matches between them, one joint fit."""

    players: tyro.conf.Positional[tuple[str, ...]]
    """At least two, spelled as for `match`."""
    config: tyro.conf.OmitArgPrefixes[MatchConfig] = MatchConfig()
    engine: EngineConfig = EngineConfig()
    schedule: Schedule = "all"
    """Everybody meets everybody, neighbours in the list do, or those two apart as well."""
    anchor: str | None = None
    """The player whose Elo is set; by default the first. Only differences are measured."""
    anchor_elo: float = 0.0
    out: pathlib.Path | None = None
    """Adds matches and standings to this file of JSON lines."""


@dataclasses.dataclass(frozen=True)
class Puzzles:
    """Lets players solve puzzles: the share solved by rating. A move that mates is always right."""

    players: tyro.conf.Positional[tuple[str, ...]]
    """Spelled as for `match`."""
    file: pathlib.Path
    """Puzzles as CSV, plain or packed (.zst), with the columns PuzzleId, FEN, Moves and Rating, as
    Lichess has them."""
    count: int | None = None
    """Draw so many at random; all by default."""
    seed: int = 0
    """Of the draw."""
    out: pathlib.Path | None = None
    """Adds the results to this file of JSON lines."""


@dataclasses.dataclass(frozen=True)
class Shift:
    """Lays networks beside the one that they were tuned from: what tuning did to the policy."""

    base: tyro.conf.Positional[str]
    """zoo:NAME, ckpt:PATH or fresh:SEED."""
    tuned: tyro.conf.Positional[tuple[str, ...]]
    """Likewise."""
    positions: tuple[str, ...] = ("openings",)
    """Sets of positions: openings, puzzles:PATH, corpus:PATH (its test games) or run:PATH (a run's
    self-play)."""
    expert: str | None = None
    """A network to measure the distance to as well, such as zoo:expert."""
    count: int = 2000
    """Positions drawn from each set."""
    out: pathlib.Path | None = None
    """Adds the results to this file of JSON lines."""


@dataclasses.dataclass(frozen=True)
class Evaluate:
    """Measures all that a run folder allows, each measure once; adds to its evaluation.jsonl."""

    run: tyro.conf.Positional[pathlib.Path]
    """The run's folder, or a sweep's: its members in turn, each in its own folder."""
    config: tyro.conf.OmitArgPrefixes[EvaluateConfig] = EvaluateConfig()
    engine: EngineConfig = EngineConfig()


@dataclasses.dataclass(frozen=True)
class Uci:
    """Any player as a UCI engine, for chess programs: point them at this command."""

    player: str = "zoo:expert"
    """zoo:NAME, ckpt:PATH, fresh:SEED, random, stockfish:..., or W with an assistant:
    assisted:W,E[,MISALIGNMENT][,PROTOCOL][,SETTING=VALUE ...]."""
    temperature: float = 0.1
    """Of its moves; 0 plays the best. Also a UCI option."""


@dataclasses.dataclass(frozen=True)
class Play:
    """A game against any player in the terminal: be the weak human, with advice that may be
    corrupt."""

    player: tyro.conf.Positional[str] = "zoo:weak"
    """Your opponent, spelled as for `uci`."""
    config: tyro.conf.OmitArgPrefixes[PlayConfig] = PlayConfig()


@dataclasses.dataclass(frozen=True)
class Report:
    """One HTML page of runs and sweeps, also unfinished ones, with their games to watch."""

    runs: tyro.conf.Positional[tuple[pathlib.Path, ...]]
    """Folders that `run` or `sweep` left."""
    out: pathlib.Path | None = None
    """The page; by default report.html in the first folder."""
    config: tyro.conf.OmitArgPrefixes[ReportConfig] = ReportConfig()


@dataclasses.dataclass(frozen=True)
class Bench:
    """Speed beside a peer's, one JSON object a line; both run in one process by turns."""

    what: tyro.conf.Positional[Literal["board", "selfplay", "corpus"]]
    """board: against pgx's chess. selfplay: against the bare forward passes that it makes. corpus:
    against python-chess."""
    batches: tuple[int, ...] = ()
    """Games at a time, of board and selfplay; 64 and 1024, or 256 and 1024, by default."""
    repeats: int = 5
    """Runs of each side; figures are medians."""
    network: str = "tiny"
    """Of selfplay: the size of fresh networks."""
    expert: str = "fresh:1"
    """Of selfplay: E. What trained networks play differs from what fresh ones do, and with it what
    some protocols cost."""
    weak: str = "fresh:2"
    """Of selfplay: W."""
    protocols: tuple[str, ...] = ("always_follow",)
    """Of selfplay; beside always_follow, the cost of the others is told relative to it."""
    plies: int = 80
    """Of selfplay: of a game at most."""
    misalignment: str = "random_move"
    """Of selfplay."""
    pgn: pathlib.Path | None = None
    """Of corpus; random games by default."""
    games: int = 2048
    """Of corpus."""


def corpus_build(args: CorpusBuild) -> None:
    """`sandwich-jax corpus build`."""
    from sandwich_jax.machine import display
    from sandwich_jax.training import corpus

    total = sum(os.path.getsize(path) for path in args.pgn if os.path.isfile(path))

    def build() -> dict[str, int]:
        with display.bar("Corpus") as bar:
            return corpus.build(
                list(args.pgn),
                args.out,
                args.filters,
                args.test_share,
                args.max_games,
                args.workers,
                lambda read, games: bar.update(min(read, total), total, f"{games:,} games"),
            )

    outputs.show(build, _print_counts)
    OUT.print(f"Corpus in {args.out}", highlight=False)


def _print_counts(counts: dict[str, int]) -> None:
    for reason, count in sorted(counts.items(), key=lambda item: -item[1]):
        OUT.print(f"{count:>10,}  {reason}", highlight=False)


def pretrain(args: Pretrain) -> None:
    """`sandwich-jax pretrain`."""
    import jax

    from sandwich_jax.machine import display
    from sandwich_jax.running import network_folder

    def train() -> MoveMatch:
        with display.bar(args.config.role) as bar:
            return network_folder.pretrain_in(
                args.out, args.config, args.corpus, bar.update, args.devices
            )

    def shown(match: MoveMatch) -> None:
        if jax.process_index() == 0:
            OUT.print(
                f"Matches {match.share:.1%} [{match.low:.1%}, {match.high:.1%}] of human moves on"
                f" {match.positions:,} unseen positions.",
                highlight=False,
            )

    outputs.show(train, shown)
    if jax.process_index() == 0:
        OUT.print(f"Network in {args.out} (ckpt:{args.out}).", highlight=False)


def train_saboteur(args: TrainSaboteur) -> None:
    """`sandwich-jax train-saboteur`."""
    from sandwich_jax.machine import display
    from sandwich_jax.running import saboteur_folder

    with display.bar("Saboteur") as bar:
        saboteur_folder.train_in(
            args.out, args.corpus, args.material, args.config, args.engine, bar.update
        )
    OUT.print(f"Network in {args.out} (ckpt:{args.out}).", highlight=False)


def run(args: Run) -> None:
    """`sandwich-jax run`."""
    show(options.config_of(args.config), args.out, args.wandb, "Run")


def show(config: Config, out: pathlib.Path, wandb: WandbMode, title: str) -> None:
    """Runs `config` in the folder `out` with a progress display, then prints what came out."""
    from sandwich_jax.folders import places
    from sandwich_jax.machine import display, interrupts
    from sandwich_jax.running import result_tables, run_folder

    def play() -> Result:
        with preempt.watch() as watch, interrupts.watch() as keys, display.bar(title) as bar:
            told = interrupts.stopping(bar.update, keys)
            return run_folder.run(config, out, wandb=wandb, progress=told, pause=watch.pause)

    outputs.show(play, lambda result: OUT.print(result_tables.results_table(result.rows)))
    OUT.print(f"Everything lies in {out}:", highlight=False)
    for path in sorted(out.iterdir()):
        OUT.print(f"  {path.name:<22} {places.CONTENTS.get(path.name, '')}", highlight=False)


def sweep(args: Sweep) -> None:
    """`sandwich-jax sweep`."""
    import jax

    from sandwich_jax.machine import display, interrupts
    from sandwich_jax.running import result_tables, sweep_folder

    out = args.out or pathlib.Path("runs") / args.config.stem
    settings = sweep_folder.read(args.config)

    def play() -> tuple[Phase, dict[str, Any]]:
        sigterm = preempt.watch(cluster.linger())
        with sigterm as watch, interrupts.watch() as keys, display.bar("Sweep") as bar:
            return sweep_folder.run(
                settings,
                out,
                where=args.where,
                wandb=args.wandb,
                progress=interrupts.stopping(bar.update, keys),
                pause=watch.pause,
            )

    def shown(result: tuple[Phase, dict[str, Any]]) -> None:
        if jax.process_index() > 0:
            return
        found, pace = result
        for table in result_tables.sweep_tables(found.rows, found.critical):
            OUT.print(table)
        about = {"sweep": str(out), "cells": len(found.rows), "critical": found.critical}
        print(json.dumps(about | {"pace": pace}), flush=True)

    outputs.show(play, shown)


def match(args: Match) -> None:
    """`sandwich-jax match`."""
    from sandwich_jax.measures import sprt
    from sandwich_jax.players import contest

    test = sprt.Test(*args.sprt, args.alpha, args.beta) if args.sprt else None
    contest.match(args.a, args.b, args.config, args.engine, test, args.out, OUT)


def elo(args: Elo) -> None:
    """`sandwich-jax elo`."""
    from sandwich_jax.players import contest

    anchor = args.anchor or next(iter(args.players), "")
    scale = contest.Scale(args.schedule, anchor, args.anchor_elo)
    contest.elo(args.players, args.config, args.engine, scale, args.out, OUT)


def puzzles(args: Puzzles) -> None:
    """`sandwich-jax puzzles`."""
    from sandwich_jax.evaluation import solving

    solving.show(args.players, args.file, args.count, args.seed, args.out, OUT)


def shift(args: Shift) -> None:
    """`sandwich-jax shift`."""
    from sandwich_jax.evaluation import shift_table as shifts

    shifts.show(args.base, args.tuned, args.positions, args.expert, args.count, args.out, OUT)


def evaluate(args: Evaluate) -> None:
    """`sandwich-jax evaluate`."""
    from sandwich_jax.evaluation import evaluate as evaluation
    from sandwich_jax.folders import places

    folders, failed = places.run_folders(args.run), False
    for folder in folders:
        try:
            evaluation.show(folder, args.config, args.engine, OUT)
        except SettingError as error:
            if len(folders) == 1 or isinstance(error, outputs.Unwritten):
                raise
            # A damaged member; the others are measured.
            notices.tell(str(error))
            failed = True
    if failed:
        sys.exit(2)


def uci(args: Uci) -> None:
    """`sandwich-jax uci`."""
    from sandwich_jax.players import seats
    from sandwich_jax.players import uci_engine as engine

    engine.serve(args.player, args.temperature, seats.heard(sys.stdin), sys.stdout)
    sys.stdout.flush()
    os._exit(0)  # at once: there are programs that kill an engine that takes leave slowly


def play(args: Play) -> None:
    """`sandwich-jax play`."""
    from sandwich_jax.players import human, seats

    human.play(args.player, args.config, seats.heard(sys.stdin), OUT)


def report(args: Report) -> None:
    """`sandwich-jax report`."""
    from sandwich_jax.report import build

    build.show(args.runs, args.out, args.config, OUT)


def bench(args: Bench) -> None:
    """`sandwich-jax bench`."""
    from sandwich_jax.machine import display

    rows = _bench_rows(args)
    while True:  # a bar a row, so that rows are written while there is none
        with display.bar(f"Bench {args.what}") as bar:
            bar.say("measuring")
            row = next(rows, None)
        if row is None:
            break
        print(json.dumps(row), flush=True)


def _bench_rows(args: Bench) -> Iterator[dict[str, Any]]:
    if args.repeats < 1 or args.plies < 1 or any(batch < 2 or batch % 2 for batch in args.batches):
        raise SettingError(
            "repeats and plies must be at least 1, and batches even numbers of at least 2."
        )
    if args.what == "board":
        from sandwich_jax.board.bench import bench as board_rows

        return board_rows(args.batches or (64, 1024), repeats=args.repeats)
    if args.what == "corpus":
        from sandwich_jax.training.corpus_bench import bench as corpus_rows

        return corpus_rows(args.pgn, args.games, args.repeats)
    from sandwich_jax import games
    from sandwich_jax.folders import store
    from sandwich_jax.measures import throughput
    from sandwich_jax.players import spelled

    net, expert, weak = spelled.load_pair(args.expert, args.weak, "chess", args.network)
    name = f"E {args.expert} and W {args.weak} ({store.size_name(net.config)})"
    pair = throughput.Pair(name, games.make("chess"), net, expert, weak)
    batches = args.batches or (256, 1024)
    about = (args.protocols, args.misalignment, args.repeats, args.plies)
    return throughput.bench(pair, batches, *about)


VERBS: dict[str, tuple[type, Callable]] = {
    "corpus-build": (CorpusBuild, corpus_build),
    "pretrain": (Pretrain, pretrain),
    "train-saboteur": (TrainSaboteur, train_saboteur),
    "run": (Run, run),
    "sweep": (Sweep, sweep),
    "match": (Match, match),
    "elo": (Elo, elo),
    "puzzles": (Puzzles, puzzles),
    "shift": (Shift, shift),
    "evaluate": (Evaluate, evaluate),
    "uci": (Uci, uci),
    "play": (Play, play),
    "report": (Report, report),
    "bench": (Bench, bench),
}


def main(arguments: list[str] | None = None) -> None:
    """Entry point of `sandwich-jax`."""
    own, arguments = arguments is None, sys.argv[1:] if arguments is None else arguments
    # "corpus build" is one verb of two words.
    if arguments[:2] == ["corpus", "build"]:
        arguments = ["corpus-build", *arguments[2:]]
    Run.__annotations__["config"] = tyro.conf.OmitArgPrefixes[options.made(arguments)]
    named = (Annotated[verb, tyro.conf.subcommand(name)] for name, (verb, _) in VERBS.items())
    verbs = functools.reduce(operator.or_, named)
    calls = dict(VERBS.values())

    def call() -> None:
        args = tyro.cli(verbs, prog="sandwich-jax", description=__doc__, args=arguments)  # pyright: ignore
        calls[type(args)](args)

    guarded(call, own)


def guarded(call: Callable[[], None], own: bool = True) -> None:
    """Calls; one sentence and exit code 2 on settings or input that cannot be used.

    Args:
        call: the command.
        own: this process is there for the command alone.
    """
    quiet_start()
    try:
        call()
    except SettingError as error:
        print(f"sandwich-jax: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:
        # Nobody reads on, as after `| head`: as the signal would, and nothing is left to flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)
    except OSError as error:
        if error.errno is None:
            raise
        print(f"sandwich-jax: {_io_sentence(error)}", file=sys.stderr)
        sys.exit(2)
    except preempt.Stopped:
        preempt.leave(cluster.linger())
    except KeyboardInterrupt as stop:
        says = str(stop) or "interrupted; run the same command again to go on."
        print(f"sandwich-jax: {says}", file=sys.stderr)
        if own:
            # At once: to end the interpreter under a computation that still runs can crash it.
            sys.stdout.flush()
            os._exit(130)
        sys.exit(130)


def _io_sentence(error: OSError) -> str:
    """What the operating system refused, and to which file."""
    if error.errno == errno.ENOSPC:
        place = f" for {error.filename}" if error.filename else ""
        return (
            f"no space left on the disk{place}; what was finished is kept. Make space and run the"
            " same command again."
        )
    place = error.filename2 or error.filename or "reading or writing failed"
    return f"{place}: {outputs.reason(error)}."


def quiet_start() -> None:
    """Turns the persistent compile cache on and the C++ runtime's chatter off."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import jax

    cache = os.environ.get("JAX_COMPILATION_CACHE_DIR")
    cache = cache or str(platformdirs.user_cache_path("sandwich_jax") / "xla")
    jax.config.update("jax_compilation_cache_dir", cache)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)


if __name__ == "__main__":
    main()
