"""The Flight SQL JDBC driver in a process of its own (a Java machine can't be started twice): runs what standard input asks for, JSON [[kind, arguments...]...],
and prints what came of each, {"rows": [[text...]...]}, {"count": n}, {"value": text} or {"error": text}.

    jdbc_client.py URL JAR

Kinds are query and update with a text, prepared_query and prepared_update with a text and rows of [setter, value], everything, and the methods
of DatabaseMetaData.
"""

import json
import sys

import jpype

url, jar = sys.argv[1:]
jpype.startJVM("--add-opens=java.base/java.nio=ALL-UNNAMED", "-Dorg.slf4j.simpleLogger.defaultLogLevel=off", classpath=[jar])
jpype.JClass("org.apache.arrow.driver.jdbc.ArrowFlightJdbcDriver")


def text(value):
    return None if value is None else bytes(value).hex() if isinstance(value, jpype.JArray(jpype.JByte)) else str(value)


def rows(result):
    names = result.getMetaData()
    found = [[str(names.getColumnLabel(i + 1)) for i in range(names.getColumnCount())]]
    while result.next():
        found.append([text(result.getObject(i + 1)) for i in range(len(found[0]))])
    result.close()
    return {"rows": found}


VALUES = {
    "setBigDecimal": lambda value: jpype.JClass("java.math.BigDecimal")(value),
    "setBytes": lambda value: jpype.JArray(jpype.JByte)(bytes.fromhex(value)),
    "setDate": lambda value: jpype.JClass("java.sql.Date").valueOf(value),
    "setTime": lambda value: jpype.JClass("java.sql.Time").valueOf(value),
    "setTimestamp": lambda value: jpype.JClass("java.sql.Timestamp").valueOf(value),
}


def prepared(connection, kind, sql, *rows_of_values):
    """Each row is [[setter, value]...], by position; several are a batch."""
    statement = connection.prepareStatement(sql)
    try:
        for row in rows_of_values:
            for i, (setter, value) in enumerate(row):
                if value is None:
                    statement.setNull(i + 1, jpype.JClass("java.sql.Types").NULL)
                else:
                    getattr(statement, setter)(i + 1, VALUES.get(setter, lambda same: same)(value))
            if len(rows_of_values) > 1:
                statement.addBatch()
        if kind == "prepared_query":
            return rows(statement.executeQuery())
        return {"count": sum(statement.executeBatch()) if len(rows_of_values) > 1 else int(statement.executeUpdate())}
    finally:
        statement.close()


def everything(metadata):
    """What each method of DatabaseMetaData without a parameter fails with; tools ask for most of them when they connect."""
    failed = {}
    for method in jpype.JClass("java.sql.DatabaseMetaData").class_.getMethods():
        if method.getParameterCount() == 0:
            try:
                found = method.invoke(metadata)
                if isinstance(found, jpype.JClass("java.sql.ResultSet")):
                    found.close()
            except jpype.JException as error:
                failed[str(method.getName())] = str(error.getCause() or error)
    return {"failed": failed}


def run(connection, kind, *arguments):
    if kind.startswith("prepared"):
        return prepared(connection, kind, *arguments)
    if kind in ("query", "update"):
        statement = connection.createStatement()
        try:
            return rows(statement.executeQuery(arguments[0])) if kind == "query" else {"count": int(statement.executeUpdate(arguments[0]))}
        finally:
            statement.close()
    if kind == "everything":
        return everything(connection.getMetaData())
    found = getattr(connection.getMetaData(), kind)(*arguments)
    return rows(found) if isinstance(found, jpype.JClass("java.sql.ResultSet")) else {"value": text(found)}


def main():
    connection = jpype.JClass("java.sql.DriverManager").getConnection(url)
    told = []
    for one in json.load(sys.stdin):
        try:
            told.append(run(connection, *one))
        except jpype.JException as error:
            told.append({"error": str(error)})
    connection.close()
    print(json.dumps(told))


main()
