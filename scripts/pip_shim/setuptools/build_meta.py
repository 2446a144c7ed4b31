"""setuptools' backend by the same stand-in; see mesonpy.py."""

import mesonpy as __legacy__
from mesonpy import build_wheel, prepare_metadata_for_build_wheel

__all__ = ["__legacy__", "build_wheel", "prepare_metadata_for_build_wheel"]
