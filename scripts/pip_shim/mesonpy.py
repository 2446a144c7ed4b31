"""Stands in for a source package's build backend while pip downloads it.

pip asks a source package for its metadata before it saves the archive. The real backend would be
installed and run for that, which is slow, needs more downloads and runs the package's code; all that
pip needs to hear is in the archive's own PKG-INFO.
"""

import pathlib
import shutil


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    source = pathlib.Path("PKG-INFO")
    fields = dict(line.split(": ", 1) for line in source.read_text().splitlines() if ": " in line)
    folder = f"{fields['Name'].replace('-', '_')}-{fields['Version']}.dist-info"
    target = pathlib.Path(metadata_directory) / folder
    target.mkdir(parents=True)
    shutil.copy(source, target / "METADATA")
    return folder


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    raise RuntimeError("packages are downloaded here, never built")
