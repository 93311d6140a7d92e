"""Runs the script of a picture under node, in the little browser of browser.js."""
import html.parser
import json
import shutil
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

NODE = shutil.which("node")
needs_node = pytest.mark.skipif(not NODE, reason="node is not installed: package nodejs")


def as_tree(element):
    return {"name": element.tag.split("}")[-1], "attributes": dict(element.attrib), "text": element.text or "",
            "children": [as_tree(child) for child in element]}


def browse_tree(root, script, actions, hash="", width=0):
    """What is to be seen after each action."""
    page = json.dumps({"tree": as_tree(root), "script": script, "hash": hash, "width": width, "actions": actions})
    done = subprocess.run([NODE, Path(__file__).with_name("browser.js")], input=page, capture_output=True, text=True,
                          timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def browse(svg, actions, **more):
    root = ET.fromstring(svg)
    scripts = [one for one in root.iter() if one.tag.endswith("script") and one.get("type") is None]
    assert len(scripts) == 1
    return browse_tree(root, scripts[0].text, actions, **more)


class Page(html.parser.HTMLParser):
    """An HTML page as an ElementTree; a tag that is not closed, or closed and not open, is an error."""
    VOID = {"meta", "input", "br"}

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.root, self.open = None, []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        element = ET.Element(tag, {key: value or "" for key, value in attributes})
        if self.open:
            self.open[-1].append(element)
        else:
            self.root = element
        if tag not in self.VOID:
            self.open.append(element)

    def handle_startendtag(self, tag, attributes):
        assert tag in self.VOID
        self.handle_starttag(tag, attributes)

    def handle_endtag(self, tag):
        assert self.open.pop().tag == tag

    def handle_data(self, data):
        if self.open and len(self.open[-1]) == 0:
            self.open[-1].text = (self.open[-1].text or "") + data


def browse_page(text, actions, **more):
    page = Page(text)
    scripts = [one for one in page.root.iter("script") if one.get("type") is None]
    assert len(scripts) == 1
    return browse_tree(page.root, scripts[0].text, actions, **more)
