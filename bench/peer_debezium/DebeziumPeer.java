/* SPDX-License-Identifier: Apache-2.0 */

import io.debezium.embedded.Connect;
import io.debezium.engine.DebeziumEngine;
import io.debezium.engine.RecordChangeEvent;
import io.debezium.engine.format.ChangeEventFormat;
import java.io.PrintStream;
import java.util.List;
import java.util.Properties;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.source.SourceRecord;

/**
 * Debezium's embedded engine as a peer of the sidecar's figures: it follows a server by pgoutput and hands over records as Kafka Connect has them, without
 * turning them into JSON, and nothing is made of them but a count.
 *
 *     java -cp JARS DebeziumPeer.java PORT TABLE,...
 *
 * Of each record of the table "probe" it prints "N NANOSECONDS COUNT": its column n, when that was in its consumer's hands by the clock
 * CLOCK_MONOTONIC, and how many records there were until then. Ends when its standard input does.
 */
public class DebeziumPeer {
    private static long records;

    private static void take(
            List<RecordChangeEvent<SourceRecord>> batch,
            DebeziumEngine.RecordCommitter<RecordChangeEvent<SourceRecord>> committer,
            PrintStream out)
            throws InterruptedException {
        for (RecordChangeEvent<SourceRecord> event : batch) {
            records++;
            Struct value = (Struct) event.record().value();
            if (event.record().topic().endsWith(".probe")) {
                Object n = value.getStruct("after").get("n");
                out.println(n + " " + System.nanoTime() + " " + records);
                out.flush();
            }
            committer.markProcessed(event);
        }
        committer.markBatchFinished();
    }

    public static void main(String[] arguments) throws Exception {
        PrintStream out = System.out;
        System.setOut(System.err); // whatever else talks
        Properties settings = new Properties();
        settings.setProperty("name", "peer");
        settings.setProperty("connector.class", "io.debezium.connector.postgresql.PostgresConnector");
        settings.setProperty("offset.storage", "org.apache.kafka.connect.storage.MemoryOffsetBackingStore");
        settings.setProperty("offset.flush.interval.ms", "1000");
        settings.setProperty("database.hostname", "127.0.0.1");
        settings.setProperty("database.port", arguments[0]);
        settings.setProperty("database.user", "postgres");
        settings.setProperty("database.password", "");
        settings.setProperty("database.dbname", "postgres");
        settings.setProperty("topic.prefix", "peer");
        settings.setProperty("table.include.list", arguments[1]);
        settings.setProperty("plugin.name", "pgoutput");
        settings.setProperty("slot.name", "debezium_peer");
        settings.setProperty("publication.name", "bench");
        settings.setProperty("publication.autocreate.mode", "disabled");
        settings.setProperty("snapshot.mode", "no_data");
        settings.setProperty("tombstones.on.delete", "false");
        // in its favour: its own defaults are 500 ms, 2,048 and 8,192
        settings.setProperty("poll.interval.ms", "1");
        settings.setProperty("max.batch.size", "20480");
        settings.setProperty("max.queue.size", "81920");

        DebeziumEngine<RecordChangeEvent<SourceRecord>> engine =
                DebeziumEngine.create(ChangeEventFormat.of(Connect.class))
                        .using(settings)
                        .using((success, message, error) -> {
                            if (!success) {
                                System.err.println("Debezium: " + message + (error == null ? "" : ": " + error));
                                System.exit(1);
                            }
                        })
                        .notifying((batch, committer) -> take(batch, committer, out))
                        .build();
        Thread runner = new Thread(engine, "engine");
        runner.setDaemon(true);
        runner.start();
        while (System.in.read() >= 0) {
            // until whoever started this goes
        }
        System.exit(0);
    }
}
