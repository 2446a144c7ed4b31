"""A consumer of Debezium's envelope that knows nothing of Rhei: Kafka Connect's JsonConverter parses the lines of standard input, Debezium's own
classes judge the envelope and take the row out (ExtractNewRecordState), and what is left is put into maps by key. Prints the tables as JSON, every
value as class and bits (rhei_engine.encode).

    connect_consumer.py schemas|plain JAR...

schemas: a line is a record's key, a tab and its value, both with schema and payload. plain: the envelope alone; the key is what the caller
names, JSON {table: [columns]} in KEYS.
"""

import glob
import json
import os
import sys

import jpype
import jpype.imports  # noqa: F401 (java.* below)

from rhei_engine import encode


def java_class(name):
    return jpype.JClass(name)


def configured(name, **settings):
    made = java_class(name)()
    values = java_class("java.util.HashMap")()
    for key, value in settings.items():
        values.put(key.replace("__", "."), value)
    made.configure(values)
    return made


def word(value):
    """Of a value as the converter gives it: null, Long, Double, String, byte[]; without schemas bytes are an object."""
    if value is None:
        return encode(None)
    if isinstance(value, (bool, jpype.JBoolean)):
        raise TypeError("the feed has no truth values")
    if isinstance(value, int):
        return encode(int(value))
    if isinstance(value, float):
        return encode(float(value))
    if isinstance(value, (str, java_class("java.lang.String"))):
        return encode(str(value))
    if isinstance(value, java_class("java.util.Map")):
        return encode(bytes(java_class("java.util.Base64").getDecoder().decode(value.get("base64"))))
    return encode(bytes(value.array() if isinstance(value, java_class("java.nio.ByteBuffer")) else value))


class Copy:
    """Tables by key; a position is taken once, and they never go back."""

    def __init__(self):
        self.tables, self.records, self.operations = {}, 0, {}

    def take(self, table, key, row, operation):
        rows = self.tables.setdefault(table, {})
        place = json.dumps(key, sort_keys=True)
        rows.pop(place, None)
        if row is not None:
            rows[place] = row
        self.records += 1
        self.operations[operation] = self.operations.get(operation, 0) + 1

    def print(self):
        json.dump({"tables": {table: list(rows.values()) for table, rows in self.tables.items()}, "records": self.records,
                   "operations": self.operations}, sys.stdout)


def fields(struct):
    return {str(field.name()): word(struct.get(field)) for field in struct.schema().fields()}


def with_schemas(copy):
    envelope, record_class = java_class("io.debezium.data.Envelope"), java_class("org.apache.kafka.connect.sink.SinkRecord")
    keys = configured("org.apache.kafka.connect.json.JsonConverter", schemas__enable="true", converter__type="key")
    values = configured("org.apache.kafka.connect.json.JsonConverter", schemas__enable="true", converter__type="value")
    extract = configured("io.debezium.transforms.ExtractNewRecordState", delete__tombstone__handling__mode="rewrite",
                         add__fields="op,table,source.position,source.ts_ms")
    for offset, line in enumerate(sys.stdin.buffer):
        key_bytes, value_bytes = line.rstrip(b"\n").split(b"\t")
        key, value = keys.toConnectData("rhei", key_bytes), values.toConnectData("rhei", value_bytes)
        value.value().validate()
        key.value().validate()
        assert envelope.isEnvelopeSchema(value.schema()), value.schema().name()
        assert value.schema().version() == envelope.SCHEMA_VERSION
        known = {str(name) for name in envelope.ALL_FIELD_NAMES}
        assert {str(field.name()) for field in value.schema().fields()} <= known
        record = record_class("rhei", 0, key.schema(), key.value(), value.schema(), value.value(), offset)
        operation = str(java_class("io.debezium.data.Envelope$Operation").forCode(value.value().getString("op")).code())
        row = fields(extract.apply(record).value())
        assert row.pop("__op") == encode(operation)
        table, gone = bytes.fromhex(row.pop("__table")[1:]).decode(), row.pop("__deleted") == encode("true")
        assert gone == (operation == "d")
        assert int(row.pop("__source_position")[1:]) > 0 and int(row.pop("__source_ts_ms")[1:]) > 0
        copy.take(table, fields(key.value()), None if gone else row, operation)


def without(copy, keys):
    envelope = java_class("io.debezium.data.Envelope")
    values = configured("org.apache.kafka.connect.json.JsonConverter", schemas__enable="false", converter__type="value")
    known = {str(name) for name in envelope.ALL_FIELD_NAMES}
    for line in sys.stdin.buffer:
        value = values.toConnectData("rhei", line).value()
        assert {str(name) for name in value.keySet()} <= known
        operation = java_class("io.debezium.data.Envelope$Operation").forCode(value.get("op"))
        assert operation is not None, value.get("op")
        source = value.get("source")
        table, code = str(source.get("table")), str(operation.code())
        row = value.get("before" if code == "d" else "after")
        row = {str(name): word(row.get(name)) for name in row.keySet()}
        copy.take(table, {name: row[name] for name in keys[table]}, None if code == "d" else row, code)


def main():
    jars = [jar for folder in sys.argv[2:] for jar in glob.glob(os.path.join(folder, "*.jar"))]
    jpype.startJVM("-Xmx512m", classpath=jars, convertStrings=False)
    copy = Copy()
    if sys.argv[1] == "schemas":
        with_schemas(copy)
    else:
        without(copy, json.loads(os.environ["KEYS"]))
    copy.print()


main()
