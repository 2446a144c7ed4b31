"""What ./dev says of its own commands, and that a word which is none of theirs begins nothing."""

import subprocess

import pytest

from rh_program import ROOT

COMMANDS = ("setup", "build", "test", "bench", "demo", "check", "wheel", "deb", "mutate", "fmt", "docs")


def dev(*words, code=0):
    # without a PATH to compilers, Python or packages: what begins any work fails with another message
    done = subprocess.run(["/bin/bash", ROOT / "dev", *words], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
                          env={"PATH": "/nowhere:/bin", "HOME": "/nowhere", "RHEI_CACHE": "/nowhere"}, check=False)
    assert done.returncode == code, done
    return done


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_tells_what_it_takes(command):
    told = dev(command, "--help")
    assert told.stdout.startswith(f"./dev {command}") and told.stderr == ""
    assert dev(command, "-h").stdout == dev("help", command).stdout == told.stdout
    assert f"./dev {command}" in dev("help").stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_an_option_that_is_none_is_no_folder_and_no_database(command):
    assert dev(command, "--nosuch", code=2).stderr == f"rhei: ./dev {command} has no option --nosuch (./dev {command} --help)\n"
    assert not (ROOT / "--nosuch").exists()


def test_words_too_many_and_values_that_are_missing():
    for command in ("build", "test", "fmt", "docs"):
        assert "'more' is one word too many" in dev(command, "more", code=2).stderr
    for command in ("wheel", "deb", "demo"):
        assert "'two' is one word too many" in dev(command, "one", "two", code=2).stderr
    assert "--only needs a value" in dev("bench", "--only", code=2).stderr
    assert "there is no check named nosuch" in dev("check", "format", "nosuch", code=1).stderr


def test_a_command_that_is_none_points_to_the_list():
    for words in (("nosuch",), ("help", "nosuch")):
        assert dev(*words, code=2).stderr == "rhei: there is no ./dev nosuch; ./dev help lists what there is\n"
    assert dev(code=2).stderr == dev("help").stdout == dev("--help").stdout
    # the words of all of them begin in one column
    rows = [row for row in dev("help").stdout.split("\n") if row.startswith("./dev ")]
    assert len(rows) == len(COMMANDS) + 1 and all(row[22] == " " != row[23] for row in rows), rows


@pytest.mark.parametrize("script", ("wheel.sh", "deb.sh"))
def test_the_scripts_themselves_take_no_option_for_a_folder(script):
    done = subprocess.run([ROOT / "scripts" / script, "--help"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1 and "the folder to write into" in done.stderr and not (ROOT / "--help").exists()
