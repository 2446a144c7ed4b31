"""Segments' files as other tools read them, and whether the library that packs Vortex files is there for this build."""

import os

import pyarrow.ipc
import vortex


def has_vortex(build):
    named = build / "plugin"
    return bool(os.environ.get("RHEI_DATAFUSION")) or (named.is_file() and bool(named.read_text().strip()))


def read_segment(file):
    """As a table of pyarrow's, by the ending of its name."""
    if file.suffix == ".vortex":
        return vortex.open(str(file)).to_arrow().read_all()
    return pyarrow.ipc.open_file(pyarrow.memory_map(str(file))).read_all()
