"""Pages that a script fills in."""

from sandwich_jax.report import doc_pages


def test_what_stands_outside_the_marks_is_kept(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Title\n\nIntroduction.\n")
    doc_pages.fill(page, "a.py", "first")
    doc_pages.fill(page, "b.py", "other")
    page.write_text(page.read_text() + "\nLast words.\n")
    doc_pages.fill(page, "a.py", "second")
    text = page.read_text()
    assert text.startswith("# Title\n\nIntroduction.\n") and text.endswith("\nLast words.\n")
    assert "first" not in text and text.index("second") < text.index("other")
    doc_pages.fill(page, "a.py", "second")
    assert page.read_text() == text


def test_tables_and_intervals():
    row = {"x": 0.5, "x_lo": 0.25, "x_hi": 0.75, "y": None}
    assert doc_pages.interval(row, "x", ".2f") == "0.50 [0.25, 0.75]"
    assert doc_pages.interval(row, "y", ".2f") == "undefined"
    assert doc_pages.table(("a", "b"), [("1", "2")]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"
