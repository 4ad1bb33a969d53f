"""The pool of engines: answers, and engines that are missing, crash, hang or talk nonsense."""

import functools
import os
import pathlib
import signal
import subprocess
import sys
import textwrap
import threading
import time

import chess
import fake_engine
import pytest

from sandwich_jax.engines import engine_pool, processes, questions
from sandwich_jax.engines.engine_pool import EngineConfig, Pool, Strength
from sandwich_jax.types import SettingError


@pytest.fixture
def fake(tmp_path):
    """`fake(fault, times)`: the path of an engine whose first `times` searches go wrong."""
    return functools.partial(fake_engine.make, tmp_path)


def _config(path: str, **changes) -> EngineConfig:
    return EngineConfig(path, **(dict(processes=2, restarts=2, seconds=60.0) | changes))


BOARDS = [chess.Board(), chess.Board("4k3/8/8/8/8/8/8/4K2Q w - - 0 1")] * 10


def _first_moves(boards):
    return [next(iter(board.legal_moves)) for board in boards]


# --- engines that fail --------------------------------------------------------------------------


def test_a_missing_engine_is_one_sentence(monkeypatch, tmp_path):
    with pytest.raises(SettingError, match="nowhere: no such engine"):
        Pool(EngineConfig(str(tmp_path / "nowhere")))
    monkeypatch.setenv(processes.VARIABLE, str(tmp_path / "elsewhere"))
    with pytest.raises(SettingError, match="elsewhere: no such engine"):
        Pool()
    monkeypatch.delenv(processes.VARIABLE)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(processes, "DEBIAN_PATH", str(tmp_path / "none"))
    with pytest.raises(SettingError, match="No Stockfish found: install it"):
        Pool()


def test_what_is_no_engine_is_said_so(fake, tmp_path):
    with Pool(_config(fake("dumb"))) as pool, pytest.raises(SettingError, match="not speak UCI"):
        pool.moves(BOARDS, Strength(1))
    (tmp_path / "text").write_text("#!/no/such/interpreter\n")
    (tmp_path / "text").chmod(0o755)
    with (
        Pool(_config(str(tmp_path / "text"))) as pool,
        pytest.raises(SettingError, match="cannot be started"),
    ):
        pool.moves(BOARDS, Strength(1))


def test_answers_come_in_order(fake, tmp_path):
    with Pool(_config(fake())) as pool:
        assert pool.moves(BOARDS, Strength(1)) == _first_moves(BOARDS)
        lines = pool.analyse(BOARDS, nodes=1)
        assert [(line.move, line.centipawns) for (line,) in lines] == [
            (move, 42) for move in _first_moves(BOARDS)
        ]
        assert len(fake_engine.alive(tmp_path)) == 2
    assert fake_engine.die_out(tmp_path)


@pytest.mark.parametrize("fault", ["crash", "hang", "nonsense"])
def test_an_engine_that_fails_is_replaced(fake, tmp_path, fault):
    seconds = 5.0 if fault == "hang" else 60.0
    with Pool(_config(fake(fault, 1), seconds=seconds)) as pool:
        assert pool.moves(BOARDS, Strength(1)) == _first_moves(BOARDS)
        assert len(fake_engine.alive(tmp_path)) == 2
    assert fake_engine.die_out(tmp_path)


@pytest.mark.parametrize(
    ("fault", "says"),
    [("crash", "crashed"), ("hang", r"took over 0\.5 s"), ("nonsense", "answered nonsense")],
)
def test_an_engine_that_fails_for_ever_is_given_up(fake, tmp_path, fault, says):
    seconds = 0.5 if fault == "hang" else 60.0
    config = _config(fake(fault, 1000), seconds=seconds)
    with Pool(config) as pool:
        with pytest.raises(
            engine_pool.EngineFault, match=rf"failed 3 times.*{says}.* at '"
        ) as caught:
            pool.moves(BOARDS, Strength(1))
        assert caught.value.done == [None] * len(BOARDS)
        assert len(str(caught.value).splitlines()) == 1
        assert fake_engine.die_out(tmp_path)
    assert len(list(tmp_path.glob("search-*"))) <= 4


PROMOTES = [chess.Board("8/P6k/8/8/8/8/8/K7 w - - 0 1"), chess.Board()] * 2


@pytest.mark.parametrize(
    ("answer", "lead"),
    [
        *(("{tail}", ""), ("{MOVE}", ""), ("{move} ponder e7e5", ""), ("{move} \t\0", "")),
        *(("{move}\r", ""), ("{move}", " \t")),
    ],
)
def test_habits_that_leave_no_doubt(fake, answer, lead):
    with Pool(_config(fake(answer=answer, lead=lead), restarts=0)) as pool:
        moves = pool.moves(PROMOTES, Strength(1))
        assert [line[0].move for line in pool.analyse(PROMOTES, nodes=1)] == moves
    assert moves[0].promotion and all(map(chess.Board.is_legal, PROMOTES, moves))


@pytest.mark.parametrize(
    "answer",
    [
        *("0000", "(none)", "NULL", "a1a1", "e2e5", "{move}x", "", "e1h8", "h9h9", "P@e4", "Nf3"),
        *("--", "\0", "é"),
    ],
)
def test_what_is_no_legal_move_is_one_sentence(fake, answer):
    path = fake(answer=answer)
    with (
        Pool(_config(path, restarts=0, processes=1)) as pool,
        pytest.raises(
            engine_pool.EngineFault, match=r"at last it answered nonsense .* no legal"
        ) as told,
    ):
        pool.moves([chess.Board()], Strength(1))
    assert len(str(told.value).splitlines()) == 1


def test_what_was_done_is_kept(fake):
    config = _config(fake("crash", 1000, after=4), processes=1, restarts=0)
    with (
        Pool(config) as pool,
        pytest.raises(engine_pool.EngineFault, match="4 of 20 positions were done") as caught,
    ):
        pool.moves(BOARDS, Strength(1))
    assert caught.value.done == [*_first_moves(BOARDS[:4]), *[None] * 16]


def test_a_pool_goes_on_after_a_refusal(fake):
    with Pool(_config(fake())) as pool:
        with pytest.raises(SettingError, match="has no UCI_Elo"):
            pool.moves(BOARDS, Strength(1, elo=1500))
        assert pool.moves(BOARDS[:2], Strength(1)) == _first_moves(BOARDS[:2])


def test_a_closed_pool_says_so(fake):
    pool = Pool(_config(fake()))
    pool.close()
    pool.close()
    with pytest.raises(SettingError, match="closed"):
        pool.moves(BOARDS, Strength(1))


@pytest.mark.parametrize(
    ("boards", "says"),
    [
        (["nonsense"], "'nonsense' cannot be played"),
        (["7k/5Q2/6K1/8/8/8/8/8 b - - 0 1"], "its game is over"),
        (["8/8/8/8/8/8/8/8 w - - 0 1"], "0 white kings"),
        ([chess.Board("8/8/8/8/8/8/8/8 w - - 0 1")], "no legal position"),
    ],
)
def test_positions_that_cannot_be_asked_about(fake, boards, says):
    with Pool(_config(fake())) as pool, pytest.raises(SettingError, match=says):
        pool.analyse(boards, nodes=1)


@pytest.mark.parametrize(
    "settings", [{"processes": 0}, {"hash_mb": 0}, {"restarts": -1}, {"seconds": 0.0}]
)
def test_settings_that_make_no_pool(fake, settings):
    with pytest.raises(SettingError, match="must be at least"):
        Pool(_config(fake(), **settings))


ORPHANS = """
import signal, sys, time
import chess
from sandwich_jax.engines.engine_pool import EngineConfig, Pool, Strength

pool = Pool(EngineConfig(sys.argv[1], processes=2, seconds=1000.0))
how = sys.argv[2]
if how == "exit":
    pool.moves([chess.Board()] * 4, Strength(1))
    sys.exit(0)
if how == "error":
    pool.moves([chess.Board()] * 4, Strength(1))
    raise RuntimeError("on purpose")
pool.moves([chess.Board()] * 4, Strength(1))  # hangs
"""


@pytest.mark.parametrize("how", ["exit", "error", "SIGTERM", "SIGHUP", "SIGINT"])
def test_no_orphans(fake, tmp_path, how):
    """Also where engines hang and have children of their own."""
    hang = how.startswith("SIG")
    path = fake("hang", 1000) if hang else fake()
    script = tmp_path / "main.py"
    script.write_text(textwrap.dedent(ORPHANS))
    process = subprocess.Popen([sys.executable, script, path, how], stderr=subprocess.DEVNULL)
    if hang:
        while len(list(tmp_path.glob("pid-*"))) < 4:  # two engines and a child each
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(getattr(signal, how))
    process.wait()
    assert list(tmp_path.glob("pid-*"))
    assert fake_engine.die_out(tmp_path)


# --- Stockfish ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stockfish():
    try:
        path = processes.find()
    except SettingError as error:
        pytest.skip(str(error))
    with Pool(EngineConfig(path)) as pool:
        yield pool


MATE_IN_ONE = "6k1/5ppp/8/8/8/8/8/R3K3 w - - 0 1"


def test_stockfish_sees_mates_and_material(stockfish):
    queen_up = "4k3/8/8/8/8/8/8/4K2Q {} - - 0 1"
    mate, ahead, behind = stockfish.analyse(
        [MATE_IN_ONE, queen_up.format("w"), queen_up.format("b")], nodes=5000
    )
    assert mate[0].move == chess.Move.from_uci("a1a8")
    assert (mate[0].centipawns, mate[0].win) == (questions.MATE - 1, 1.0)
    assert ahead[0].win > 0.85 and behind[0].win < 0.15


def test_lines_are_distinct_and_ordered(stockfish):
    (lines,) = stockfish.analyse([chess.Board()], nodes=20_000, multipv=5)
    assert len({line.move for line in lines}) == 5
    scores = [line.centipawns for line in lines]
    assert scores == sorted(scores, reverse=True)
    (few,) = stockfish.analyse(["k7/8/8/8/8/8/8/K6R b - - 0 1"], nodes=100, multipv=5)
    assert len(few) == 3


def test_answers_do_not_depend_on_the_number_of_processes_or_the_order(stockfish):
    boards = [chess.Board(b.fen()) for b in BOARDS[:2]]
    for san in ("e4", "c5", "Nf3", "d6", "d4"):
        board = boards[-1].copy() if san != "e4" else chess.Board()
        board.push_san(san)
        boards.append(board)
    several = stockfish.analyse(boards, nodes=3000)
    with Pool(EngineConfig(stockfish.path, processes=1)) as one:
        assert one.analyse(boards[::-1], nodes=3000)[::-1] == several


def _waited() -> tuple[float, float]:
    """Seconds that engines ran or waited for a core, and that our cores idled, until now."""
    tasks = [t for g in processes._groups for t in pathlib.Path(f"/proc/{g}/task").iterdir()]
    wanted = sum(sum(map(int, (t / "schedstat").read_text().split()[:2])) for t in tasks) / 1e9
    ours = {f"cpu{n}" for n in os.sched_getaffinity(0)}
    rows = [line.split() for line in pathlib.Path("/proc/stat").read_text().splitlines()]
    idle = sum(int(row[4]) + int(row[5]) for row in rows if row[0] in ours)
    return wanted, idle / os.sysconf("SC_CLK_TCK")


@pytest.mark.slow
@pytest.mark.parametrize(("nodes", "rounds"), [(2000, 40), (10_000, 12)])
def test_no_core_idles(stockfish, nodes, rounds):
    """Even where a position takes an engine a few milliseconds."""
    if not pathlib.Path("/proc/self/schedstat").exists():
        pytest.skip("this system does not tell how long a process waited")
    cores = len(os.sched_getaffinity(0))
    boards = BOARDS[::2] * rounds
    with Pool(EngineConfig(stockfish.path)) as pool:
        pool.analyse(boards[: pool.size], nodes)
        start, before = time.monotonic(), _waited()
        pool.analyse(boards, nodes)
        seconds = time.monotonic() - start
        wanted, idle = (b - a for a, b in zip(before, _waited(), strict=True))
    assert wanted / seconds > 0.9 * cores
    assert idle / seconds < 0.1 * cores


def test_an_interrupt_ends_a_search_and_the_pool_goes_on(fake, tmp_path):
    """Ctrl-C while an engine hangs: nothing that runs is left, and new engines are started."""
    with Pool(_config(fake("hang", 2), seconds=1000.0)) as pool:

        def interrupt() -> None:
            while len(list(tmp_path.glob("pid-*"))) < 4:  # two engines and a child each
                time.sleep(0.05)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

        threading.Thread(target=interrupt).start()
        with pytest.raises(KeyboardInterrupt):
            pool.moves(BOARDS, Strength(1))
        assert fake_engine.die_out(tmp_path)
        assert pool.moves(BOARDS, Strength(1)) == _first_moves(BOARDS)


def test_elo_out_of_range_is_refused(stockfish):
    with pytest.raises(SettingError, match=r"elo is 5: Stockfish .* takes"):
        stockfish.moves([chess.Board()], Strength(100, elo=5))
    (move,) = stockfish.moves([chess.Board()], Strength(100, elo=1500))
    assert chess.Board().is_legal(move)


def test_win_probability_is_lichess(stockfish):
    """The curve of https://lichess.org/page/accuracy at 0, 100 and -300."""
    found = [questions.win_probability(x) for x in (0, 100, -300)]
    assert found == pytest.approx([0.5, 0.5910, 0.2489], abs=1e-4)
