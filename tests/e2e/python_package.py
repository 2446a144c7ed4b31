"""The Python package as ./dev build leaves it, in this process and in others."""

import os
import subprocess
import sys

import pytest


def package_of(build):
    if build.name.endswith(("-asan", "-tsan")) or not list((build / "python" / "rhei").glob("_native*.so")):
        pytest.skip("this build has no Python package: Python itself has no sanitizer")
    return build / "python"


@pytest.fixture
def rhei(build):
    folder = str(package_of(build))
    if folder not in sys.path:
        sys.path.insert(0, folder)
    import rhei as package
    return package


def run_python(build, text, cwd, timeout=60, **popen):
    """A program in a process of its own; its words, after it ended well."""
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=timeout, cwd=cwd,
                          env=dict(os.environ, PYTHONPATH=str(package_of(build))), **popen)
    assert done.returncode == 0, done.stderr
    return done.stdout
