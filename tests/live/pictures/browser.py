"""Runs the script of a picture under node, in the little browser of browser.js."""
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
