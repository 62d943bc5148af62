"""The Python reference holds every public name and builds without a warning."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import streetseg

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reference.md"
SETTINGS = """
site_name: streetseg
docs_dir: pages
use_directory_urls: false
plugins:
  - mkdocstrings:
      handlers:
        python:
          paths: ["{source}"]
          options:
            docstring_style: google
            show_source: false
"""


def test_the_reference_holds_every_public_name() -> None:
    assert sorted(re.findall(r"^::: streetseg\.(\w+)$", PAGE.read_text(), re.MULTILINE)) == sorted(streetseg.__all__)


@pytest.mark.slow
def test_the_reference_builds_without_a_warning(tmp_path: Path) -> None:
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "index.md").write_text(PAGE.read_text())
    (tmp_path / "mkdocs.yml").write_text(SETTINGS.format(source=ROOT / "src"))
    command = [sys.executable, "-W", "ignore", "-m", "mkdocs", "build", "--strict", "--quiet"]
    built = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert built.returncode == 0, built.stdout + built.stderr
    page = (tmp_path / "site" / "index.html").read_text()
    for name in streetseg.__all__:
        assert f'id="streetseg.{name}"' in page
