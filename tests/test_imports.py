"""The import rule: a file imports only from rooms above its own, and the world stays outside."""

import ast
import pathlib

PACKAGE = pathlib.Path(__file__).parents[1] / "sandwich_jax"

# From top to bottom; a room may import itself and those above.
ROOMS = (
    "types",
    "forms",
    "outputs",
    "arrays",
    "given",
    "settings",
    "board",
    "games",
    "nets",
    "models",
    "sampling",
    "lookahead",
    "misalign",
    "oversight",
    "play",
    "selfplay",
    "losses",
    "objectives",
    "finetune",
    "lane_layout",
    "arena",
    "controls",
    "uses",
    "run_settings",
    "config",
    "members",
    "sweep_file",
    "identity",
    "grid",
    "measures",
    "catalogue",
    "sandwich",
    "driver",
    "training",
    "machine",
    "folders",
    "engines",
    "players",
    "report",
    "running",
    "language",
    "evaluation",
    "cli",
)
WORLD = {"wandb", "orbax", "tyro", "rich", "matplotlib", "chess", "platformdirs", "zstandard"}
# What of the world a room may use; rooms that are not here use nothing of it.
WORLDLY = {
    "training": {"chess", "zstandard"},
    "machine": {"orbax", "platformdirs", "rich"},
    "folders": {"chess", "orbax", "wandb"},
    "engines": {"chess", "platformdirs"},
    "players": {"chess", "rich"},
    "report": {"chess", "matplotlib", "rich"},
    "running": {"rich"},
    "language": {"rich"},
    "evaluation": {"chess", "matplotlib", "rich"},
    "cli": {"tyro"},
}
# Of their rooms, all files that import python-chess.
WITH_CHESS = {
    "engines/analyses.py",
    "engines/engine_network.py",
    "engines/engine_pool.py",
    "engines/engine_saboteurs.py",
    "engines/fens.py",
    "engines/questions.py",
    "evaluation/adjudication.py",
    "evaluation/judged.py",
    "evaluation/solving.py",
    "folders/annotated.py",
    "folders/pgn.py",
    "players/assisted.py",
    "players/board_player.py",
    "players/engine_players.py",
    "players/human.py",
    "players/lockstep.py",
    "players/turns.py",
    "players/uci_engine.py",
    "report/watch.py",
    "training/corpus.py",
    "training/corpus_bench.py",
}


def _files() -> list[pathlib.Path]:
    return [p for p in sorted(PACKAGE.rglob("*.py")) if p != PACKAGE / "__init__.py"]


def _room(path: pathlib.Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _imports(path: pathlib.Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_every_file_is_in_a_room():
    assert {_room(path) for path in _files()} <= set(ROOMS)


def test_imports_go_up():
    wrong = []
    for path in _files():
        allowed = ROOMS[: ROOMS.index(_room(path)) + 1]
        for name in _imports(path):
            package, _, rest = name.partition(".")
            room = rest.split(".")[0]
            if package == "sandwich_jax" and room in ROOMS and room not in allowed:
                wrong.append(f"{path.relative_to(PACKAGE)} imports {name}")
    assert not wrong


def test_selfplay_and_finetune_do_not_know_each_other():
    for one, other in (("selfplay", "finetune"), ("finetune", "selfplay")):
        names = _imports(PACKAGE / f"{one}.py")
        assert not [name for name in names if name.startswith(f"sandwich_jax.{other}")]
        assert f"sandwich_jax.{other}" not in names


def test_the_world_stays_outside():
    for path in _files():
        used = {name.split(".")[0] for name in _imports(path)} & WORLD
        assert used <= WORLDLY.get(_room(path), set()), f"{path.name} imports {used}"


def test_python_chess_only_where_the_licence_note_says():
    users = {
        path.relative_to(PACKAGE).as_posix()
        for path in _files()
        if "chess" in {name.split(".")[0] for name in _imports(path)}
    }
    assert users == WITH_CHESS


def test_only_two_networks_know_flax():
    users = [p.name for p in _files() if any(n.startswith("flax") for n in _imports(p))]
    assert users == ["tower.py", "transformer.py"]
