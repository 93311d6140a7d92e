"""Flame graphs as SVG: what is in the file, and what its script does with it."""
import base64
import re
import xml.etree.ElementTree as ET

import pytest

from pictures.browser import browse, needs_node
from test_pictures import flame, tarsier

SVG = "{http://www.w3.org/2000/svg}"
STACKS = "main;read;copy 30\nmain;read;vfs_read_[k] 10\nmain;write;copy 20\nmain;write 30\nmain;jitted_[j] 10\n"
WIDTH = 1180  # between the margins
HOSTILE = ["<script>alert(1)</script>", "a\"onload='x'&amp<b>", "]]></script>", "</title></svg>", "\u202egnp.exe", "\x07\x1b[31m"]


@pytest.fixture
def svg(tmp_path):
    return lambda text=STACKS, *arguments: flame(text, ".svg", *arguments, tmp_path=tmp_path).decode()


def frames_of(text):
    """[(name, x, width, y, fill, label)] of the static picture."""
    found = []
    for group in ET.fromstring(text).find(f"{SVG}g[@id='frames']"):
        title, rect, *label = list(group)
        found.append((title.text.split("\n")[0], float(rect.get("x")) - 10, float(rect.get("width")), float(rect.get("y")),
                      rect.get("fill"), label[0].text if label else ""))
    return found


def test_widths_are_shares_of_samples(svg):
    frames = {name: (x, width) for name, x, width, *_ in frames_of(svg()) if name != "copy"}
    assert frames["all"] == frames["main"] == (0, WIDTH)
    assert frames["jitted"] == (0, WIDTH * 0.1)
    assert frames["read"] == (pytest.approx(WIDTH * 0.1), pytest.approx(WIDTH * 0.4))
    assert frames["vfs_read"] == (pytest.approx(WIDTH * 0.4), pytest.approx(WIDTH * 0.1))
    assert frames["write"] == (pytest.approx(WIDTH * 0.5), pytest.approx(WIDTH * 0.5))


def test_callers_stand_below_and_above_when_inverted(svg):
    up = {name: y for name, _, _, y, _, _ in frames_of(svg())}
    down = {name: y for name, _, _, y, _, _ in frames_of(svg(STACKS, "--inverted"))}
    assert up["all"] > up["main"] > up["read"] > up["copy"] and up["main"] - up["read"] == 16
    assert down["all"] < down["main"] < down["read"] < down["copy"]


def test_a_name_that_does_not_fit_is_cut(svg):
    labels = {name: label for name, *_, label in frames_of(svg("a" * 300 + " 50\nb" + "é" * 300 + " 50\nc 1\n"))}
    assert labels["a" * 300] == "a" * (int((WIDTH * 50 / 101 - 6) / 6.6) - 2) + ".."
    assert labels["b" + "é" * 300].endswith("é..") and labels["c"] == ""


def test_frames_that_are_too_narrow_are_left_out(svg):
    text = "wide 99990\nnarrow;callee 5\n"  # 0.06 of 1180 pixels
    assert [name for name, *_ in frames_of(svg(text))] == ["all", "wide"]
    assert {name for name, *_ in frames_of(svg(text, "--min-width", "0.01"))} == {"all", "wide", "narrow", "callee"}


def test_kinds_have_colours_of_their_own(svg):
    colors = {name: fill for name, *_, fill, _ in frames_of(svg(STACKS + "[cut: no unwind information];f 5\n"))}
    assert colors["[cut: no unwind information]"] == "url(#cut)"
    assert len({colors["vfs_read"], colors["jitted"], colors["main"]}) == 3
    by_name = {name: fill for name, *_, fill, _ in frames_of(svg(STACKS, "--colors", "name"))}
    assert by_name["main"] != colors["main"] or by_name["read"] != colors["read"]


def test_the_interval_of_a_share(svg):
    """8 of 10: Wilson's interval as tables have it."""
    title = next(t.text for t in ET.fromstring(svg("a 8\nb 2\n")).iter(f"{SVG}title") if t.text.startswith("a\n"))
    assert title == "a\n8 samples, 80.00 % (95 %: 49.02 to 94.33)"


def test_title_and_badge(svg):
    texts = [t.text for t in ET.fromstring(svg("a 8\n[cut: no unwind information];b 2\n", "--title", "Busy <b>")).iter(f"{SVG}text")]
    assert texts[0] == "Busy <b>"
    assert texts[1] == ("10 samples, 0 lost; user stacks: 0.00 % complete, 2 cut (no unwind information: 2); of 8 stacks the "
                        "file does not tell whether they are whole")


def test_the_same_bytes_from_the_same_stacks(svg):
    lines = STACKS.splitlines(True)
    assert svg() == svg("".join(reversed(lines)))


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_names_stay_text(svg, name):
    text = svg(f"{name} 5\n", "--title", name)
    root = ET.fromstring(text)  # well-formed
    assert not set(text) & {"\u202e", "\x07", "\x1b"}
    shown = re.sub("[\u202e\x07\x1b]", "\ufffd", name)
    assert root.find(f"{SVG}text").text == shown
    assert frames_of(text)[1][0] == shown
    assert {one.tag for one in root.iter()} == {SVG + tag for tag in ("svg", "style", "defs", "pattern", "rect", "text", "g",
                                                                      "title", "script")}
    assert len([one for one in root.iter(f"{SVG}script")]) == 2
    assert not any(attribute.startswith("on") for one in root.iter() for attribute in one.keys())


def test_bytes_that_are_no_text(svg, tmp_path):
    out = tmp_path / "x.svg"
    (tmp_path / "in").write_bytes(b"a\xff\xc0\xafb\xed\xa0\x80;caf\xc3\xa9 3\n")
    assert tarsier("flame", tmp_path / "in", "-o", out)[0] == 0
    names = [name for name, *_ in frames_of(out.read_text())]
    assert names[2] == "café" and names[1].startswith("a\ufffd") and "b" in names[1]


# ---- the script ----------------------------------------------------------------------------------------------------


def rounded(frames):
    return sorted((f["name"], float(f["x"]) - 10, float(f["width"]), float(f["y"]), f["fill"], f["label"]) for f in frames)


@needs_node
@pytest.mark.parametrize("options", [[], ["--inverted"], ["--colors", "name"], ["--colors", "module"]], ids=str)
def test_the_script_draws_what_the_file_shows(svg, options):
    text = svg(STACKS + "[cut: no unwind information];" + "long" * 99 + " 7\na;b;c;d;e;f 1\n", *options)
    assert rounded(browse(text, [["frames"]])[0]) == sorted(frames_of(text))


@needs_node
def test_zoom(svg):
    zoomed, address, back, _ = browse(svg(), [["click", "read"], ["frames"], ["address"], ["click", "all"], ["frames"]])[1:]
    frames = {f["name"]: (float(f["x"]) - 10, float(f["width"])) for f in zoomed}
    assert set(frames) == {"all", "main", "read", "copy", "vfs_read"}
    assert frames["all"] == frames["main"] == frames["read"] == (0, WIDTH)
    assert frames["copy"] == (0, WIDTH * 0.75) and frames["vfs_read"] == (WIDTH * 0.75, WIDTH * 0.25)
    assert re.fullmatch(r"#z=\d+", address)


@needs_node
def test_reset_and_back(svg):
    seen = browse(svg(), [["frames"], ["click", "write"], ["press", "reset zoom"], ["frames"], ["address"],
                          ["click", "write"], ["frames"], ["back", ""], ["frames"]])
    assert seen[0] == seen[3] == seen[8] != seen[6] and seen[4] == ""


@needs_node
def test_the_state_in_the_address_is_taken_up(svg):
    text = svg()
    address, frames, texts = browse(text, [["click", "read"], ["type", "COPY|vfs"], ["address"], ["frames"], ["texts"]])[2:]
    again, texts_again = browse(text, [["frames"], ["texts"]], hash=address)
    assert again == frames and "s=COPY%7Cvfs" in address


@needs_node
@pytest.mark.parametrize("hash", ["#z=99999", "#z=-1", "#z=x", "#z=1.5", "#s=%E0%A4%A", "#&&=&z"])
def test_an_address_that_means_nothing(svg, hash):
    text = svg()
    assert browse(text, [["frames"]], hash=hash) == browse(text, [["frames"]])


@needs_node
@pytest.mark.parametrize("pattern, share", [
    ("copy", "50.00"), ("read", "40.00"), ("Read", "0.00"), ("vfs_read|^read$", "40.00"), ("main", "100.00"), ("^r|^w", "90.00"),
    ("jit", "10.00"), ("none", "0.00"),
])
def test_search_tells_the_share_that_matches(svg, pattern, share):
    texts, frames = browse(svg(), [["type", pattern], ["texts"], ["frames"]])[1:]
    assert f"matched: {share} %" in texts
    found = {f["name"] for f in frames if f["fill"] == "#e64de0"}
    assert found == {f["name"] for f in frames if f["name"] != "all" and re.search(pattern, f["name"], re.I if pattern.islower() else 0)}


@needs_node
def test_search_in_a_zoomed_picture_is_of_what_is_shown(svg):
    texts = browse(svg(), [["click", "read"], ["type", "copy"], ["texts"]])[2]
    assert "matched: 75.00 %" in texts


@needs_node
def test_search_finds_what_is_too_narrow_to_be_drawn(svg):
    texts = browse(svg("wide 99990\nnarrow;callee 10\n", "--min-width", "10"), [["type", "callee"], ["texts"]])[1]
    assert "matched: 0.01 %" in texts


@needs_node
def test_what_is_no_regular_expression_is_told(svg):
    assert "not a regular expression" in browse(svg(), [["type", "a("], ["texts"]])[1]


@needs_node
def test_invert(svg):
    inverted = browse(svg(), [["press", "invert"], ["frames"]])[1]
    assert rounded(inverted) == sorted(frames_of(svg(STACKS, "--inverted")))


@needs_node
def test_the_line_about_a_frame(svg):
    text = browse(svg(), [["hover", "vfs_read"], ["text", "details"]])[1]
    assert text == "vfs_read · 10 samples, 10.00 % (95 %: 5.52 to 17.44); self 10 samples · kernel"


@needs_node
@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_names_stay_text_in_the_script(svg, name):
    frames = browse(svg(f"{name} 5\n"), [["frames"]])[0]
    assert frames[1]["name"] == re.sub("[\u202e\x07\x1b]", "\ufffd", name)


@needs_node
def test_the_window_gives_the_width(svg):
    frames = browse(svg(), [["frames"]], width=2018)[0]
    assert {f["name"]: float(f["width"]) for f in frames}["main"] == 1980
