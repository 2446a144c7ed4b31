"""The programs of docs/guide/python.md print what stands below them."""

import pathlib
import re

import pytest

from python_package import run_python

pytest.importorskip("pyarrow")
pytest.importorskip("adbc_driver_manager")
pytest.importorskip("ibis")
PAGE = (pathlib.Path(__file__).resolve().parents[2] / "docs" / "guide" / "python.md").read_text()


def test_the_page_is_run_as_it_stands(build, folder):
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    assert len(blocks) >= 9
    shown = [line.strip()[2:] for block in blocks for line in block.splitlines() if line.strip().startswith("# ")]
    printed = run_python(build, "\n".join(blocks), folder).splitlines()
    assert printed == shown


def test_the_page_names_every_class(build, folder):
    names = run_python(build, "import rhei; print(*rhei.errors.__all__)", folder).split()
    for name in re.findall(r"`(\w+Error)`", PAGE):
        assert name in names or name in ("NumberTooBigError", "SurrogateError", "TimeoutError", "ValueError", "OverflowError"), name
