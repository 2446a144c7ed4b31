"""What the ABI check lets pass and what it doesn't (docs/guide/abi.md), on libraries of three functions."""

import subprocess
import sys

import pytest

from rh_program import ROOT

sys.path.insert(0, str(ROOT / "scripts"))
import abi  # noqa: E402

HEADER = """#include <stddef.h>
enum rhei_thing { RHEI_THING_A = 0, RHEI_THING_B = 1 };
struct rhei_options { size_t struct_size; int a; };
struct rhei_pair { int a, b; };
int rhei_one(const struct rhei_options *options);
int rhei_two(const struct rhei_pair *pair);
"""
CODE = """#include "rhei/rhei.h"
int rhei_one(const struct rhei_options *options) { return options->a; }
int rhei_two(const struct rhei_pair *pair) { return pair->a; }
"""


def described(folder, header, code):
    headers = folder / "rhei"
    headers.mkdir(parents=True)
    (headers / "rhei.h").write_text(header)
    (folder / "code.c").write_text(code)
    subprocess.run(["cc", "-g", "-shared", "-fPIC", f"-I{folder}", "code.c", "-o", "librhei.so"], cwd=folder, check=True, timeout=60)
    abi.read(folder / "librhei.so", headers, folder / "read")
    return headers, folder / "read", abi.numbers(headers, folder)


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    return described(tmp_path_factory.mktemp("abi") / "release", HEADER, CODE)


@pytest.mark.parametrize("passes, old, new, code", [
    (True, "", "", ""),
    (True, "int a; };\nstruct rhei_pair", "int a; double more; };\nstruct rhei_pair", ""),
    (True, "THING_B = 1", "THING_B = 1, RHEI_THING_C = 2", ""),
    (True, "", "", "int rhei_three(void); int rhei_three(void) { return 3; }"),
    (False, "struct_size; int a;", "struct_size; int before; int a;", ""),
    (False, "{ int a, b; }", "{ int a, b, c; }", ""),
    (False, "THING_B = 1", "THING_C = 1, RHEI_THING_B = 2", ""),
    (False, "int a, b;", "int a; long b;", ""),
])
def test_what_passes(release, tmp_path, passes, old, new, code):
    headers, read, numbers = described(tmp_path / "new", HEADER.replace(old, new, 1), CODE + code)
    found = abi.differences(release[1], read, headers, tmp_path) + "".join(abi.renumbered(release[2], numbers))
    assert (found == "") == passes, found


def test_a_function_that_is_gone_or_takes_something_else(release, tmp_path):
    for name, change in {"gone": ("rhei_two", "rhei_second"), "other": ("const struct rhei_pair *pair", "const struct rhei_pair *pair, int more")}.items():
        headers, read, _ = described(tmp_path / name, HEADER.replace(*change), CODE.replace(*change))
        assert "rhei_two" in abi.differences(release[1], read, headers, tmp_path)
