"""The page of a profile: what is in the file, and what its script draws and counts."""
import base64
import hashlib
import re
from collections import Counter

import pytest

from pictures.browser import Page, browse_page, needs_node
from test_pictures import flame
from test_pictures_formats import made  # noqa: F401: a fixture
from test_pictures_svg import HOSTILE

WIDTH = 1200  # of the canvas in the little browser
ROW = 18


@pytest.fixture
def page(made):
    return made("rich", ".html").decode()


def rows_of(drawn):
    """{y: [(x, width)]} of the rectangles."""
    found = {}
    for one in drawn:
        if "text" not in one:
            found.setdefault(one["y"], []).append((one["x"], one["width"]))
    return found


def labels_of(drawn):
    """{label: (x, level from the root)}"""
    bottom = max(one["y"] for one in drawn if "text" in one)
    return {one["text"]: (one["x"] - 3, round((bottom - one["y"]) / ROW)) for one in drawn if "text" in one}


def test_the_policy_allows_what_is_in_the_page_and_nothing_else(page):
    root = Page(page).root
    policy = next(m.get("content") for m in root.iter("meta") if m.get("http-equiv"))
    for tag in ("script", "style"):
        (text,) = [one.text for one in root.iter(tag) if one.get("type") is None]
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; ") and "unsafe" not in policy
    assert not re.search(r"(src|href|@import|url\()\s*=?\s*[\"']?(https?:)?//", page)
    assert not any(key.startswith("on") or key == "style" for one in root.iter() for key in one.keys())


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_names_stay_text(name, tmp_path):
    text = flame(f"{name} 5\n", ".html", "--title", name, tmp_path=tmp_path).decode()
    root, usual = Page(text).root, Page(flame("a 5\n", ".html", tmp_path=tmp_path).decode()).root
    assert [one.tag for one in root.iter()] == [one.tag for one in usual.iter()]
    assert next(root.iter("h1")).text == re.sub("[\u202e\x07\x1b]", "\ufffd", name)


def test_title_and_badge(page):
    root = Page(page).root
    assert next(root.iter("title")).text == "app --fast"
    badge = next(p.text for p in root.iter("p") if p.get("id") == "badge")
    assert badge == "170 samples, 3 lost; user stacks: 90.91 % complete, 15 cut (no unwind information: 15)"


# ---- the script ----------------------------------------------------------------------------------------------------


@needs_node
def test_frames_are_as_wide_as_their_share(page):
    labels = labels_of(browse_page(page, [["drawn", "flame-canvas"]])[0])
    assert labels["all"] == (0, 0) and labels["app"] == (0, 1) and labels["other"] == (pytest.approx(WIDTH * 150 / 170), 1)
    assert labels["_start"] == (0, 2) and labels["main"] == (0, 3) and labels["work"] == (0, 4)
    assert labels["read"] == (0, 5) and labels["step"] == (pytest.approx(WIDTH * 60 / 170), 5)


@needs_node
def test_zoom_and_reset(page):
    """A click on `step`, which is 50 of 170 samples from 60 on."""
    seen = browse_page(page, [["drawn", "flame-canvas"], ["pointer", "flame-canvas", "click", WIDTH * 80 / 170, 2 * ROW + 5],
                              ["drawn", "flame-canvas"], ["address"], ["press", "reset"], ["drawn", "flame-canvas"]])
    labels = labels_of(seen[2])
    assert {label: x for label, (x, _) in labels.items()} == {"all": 0, "app": 0, "_start": 0, "main": 0, "work": 0, "step": 0, "add": 0}
    assert re.search(r"z=\d+", seen[3]) and seen[5] == seen[0]


@needs_node
def test_a_thread_alone(page):
    threads, _, drawn = browse_page(page, [["text", "thread"], ["choose", "thread", "1"], ["drawn", "flame-canvas"]])
    assert threads == "all threadsapp 100: 100 samplesworker 101: 50 samplesother 200: 20 samples"
    labels = labels_of(drawn)
    assert "other" not in labels and "vfs_read" not in labels and labels["read"] == (0, 5)
    assert rows_of(drawn)[0] == [(0, pytest.approx(WIDTH * 10 / 50, abs=1))]


@needs_node
@pytest.mark.parametrize("grouping, names", [("thread", {"app 100", "worker 101", "other 200"}), ("", set()), ("process", {"app", "other"})])
def test_grouping(page, grouping, names):
    labels = labels_of(browse_page(page, [["choose", "grouping", grouping], ["drawn", "flame-canvas"]])[1])
    assert {label for label in labels if re.match("app|worker|other", label)} == names


@needs_node
@pytest.mark.parametrize("pattern, share", [("^read", 60), ("add|kthread", 55), ("LazyCompile", 15), ("app", 150), ("nothing", 0)])
def test_search(page, pattern, share):
    assert browse_page(page, [["type", pattern, "search"], ["text", "matched"]])[1] == f"matched: {100 * share / 170:.2f} %"


@needs_node
def test_the_table_has_own_and_total_weights(page):
    rows = browse_page(page, [["rows", "rows"]])[0]
    found = {row[4]: (row[1], row[3], row[5]) for row in rows}
    assert found["work"] == ("40 samples", "150 samples", "/usr/bin/app")
    assert found["read"] == ("10 samples", "60 samples", "/lib/libc.so.6")
    assert found["add"] == ("50 samples", "50 samples", "/usr/bin/app")
    assert [row[4] for row in rows][:2] in (["add", "vfs_read"], ["vfs_read", "add"])


@needs_node
def test_recursion_counts_once_in_the_table(made):
    rows = browse_page(made("deep", ".html").decode(), [["rows", "rows"]])[0]
    assert [row[:5] for row in rows] == [["100.00 %", "200 samples", "100.00 %", "200 samples", "recurse"]]


@needs_node
def test_callers_and_callees(page):
    """read: called by work, calls the kernel."""
    seen = browse_page(page, [["press", "read"], ["text", "function"], ["drawn", "callers-canvas"], ["drawn", "callees-canvas"]])
    assert seen[1] == "read"
    assert set(labels_of(seen[2])) == {"all", "read", "work", "main", "_start", "app"}
    callees = [one for one in seen[3] if "text" in one]
    assert [one["text"] for one in sorted(callees, key=lambda one: one["y"])] == ["all", "read", "entry_SYSCALL_64", "vfs_read"]
    widths = [one["width"] for one in sorted((o for o in seen[3] if "width" in o), key=lambda one: one["y"])]
    assert widths[2] == pytest.approx(WIDTH * 50 / 60, abs=1)


@needs_node
def test_the_heat_map_has_each_sample_and_a_choice_redraws_the_graph(page):
    """From second 1.0 on only `worker` runs, from 2.0 on only `other` with it."""
    cells = browse_page(page, [["drawn", "heat"]])[0]
    assert {one["x"] // 16 for one in cells} == {0, 1, 2}
    seen = browse_page(page, [["pointer", "heat", "pointerdown", 0, 149], ["pointer", "heat", "pointermove", 5, 20],
                              ["pointer", "heat", "pointerup", 15, 0], ["drawn", "flame-canvas"], ["text", "span"],
                              ["press", "alltime"], ["drawn", "flame-canvas"]])
    labels = labels_of(seen[3])
    assert "other" not in labels and seen[4] == "0.00 s to 1.00 s"
    assert labels["step"][0] == pytest.approx(WIDTH * 50 / 100)
    assert "other" in labels_of(seen[6])


@needs_node
def test_icicle(page):
    down = browse_page(page, [["press", "invert"], ["drawn", "flame-canvas"]])[1]
    first = min((one for one in down if "text" in one), key=lambda one: one["y"])
    assert first["text"] == "all"


@needs_node
def test_the_state_in_the_address_is_taken_up(page):
    actions = [["choose", "thread", "1"], ["type", "read", "search"], ["press", "invert"], ["press", "work"], ["address"],
               ["drawn", "flame-canvas"], ["drawn", "callees-canvas"]]
    address, *drawn = browse_page(page, actions)[4:]
    assert browse_page(page, actions[5:], hash=address) == drawn


@needs_node
@pytest.mark.parametrize("hash", ["#z=99999&f=99999&t=77&g=x&c=y&from=a&to=b", "#from=1", "#t=-1", "#f=x", "#b=before&to=5"])
def test_an_address_that_means_nothing(page, hash):
    assert browse_page(page, [["drawn", "flame-canvas"]], hash=hash) == browse_page(page, [["drawn", "flame-canvas"]])


@needs_node
def test_a_page_without_times_and_threads(tmp_path):
    text = flame("a;b 3\na;c 1\n", ".html", tmp_path=tmp_path).decode()
    labels = labels_of(browse_page(text, [["drawn", "flame-canvas"]])[0])
    assert labels == {"all": (0, 0), "a": (0, 1), "b": (0, 2), "c": (WIDTH * 0.75, 2)}


@needs_node
def test_totals_are_those_of_the_folded_text(made):
    """A random tree: the numbers of the script beside those that the text gives."""
    text = made("large30000", ".html").decode()
    total = Counter()
    for line in made("large30000", ".folded").decode().splitlines():
        stack, weight = line.rsplit(" ", 1)
        for name in set(re.sub(r"_\[.\]$", "", frame) for frame in stack.split(";")[1:]):
            total[name] += int(weight)
    names = [name for name, _ in total.most_common(3)] + sorted(total)[:3]
    whole = sum(int(line.rsplit(" ", 1)[1]) for line in made("large30000", ".folded").decode().splitlines())
    seen = browse_page(text, [step for name in names for step in (["type", f"^{name}$", "search"], ["text", "matched"])])[1::2]
    assert seen == [f"matched: {100 * total[name] / whole:.2f} %" for name in names]
