# SPDX-License-Identifier: Apache-2.0
"""DataFusion's own tables in memory, asked by its Python package: the peer of figures_datafusion.

    peer_datafusion.py THREADS        each line of standard input is a request, each of standard output its answer:
    load TABLE FILE.parquet           ok
    run SQL                           NANOSECONDS ROWS, from the text to the last batch
"""

import sys
import time

import pyarrow as pa
import pyarrow.parquet as pq
from datafusion import SessionConfig, SessionContext

BATCH_ROWS = 8192


def views(table):
    """Texts as DataFusion reads them from files, and as the mirror gives them."""
    fields = [pa.field(f.name, pa.string_view() if pa.types.is_string(f.type) else f.type, f.nullable) for f in table.schema]
    return table.cast(pa.schema(fields))


def load(context, threads, name, path):
    batches = views(pq.read_table(path)).combine_chunks().to_batches(max_chunksize=BATCH_ROWS)
    parts = [batches[part::threads] for part in range(threads)]
    context.register_record_batches(name, [part for part in parts if part] or [batches])


def run(context, sql):
    start = time.perf_counter_ns()
    rows = sum(batch.to_pyarrow().num_rows for batch in context.sql(sql).execute_stream())
    return time.perf_counter_ns() - start, rows


def main():
    threads = int(sys.argv[1])
    context = SessionContext(SessionConfig().with_target_partitions(threads).with_batch_size(BATCH_ROWS))
    for line in sys.stdin:
        request, _, rest = line.rstrip("\n").partition(" ")
        if request == "load":
            load(context, threads, *rest.split(" ", 1))
            print("ok", flush=True)
        else:
            print(*run(context, rest), flush=True)


main()
