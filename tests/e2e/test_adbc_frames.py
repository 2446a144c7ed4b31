"""pandas and polars over ADBC connections, in this process and over the network, as their own readers and writers use them."""

import pandas
import polars
import pytest

from flight_door import door, needs_door
from rh_program import rh  # noqa: F401 (a fixture)

flightsql = pytest.importorskip("adbc_driver_flightsql.dbapi")
ROWS = pandas.DataFrame({"id": [1, 2, 3], "name": ["a", None, "c\U0001f600"], "v": [1.5, None, -2.0]})


@pytest.fixture(params=["process", pytest.param("flight", marks=needs_door)])
def connection(request, rh, build):
    """With autocommit: the driver of Flight SQL ingests outside of transactions."""
    if request.param == "process":
        with request.getfixturevalue("adbc").dbapi(build, rh.folder / "a.db", autocommit=True) as made:
            yield made
    else:
        with door(rh, schema="CREATE TABLE other (x)") as at, flightsql.connect(at.uri, autocommit=True) as made:
            yield made


def test_d1_pandas_writes_and_reads(connection):
    assert ROWS.to_sql("t", connection, index=False) == 3
    with pytest.raises(ValueError, match="already exists"):
        ROWS.to_sql("t", connection, index=False)
    assert ROWS.to_sql("t", connection, index=False, if_exists="replace") == 3
    assert ROWS[:1].assign(id=4).to_sql("t", connection, index=False, if_exists="append") == 1
    read = pandas.read_sql("SELECT id, name, v FROM t ORDER BY id", connection)
    pandas.testing.assert_frame_equal(read[:3], ROWS)
    assert pandas.read_sql_table("t", connection, columns=["id"])["id"].sum() == 10
    assert pandas.read_sql("SELECT sum(v) AS s FROM t", connection, dtype_backend="pyarrow")["s"].tolist() == [1.0]


def test_d1_polars_reads_with_parameters_and_in_batches(connection):
    ROWS.to_sql("t", connection, index=False)
    read = polars.read_database("SELECT id, name, v FROM t WHERE id <> ? ORDER BY id", connection, execute_options={"parameters": [2]})
    assert read.rows() == [(1, "a", 1.5), (3, "c\U0001f600", -2.0)]
    assert sum(part.height for part in polars.read_database("SELECT * FROM t", connection, iter_batches=True, batch_size=2)) == 3
    assert polars.read_database("SELECT count(*) AS n FROM t", connection).item() == 3


def test_d1_a_frame_of_polars_is_taken_in(connection):
    frame = polars.DataFrame({"id": [1, 2], "name": ["long enough for a view of its own", None]})
    with connection.cursor() as cursor:
        assert cursor.adbc_ingest("p", frame.to_arrow(), mode="create") == 2
        assert polars.read_database("SELECT * FROM p ORDER BY id", connection).rows() == frame.rows()
        if "Flight" in connection.adbc_get_info()["driver_name"]:
            with pytest.raises(flightsql.NotSupportedError, match=r"views aren't taken over the network: .* its to_arrow\(\)"):
                cursor.adbc_ingest("q", frame, mode="create")
        else:
            assert cursor.adbc_ingest("q", frame, mode="create") == 2
