"""SQLAlchemy's own suite for dialects, over rhei://. tests/e2e/test_python_sqlalchemy.py starts it."""

import os
import pathlib
import re
import sys

import pytest

sys.path.insert(0, os.environ["RHEI_PYTHON"])

from sqlalchemy.dialects import registry  # noqa: E402

registry.register("rhei", "rhei.sqlalchemy", "RheiDialect")
registry.register("rhei.rhei", "rhei.sqlalchemy", "RheiDialect")
pytest.register_assert_rewrite("sqlalchemy.testing.assertions")

from sqlalchemy.testing.plugin.pytestplugin import *  # noqa: E402,F403


def provisions():
    """What the suite asks of a dialect beside its features; the same as SQLite's."""
    from sqlalchemy.dialects.sqlite import insert
    from sqlalchemy.testing.provision import temp_table_keyword_args, upsert

    @temp_table_keyword_args.for_db("rhei")
    def temporary(cfg, eng):
        return {"prefixes": ["TEMPORARY"]}

    @upsert.for_db("rhei")
    def upserted(cfg, table, returning, *, set_lambda=None, sort_by_parameter_order=False):
        statement = insert(table)
        changed = set_lambda(statement.excluded) if set_lambda else None
        statement = statement.on_conflict_do_update(set_=changed) if changed else statement.on_conflict_do_nothing()
        return statement.returning(*returning, sort_by_parameter_order=sort_by_parameter_order)


provisions()

EXCLUDED = set(re.findall(r"^\| `(test_[^`]+)` \|", (pathlib.Path(__file__).parent / "README.md").read_text(), re.M))
of_sqlalchemy = pytest_collection_modifyitems  # noqa: F405


def pytest_collection_modifyitems(session, config, items):
    of_sqlalchemy(session, config, items)
    items[:] = [item for item in items if item.name not in EXCLUDED]
