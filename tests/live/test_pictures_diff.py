"""tarsier diff: what changed, what is new or gone, and what may be chance."""
import re

import pytest

from pictures.browser import browse, browse_page, needs_node
from test_pictures import tarsier
from test_pictures_svg import frames_of, rounded

BEFORE = "main;a 500\nmain;b 300\nmain;old 100\nmain;noise 50\nmain 50\n"
NOW = "main;a 1000\nmain;b 1200\nmain;new 100\nmain;noise 110\nmain 90\n"  # 2500 samples: shares of 2.5 times as many


@pytest.fixture
def diff(tmp_path):
    def run(*arguments, before=BEFORE, now=NOW):
        (tmp_path / "before").write_text(before)
        (tmp_path / "now").write_text(now)
        return tarsier("diff", *arguments, tmp_path / "before", tmp_path / "now")
    return run


@pytest.fixture
def picture(diff, tmp_path):
    def draw(ending, *arguments, **texts):
        code, out, err = diff("-o", tmp_path / f"x{ending}", *arguments, **texts)
        assert (code, out, err) == (0, "", "")
        return (tmp_path / f"x{ending}").read_text()
    return draw


def rows_of(text):
    """{function: (share before, now, change in points, mark)} of its own share."""
    rows = re.findall(r"^ +([\d.]+) % +([\d.]+) % +([+-][\d.]+) +[\d.]+ % +[\d.]+ % +[+-][\d.]+ +(\w*) +(\S+)$", text, re.M)
    return {name: (float(before), float(now), float(change), mark) for before, now, change, mark, name in rows}


def test_the_table_has_shares_and_marks(diff):
    code, out, err = diff()
    assert (code, err) == (0, "")
    assert rows_of(out) == {"b": (30, 48, 18, "more"), "old": (10, 0, -10, "gone"), "a": (50, 40, -10, "less"), "new": (0, 4, 4, "new")}
    assert out.endswith("\n2 functions: no change, or none that could not be chance\n")


def test_the_same_twice_is_no_change(diff):
    out = diff(now=BEFORE)[1]
    assert rows_of(out) == {} and "\n5 functions: no change" in out


def test_twice_as_long_is_no_change(diff):
    assert rows_of(diff(now=re.sub(r"\d+", lambda m: str(int(m[0]) * 2), BEFORE))[1]) == {}


@pytest.mark.parametrize("now, mark", [(4, None), (7, None), (9, "new"), (30, "new")])
def test_a_few_samples_more_may_be_chance(diff, now, mark):
    """0 of 1000 against N of 1000: seven times the same side of a coin comes more often than once in a hundred, nine times not."""
    row = rows_of(diff(before="a 1000\n", now=f"a {1000 - now}\nf {now}\n")[1]).get("f")
    assert (row and row[3]) == mark


def test_only_so_many_rows(diff):
    out = diff("-n", "1")[1]
    assert list(rows_of(out)) == ["b"] and "3 more functions changed: -n 4 shows them" in out


def test_red_blue_and_colours_of_their_own(picture):
    colors = {name: fill for name, *_, fill, _ in frames_of(picture(".svg"))}
    assert set(colors) == {"all", "main", "a", "b", "new", "noise"}  # what is gone has no width now
    assert colors["b"] == "#e2604c" and colors["a"] == "#5a90d6" and colors["new"] == "#cf7fe0"
    assert colors["noise"] == colors["main"] == "#dddbd8"


def test_widths_are_those_of_now(picture):
    widths = {name: width for name, _, width, *_ in frames_of(picture(".svg"))}
    assert widths["b"] == pytest.approx(1180 * 0.48) and widths["new"] == pytest.approx(1180 * 0.04, abs=0.01)


@needs_node
def test_the_script_draws_what_the_file_shows(picture):
    text = picture(".svg")
    assert rounded(browse(text, [["frames"]])[0]) == sorted(frames_of(text))
    about = browse(text, [["hover", "b"], ["text", "details"]])[1]
    assert "before: 300 samples, 30.00 %; +18.00 points, more" in about


@needs_node
def test_the_page_shows_what_is_gone_in_the_widths_of_before(picture):
    now, _, before = browse_page(picture(".html"), [["drawn", "flame-canvas"], ["choose", "side", "before"], ["drawn", "flame-canvas"]])
    labels = lambda drawn: {one["text"]: one["x"] - 3 for one in drawn if "text" in one}
    assert set(labels(now)) == {"all", "main", "a", "b", "new", "noise"}
    assert set(labels(before)) == {"all", "main", "a", "b", "old", "noise"}
    assert labels(before)["b"] == pytest.approx(600) and labels(now)["b"] == pytest.approx(480)
    gone = next(one for one in before if one.get("fill") == "#5fbfae")
    assert gone["x"] == pytest.approx(1200 * 0.85) and gone["width"] == pytest.approx(120, abs=1)


def test_other_formats_show_no_comparison(diff, tmp_path):
    code, _, err = diff("-o", tmp_path / "x.folded")
    assert code == 1 and "can not show a comparison" in err and not (tmp_path / "x.folded").exists()


def test_two_files_are_wanted(tmp_path):
    assert tarsier("diff", tmp_path / "one")[0] == 1
    assert "cannot read" in tarsier("diff", tmp_path / "one", tmp_path / "two")[2]
