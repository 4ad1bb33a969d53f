"""What the check reads from XLA's texts, and when it fails."""

import json
import pathlib

import jax
import jax.numpy as jnp
import pytest

from sandwich_jax import forms
from scripts.gpu_check import costs, figures, hlo, programs, target, thunks
from scripts.gpu_check.target import Compiled

HLO = (pathlib.Path(__file__).parent / "small_program.hlo").read_text()

OUTSIDE = """000: kCommandBuffer [source | next]
    001: kCopy [source | sink] kCopy
002: kWhile         [prev=000 (1) | sink]
condition:
    003: kCustomKernel [source | sink] any grid: [1, 1, 1]
  body:
    004: kWhile [source | sink]
    condition:
        005: kCustomKernel [source | sink] less grid: [1, 1, 1]
      body:
        006: kCopy [source | sink] kCopy
    007: kConditional [source | sink]
      false_branch:
      true_branch:
        008: kCopy [source | sink] kCopy
009: kWhile [source | sink]
"""
INSIDE = """000: kCommandBuffer [source | next]
    002: kWhile         [prev=000 (1) | sink]
    condition:
        003: kCustomKernel [source | sink] any grid: [1, 1, 1]
      body:
        004: kWhile [source | sink]
        007: kConditional [source | sink]
    009: kWhile [source | sink]
"""


def _entry(name: str) -> hlo.Instruction:
    module = hlo.parse(HLO)
    return next(i for i in module.computations[module.entry] if i.name == name)


def test_what_is_gathered_is_moved_and_not_the_table():
    module = hlo.parse(HLO)
    assert costs.moved(module, module.entry, _entry("picked")) == 4 * 4 + 2 * 4 * 8 * 4


def test_what_is_written_in_place_is_moved_and_not_the_whole():
    text = HLO.replace(
        "%picked = f32[4,8]{1,0} fusion(%big, %at.1), kind=kCustom, calls=%rows",
        "%row.1 = f32[1,8]{1,0} constant({...})\n  %where = s32[] constant(3)\n"
        "  %picked = f32[1000,8]{1,0} fusion(%big, %row.1, %where), kind=kLoop, calls=%put",
    )
    module = hlo.parse(text)
    put = next(i for i in module.computations[module.entry] if i.name == "picked")
    assert costs.moved(module, module.entry, put) == 2 * 8 * 4 + 4


def test_products_and_convolutions_are_counted():
    module = hlo.parse(HLO)
    dots = costs.flops(module, module.entry, _entry("dots"))
    assert dots == pytest.approx(2 * 64 * 32 * 16)
    # As many as the same convolution as a product: 128 squares, 9 taps, 4 channels to 16.
    convolution = costs.flops(module, module.entry, _entry("conv"))
    assert convolution == pytest.approx(2 * 128 * 9 * 4 * 16)


def test_loops_count_as_often_as_they_turn():
    module = hlo.parse(HLO)
    turn = costs.cost(module, "turn")
    assert turn.kernels == 16 and turn.conditional == 1
    assert turn.moved == 16 * 2 * 4 * 8 * 4
    assert turn.floor == pytest.approx(turn.moved / costs.Peak().bandwidth)


def test_a_text_without_entry_is_told():
    with pytest.raises(ValueError, match="ENTRY"):
        hlo.parse("nothing")


@pytest.mark.parametrize(("text", "reads"), [(OUTSIDE, 2 / 16), (INSIDE, 0)])
def test_a_ply_is_one_of_those_between_two_looks_of_the_host(text, reads):
    """The outer loop turns once for 16 plies; outside of a graph, it and its conditional count."""
    found = figures.of(Compiled(HLO, text, 3 * 2**20, 0), programs.Unit("ply", "play.py"))
    assert found["host_reads"] == pytest.approx(reads, abs=1e-3)
    assert (found["kernels"], found["temp_mib"]) == (1, 3)


def test_a_turn_may_make_more_or_less_than_one():
    compiled, ply = Compiled(HLO, OUTSIDE, 0, 0), programs.Unit("ply", "play.py")
    whole, half = figures.of(compiled, ply), figures.of(compiled, ply._replace(each=0.5))
    for name in ("kernels", "host_reads"):
        assert half[name] == pytest.approx(2 * whole[name]) and whole[name] > 0


def test_a_share_of_the_program_counts_loops_that_the_host_need_not_watch():
    tree = thunks.parse(OUTSIDE)
    trips = thunks.trips_by_loop(tree, [None, 16, 480])
    assert thunks.host_reads(tree, trips) == 2
    assert thunks.host_reads(tree, thunks.trips_by_loop(tree, [None])) == 4  # nothing is known
    share = figures.of(Compiled(HLO, OUTSIDE, 0, 0), programs.Unit("update", share=2))
    assert share["host_reads"] == 1


def test_a_list_of_thunks_that_does_not_fit_claims_nothing():
    found = figures.of(Compiled(HLO, "", 0, 0), programs.PLY)
    assert found["host_reads"] < 0 and figures.above(found, found | {"host_reads": 0})


def test_a_loop_that_is_not_there_is_told():
    with pytest.raises(figures.Missing, match=r"arena\.py"):
        figures.of(Compiled(HLO, OUTSIDE, 0, 0), programs.Unit("ply", "arena.py"))


FIGURES = {
    "kernels": 12, "conditional": 0, "host_reads": 0.0, "moved_mib": 100.0, "gflop": 1.0,
    "floor_us": 30.0, "temp_mib": 9.8,
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({}, []),
        ({"kernels": 11, "floor_us": 3.0}, []),
        ({"moved_mib": 101.9}, []),  # within the slack
        ({"gflop": 2.0}, []),  # told, not limited
        ({"kernels": 13}, ["kernels"]),
        ({"host_reads": 1.0, "temp_mib": 20.0}, ["host_reads", "temp_mib"]),
    ],
)
def test_only_what_is_above_its_ceiling_fails(changes, wrong):
    assert [text.split()[0] for text in figures.above(FIGURES | changes, FIGURES)] == wrong


def test_ceilings_are_renewed_program_by_program(tmp_path):
    path = tmp_path / "ceilings.json"
    figures.write(path, {"jax": "1"}, {"board/8": FIGURES, "arena/8": FIGURES})
    figures.write(path, {"jax": "2"}, {"board/8": FIGURES | {"kernels": 9}})
    kept = json.loads(path.read_text())
    assert kept["jax"] == "2"
    assert [kept["programs"][n]["kernels"] for n in ("arena/8", "board/8")] == [12, 9]


def test_the_table_has_both_columns():
    lines = figures.table(["a", "b", "c"], {"a": FIGURES}, {"a": FIGURES, "b": FIGURES})
    assert "| a | 12 → 12 | 0 → 0 | 100 → 100 | 30 → 30 | 9.8 → 9.8 |" in lines
    assert "| b | ? → 12 | ? → 0 | ? → 100 | ? → 30 | ? → 9.8 |" in lines and "| c |" not in lines


def test_the_page_has_the_table_of_the_kept_figures():
    page = figures.Page(figures.HERE.parents[1] / "docs" / "accelerator.md")
    assert page.with_table(figures.kept_table()) == page.path.read_text()


@pytest.mark.parametrize(
    "name",
    [name for name in programs.PROGRAMS if "4096" in name or name.startswith("sweep")],
)
def test_programs_can_be_built(name):
    """Settings that are refused meanwhile would else be found by those who compile alone."""
    with forms.using(forms.GPU):
        fn, shapes = programs.PROGRAMS[name].build(jax.devices()[0])
    assert callable(fn) and jax.tree.leaves(shapes)


def test_every_ceiling_is_of_a_program():
    names = {label for name in programs.PROGRAMS for label in programs.labels(name)}
    assert set(figures.read(figures.CEILINGS)["programs"]) <= names


def test_real_texts_are_read():
    """XLA's own text of today, of a loop of 7 turns with a product in it."""

    def run(x):
        return jax.lax.scan(lambda c, _: (jnp.tanh(c @ x), None), x, None, length=7)[0]

    text = jax.jit(run).lower(jnp.ones((32, 32))).compile().as_text()
    module = hlo.parse(text)
    (loop,) = [found for found in hlo.loops(module) if not found.depth]
    assert loop.instruction.trips == 7
    # How the product is called differs with the machine; its turns do not.
    whole = costs.cost(module, module.entry)
    assert whole.kernels >= 7 * costs.cost(module, loop.instruction.called("body")).kernels > 0


@pytest.mark.parametrize(
    "build",
    [
        lambda: programs._selfplay("tiny", 8, None),
        lambda: programs._update("tiny", 8, None),
    ],
    ids=["selfplay", "update"],
)
def test_small_programs_are_lowered_for_a_tpu(build):
    with forms.using(forms.TPU):
        assert target.lower_for_tpu(*build()) > 10_000
