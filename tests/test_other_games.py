"""Settings left alone work for every game; where a network of a game comes from."""

import pytest

from sandwich_jax import cli, games
from sandwich_jax.members import Config, arena_lanes
from sandwich_jax.types import SettingError


def test_chess_is_as_it_was():
    config = Config()
    assert (config.round_openings, config.final_openings, arena_lanes(config)) == (32, 224, 64)


@pytest.mark.parametrize("game", games.NAMES)
def test_every_game_has_openings_enough_for_any_number_of_lanes(game):
    there = len(games.make(game).openings("arena"))
    for lanes in (2, 16, 48, 64, 128):
        config = Config(game=game, lanes=lanes, games=4 * lanes)
        few, most = arena_lanes(config), (min(32, there), min(224, there))
        assert config.lanes == lanes and few <= lanes and few % 2 == 0
        for openings, wanted in zip(
            (config.round_openings, config.final_openings), most, strict=True
        ):
            assert 2 * openings % few == 0 and 0 <= wanted - openings < max(few // 2, 1)


def test_numbers_that_are_given_are_not_changed():
    config = Config(game="connect_four", round_openings=8, final_openings=24)
    assert (config.round_openings, config.final_openings, config.lanes) == (8, 24, 64)
    with pytest.raises(SettingError, match="final_openings makes 36 games, which 16 lanes do not"):
        Config(game="connect_four", round_openings=8, final_openings=18)
    with pytest.raises(SettingError, match="round_openings is -1: it must be between 0 and"):
        Config(round_openings=-1)


def _refused(capsys, *arguments: str) -> str:
    with pytest.raises(SystemExit) as ended:
        cli.main([*arguments])
    (said,) = capsys.readouterr().err.strip().splitlines()
    assert ended.value.code == 2
    return said


@pytest.mark.parametrize("game", [name for name in games.OTHER_GAMES if name != "connect_four"])
def test_a_missing_network_is_told_with_where_to_get_one(tmp_path, capsys, game):
    said = _refused(capsys, "run", "--game", game, "--out", str(tmp_path / "r"))
    assert f"No network 'expert' in the zoo of {game}: it has none: take fresh:SEED" in said
    assert f"sandwich-jax train-alphazero --game {game} --out FOLDER" in said
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("game", games.OTHER_GAMES)
def test_fresh_networks_run_to_the_end_and_the_result_is_an_expert(tmp_path, game):
    """As the sentence has it, with the sizes of openings left alone."""
    few = ["--rounds", "1", "--games", "64", "--updates", "4", "--wandb", "disabled"]
    few += ["--max-plies", "12", "--arena-max-plies", "12", "--game", game]
    trained = ["--protocol", "never_ask", "--objective", "imitate_wins"]
    cli.main(["run", *few, *trained, "--expert", "fresh:1", "--weak", "fresh:1",
              "--out", str(tmp_path / "e")])  # fmt: skip
    expert = f"ckpt:{tmp_path / 'e' / 'networks' / 'never_ask'}"
    cli.main(["run", *few, "--expert", expert, "--weak", "fresh:1", "--p", "0.5",
              "--out", str(tmp_path / "r")])  # fmt: skip
    assert (tmp_path / "r" / "rows.jsonl").is_file()
