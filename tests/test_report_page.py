"""The report in a real browser: charts answer, games can be watched, hostile names stay text."""

import json
import shutil

import chess
import pytest
import report_folder
from test_report import HOSTILE, _data

from sandwich_jax.report import build, page
from sandwich_jax.report.settings import ReportConfig

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium (scripts/system-packages.sh)")


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = report_folder.sweep(tmp_path_factory.mktemp("page") / "sweep")
    return build.report([folder], config=ReportConfig(figures=False)).page


@pytest.fixture
def opened(browser, made):
    return _open(browser, made)


def _open(browser, path, **settings):
    """The page, ready; whatever it complains of lands in `page.complaints`."""
    tab = browser.new_page(viewport={"width": 1280, "height": 900}, **settings)
    tab.set_default_timeout(120_000)  # a busy machine is no failure
    tab.complaints = []
    tab.on("console", lambda message: tab.complaints.append(message.text))
    tab.on("pageerror", lambda error: tab.complaints.append(str(error)))
    tab.on("request", lambda request: None if request.url.startswith(("file:", "data:"))
           else tab.complaints.append(f"asked for {request.url}"))  # fmt: skip
    tab.goto(path.as_uri())
    tab.wait_for_selector("html[data-ready]")
    tab.wait_for_selector("#phase .plot svg")
    return tab


def _wait_until(tab, holds: str, argument=None) -> None:
    """Asks again and again, since the page forbids the eval that playwright would wait with."""
    for _ in range(600):
        if tab.evaluate(holds, argument):
            return
        tab.wait_for_timeout(100)
    raise AssertionError(f"never came true: {holds}")


def test_all_charts_are_drawn_without_a_complaint(opened, made):
    for chart in _data(made)["charts"]:
        card = opened.locator(f"#{chart['id']}")
        card.scroll_into_view_if_needed()
        card.locator(".plot svg").first.wait_for()
        assert card.locator("h2").inner_text() == chart["title"]
        assert card.locator(".plot").first.get_attribute("aria-label").startswith(chart["title"])
    assert opened.complaints == []


def test_hover_shows_the_figures(opened, made):
    plot = opened.locator("#phase .plot").first
    curve = _data(made)["charts"][0]["views"][0]["panels"][0]["series"][0]
    x, y, low, high = curve["points"][1]
    spot = plot.evaluate(
        "(div, [x, y]) => { const svg = div.firstChild, box = svg.getBoundingClientRect();"
        " return [box.left + svg.scale('x').apply(x), box.top + svg.scale('y').apply(y)]; }",
        [x, y],
    )
    opened.mouse.move(*spot)
    tip = opened.locator("#phase [aria-label=tip] text")
    tip.first.wait_for()
    said = tip.first.text_content()
    for number in (y, low, high):
        assert f"{abs(number):.2f}" in said
    assert "always follow" in said and f"p {x:g}" in said


def test_keys_read_the_points(opened):
    plot = opened.locator("#phase .plot").first
    plot.focus()
    opened.keyboard.press("ArrowRight")
    live = opened.locator("#phase figure [aria-live]").first
    first = live.text_content()
    assert first.startswith("always follow")
    opened.keyboard.press("ArrowDown")
    assert live.text_content().startswith("A itself") and live.text_content() != first
    opened.locator("#phase [aria-label=tip] text").first.wait_for()


def test_views_curves_and_tables_can_be_switched(opened):
    card = opened.locator("#phase")
    card.get_by_role("button", name="Elo").click()
    assert "Elo over W" in card.locator(".plot").first.get_attribute("aria-label")
    curve = card.locator(".legend button").first
    curve.click()
    assert card.locator(".legend button").first.get_attribute("aria-pressed") == "false"
    card.locator("summary").click()
    cells = card.locator("tbody tr").first.locator("td").all_inner_texts()
    assert cells[0] == "random move" and len(cells) == 6


def test_light_dark_and_phone(browser, made):
    def paper(tab):
        return tab.evaluate("getComputedStyle(document.body).backgroundColor")

    light = _open(browser, made, color_scheme="light")
    dark = _open(browser, made, color_scheme="dark")
    assert paper(light) != paper(dark)
    light.locator("#theme").click()
    assert paper(light) == paper(dark)
    dark.set_viewport_size({"width": 360, "height": 740})
    _wait_until(dark, "() => document.documentElement.scrollWidth <= 360")  # charts follow
    assert light.complaints == dark.complaints == []


# --- games --------------------------------------------------------------------------------------

SHOWS = """(wanted) => {
  const pieces = document.querySelectorAll('.board .pieces g[data-square]');
  const shown = [...pieces].map((g) => g.dataset.square + g.dataset.piece).sort();
  return JSON.stringify(shown) === JSON.stringify(wanted);
}"""


def _wait_until_it_shows(tab, board: chess.Board) -> None:
    """Pieces are drawn in turn with other work of the page; a wrong position never comes."""
    pieces = board.piece_map().items()
    names = {True: "w", False: "b"}
    wanted = [chess.square_name(s) + names[p.color] + p.symbol().lower() for s, p in pieces]
    _wait_until(tab, SHOWS, sorted(wanted))


def _ply(tab) -> int:
    return int(tab.locator(".moves [aria-current=step]").get_attribute("data-ply"))


def test_stepping_through_a_game(opened, made):
    game = _data(made)["games"][0]
    opened.locator("#viewer-game").select_option("0")
    opened.locator("[data-act=first]").click()
    assert _ply(opened) == 0
    board = chess.Board()
    for move in game["moves"].split()[:5]:
        opened.locator("[data-act=on]").click()
        board.push_uci(move)
    _wait_until_it_shows(opened, board)
    opened.locator("[data-act=last]").focus()
    opened.keyboard.press("ArrowLeft")
    assert _ply(opened) == 4
    opened.keyboard.press("End")
    for move in game["moves"].split()[5:]:
        board.push_uci(move)
    assert _ply(opened) == len(board.move_stack)
    _wait_until_it_shows(opened, board)
    opened.locator(".moves button").nth(7).click()
    assert _ply(opened) == 7
    assert opened.complaints == []


def test_every_position_is_what_python_chess_has(opened):
    """Castling, en passant and promotions of both sides, in games chosen for them."""
    lines = (
        "e2e4 e7e5 g1f3 b8c6 f1c4 f8c5 e1g1 g8f6 d2d3 e8g8",
        "d2d4 d7d5 b1c3 b8c6 c1f4 c8f5 d1d2 d8d7 e1c1 e8c8",
        "e2e4 a7a6 e4e5 d7d5 e5d6 b7b5 d6c7 b5b4 a2a4 b4a3 c7b8q a3b2 a1a6 b2c1n",
        "e2e4 a7a6 e4e5 f7f5 e5f6 b7b5 f6g7 b5b4 g7h8r b4b3 a1a1"[:-5],
    )
    for line in lines:
        board, wanted = chess.Board(), []
        wanted.append(board.board_fen())
        for move in line.split():
            board.push_uci(move)
            wanted.append(board.board_fen())
        assert opened.evaluate("(moves) => placements(null, moves)", line.split()) == wanted


def test_the_board_shows_wish_advice_and_move(opened, made):
    opened.locator("#viewer-kind").select_option("caught")
    said = opened.locator(".said").inner_text()
    assert "refused: W caught it" in said and "A advised, corrupted" in said
    game = _data(made)["games"][int(opened.locator("#viewer-game").input_value())]
    ply = _ply(opened)
    arrows = {
        a.get_attribute("class").split()[-1]: a.get_attribute("data-arrow")
        for a in opened.locator(".board g.arrow").all()
    }
    move, advice = game["moves"].split()[ply], game["advice"].split()[ply]
    assert arrows["arrow-corrupted"] == advice.split(":")[0][:4]
    assert arrows["arrow-played"] == move[:4] or move == advice.split(":")[0]
    assert f"{advice.split(':')[1]}" in said


@pytest.mark.parametrize(
    ("kind", "flags"), [("fooled", "7"), ("caught", "3"), ("spurned", "1"), ("all", "37")]
)
def test_jumps_go_to_the_next_move_of_a_kind(opened, made, kind, flags):
    opened.locator("#viewer-kind").select_option(kind)
    games = _data(made)["games"]
    listed = [i for i, game in enumerate(games) if kind == "all" or set(flags) & set(game["flags"])]
    titles = opened.locator("#viewer-game option")
    assert titles.count() == len(listed)
    opened.locator("#viewer-game").select_option("0")
    opened.locator("[data-act=first]").click()
    places = [
        (row, ply) for row, i in enumerate(listed)
        for ply, digit in enumerate(games[i]["flags"]) if digit in flags
    ]  # fmt: skip
    for row, ply in places[:6]:
        opened.locator("[data-act=next]").click()
        assert (int(opened.locator("#viewer-game").input_value()), _ply(opened)) == (row, ply)
    opened.locator("[data-act=before]").click()
    assert _ply(opened) == places[4][1]
    assert opened.complaints == []


def test_the_bar_and_the_line_show_what_e_thinks(opened, made):
    game = _data(made)["games"][0]
    opened.locator("#viewer-game").select_option("0")
    at = game["opening"] + 3
    opened.locator(".moves button").nth(at).click()
    chance = game["value"][at] if game["side"] == "w" else 1000 - game["value"][at]
    height = opened.locator(".evalbar .fill").evaluate("fill => parseFloat(fill.style.height)")
    assert height == pytest.approx(chance / 10, abs=0.01)
    assert opened.locator(".chance").inner_text() == f"E: W's side wins {round(chance / 10)}%"
    assert opened.locator(".timeline svg .now").count() == 1
    box = opened.locator(".timeline svg").bounding_box()
    opened.mouse.click(box["x"] + box["width"] - 10, box["y"] + 40)
    assert _ply(opened) == len(game["flags"])


def test_hostile_names_are_shown_as_text(browser, made, tmp_path):
    """Every string of the data, keys of free form included, made as hostile as can be."""
    data = _data(made)
    keep = {"id", "style", "moves", "san", "own", "advice", "flags", "side", "start", "result"}

    def poison(value, key=""):
        if isinstance(value, dict):
            return {k: poison(v, k) for k, v in value.items()}
        if isinstance(value, list):
            return [poison(item, key) for item in value]
        return value if not isinstance(value, str) or key in keep else value + HOSTILE

    poisoned = poison(data)
    poisoned["notes"] = [HOSTILE]
    poisoned["games"][0]["san"] = " ".join(
        [f"x{HOSTILE.replace(' ', '')}"] * len(data["games"][0]["flags"])
    )
    path = tmp_path / "hostile.html"
    page.write(path, json.loads(json.dumps(poisoned)))
    tab = _open(browser, path)
    tab.locator("#viewer-game").select_option("0")
    tab.locator("[data-act=on]").click()
    tab.wait_for_timeout(300)
    assert tab.evaluate("window.hurt") is None
    assert tab.locator("img").count() == 0 and tab.locator("main script").count() == 0
    assert HOSTILE in tab.locator("#notes").inner_text()
    assert HOSTILE in tab.locator(".players").inner_text()
    assert tab.complaints == []
