/* SPDX-License-Identifier: Apache-2.0 */
/* What `rh help` prints. docs/man/rh.1 says the same at length; a test compares the options of both. */
#include "rh_tool.h"

static const char overview[] =
    "rh " RHEI_VERSION ": transactions and analytics on the same live data\n"
    "\n"
    "  rh repl   [FILE]           a prompt: complete, ask, plot, watch; rh FILE does the same\n"
    "  rh exec   SQL              run statements that change data; several are all or nothing\n"
    "  rh query  SQL              ask; Rhei decides which engine answers\n"
    "  rh import FILE [TABLE]     load CSV, JSON, Parquet or Arrow\n"
    "  rh export FILE TABLE|SQL   write a table or an answer as CSV, JSON, Parquet or Arrow\n"
    "  rh status                  how far the column store is, table by table\n"
    "  rh sync                    bring the column store to every commit, and report\n"
    "  rh verify [TABLE]          compare tables with the column store\n"
    "  rh repair [TABLE]          mend what differs\n"
    "  rh backup DIR              copy database and column store into a folder, beside writers\n"
    "  rh detach                  take change capture out of the file\n"
    "  rh changes                 follow the changes of all tables, as lines of JSON\n"
    "  rh serve                   keep it open: Arrow Flight SQL, metrics, health\n"
    "  rh mcp    [FILE]           tools of the Model Context Protocol for a program that explores\n"
    "  rh agent  [FILE]           the same as lines of JSON; rh --agent does the same\n"
    "  rh dashboard [FILE]        watch a database live, full screen; --demo shows one under load\n"
    "  rh info                    paths, versions, settings in force\n"
    "  rh settings                every setting: what it may be, its default, what it does\n"
    "  rh config                  the settings that a service would have, and where they are from\n"
    "  rh help   [COMMAND]        the options of a command\n"
    "\n"
    "Every command takes (but settings, which opens no database)\n"
    "  --db FILE          the database (default rhei.db); exec and import create it\n"
    "  --config FILE      settings from a TOML file; --db overrides its oltp_path\n"
    "  -h, --help         this text, or a command's\n"
    "  -V, --version      the version\n"
    "\n"
    "Exit: 0 ok, 1 error, 2 wrong use.\n"
    "\n"
    "  rh import flights.csv flights --create --db air.db\n"
    "  rh query 'SELECT origin, count(*), avg(delay) FROM flights GROUP BY origin' --db air.db\n";

static const char exec_text[] =
    "rh exec [SQL] [options]: runs statements that change data or schema\n"
    "\n"
    "The SQL is the argument, a file (-f) or standard input. Several statements are one transaction, all\n"
    "or nothing, unless they hold BEGIN/COMMIT themselves or VACUUM, PRAGMA, ATTACH; then each counts as\n"
    "written.\n"
    "\n"
    "  --db FILE, --config FILE\n"
    "  -f, --file FILE    read the SQL from a file; - is standard input\n"
    "  --param V          value of the next ?: int:7 real:1.5 text:x blob:x'0a' null; otherwise 7 and 1.5\n"
    "                     are numbers and the rest (also 007) is text; :a=7 is of :a (@a, $a); repeatable\n"
    "  --timeout MS       end a statement after this time\n"
    "  --format F         of rows that a statement returns, as of rh query; also --no-header,\n"
    "                     --null-text, --width\n"
    "  --stats            tell rows changed, route, time and position on standard error\n"
    "  --capture          install change capture into the file, if it has none (what is there is used and\n"
    "                     kept)\n";

static const char query_text[] =
    "rh query [SQL] [options]: asks, and prints the rows\n"
    "\n"
    "The SQL is the argument, a file (-f) or standard input; several statements run in order, each by\n"
    "itself.\n"
    "\n"
    "  --db FILE, --config FILE\n"
    "  -f, --file FILE    read the SQL from a file; - is standard input\n"
    "  --param V          value of the next ?: int:7 real:1.5 text:x blob:x'0a' null; otherwise 7 and 1.5\n"
    "                     are numbers and the rest (also 007) is text; :a=7 is of :a (@a, $a); repeatable\n"
    "  --route R          auto (default), oltp, or olap: builds the column store first, fails where it\n"
    "                     may not answer\n"
    "  --freshness F      latest (default), bounded:MS, eventual\n"
    "  --as-of TIME       every table as of then (sync_mode temporal): 2026-11-27T10:00:00Z (UTC where no\n"
    "                     zone is said), seconds or microseconds since 1970\n"
    "  --timeout MS       end a statement after this time\n"
    "  --format F         table (default on a terminal), box, csv (default elsewhere), tsv, json, ndjson,\n"
    "                     markdown, vertical (a line for each value), arrow (an IPC stream), parquet\n"
    "                     csv, tsv: NULL is empty, empty text is \"\", a BLOB is x'..'; json: it is\n"
    "                     {\"base64\":\"..\"}\n"
    "  --no-header        rows only\n"
    "  --null-text TEXT   how NULL is written; text that reads the same is quoted\n"
    "  --width N          columns that a line of a table may have (default: the terminal's)\n"
    "  --explain          tell which engine would answer, and by which rule, instead of asking\n"
    "  --stats            tell rows, route, rule, time, position and age on standard error\n"
    "  --read-only        refuse statements that write\n"
    "\n"
    "A query changes nothing in or beside the file, unless the statement itself writes. On a terminal a\n"
    "long answer goes through $PAGER (less -SRX); PAGER=cat leaves it away.\n";

static const char import_text[] =
    "rh import FILE [TABLE] [options]: loads CSV, JSON, Parquet or Arrow; - is standard input\n"
    "\n"
    "Without TABLE it is the one that the file is called after: orders of data/orders.csv.gz.\n"
    "Everything is one transaction: a bad line is named with file, line and column, and nothing is\n"
    "imported. Format, encoding and dialect are found by the file's beginning and told at the end; what\n"
    "gzip packed is unpacked.\n"
    "\n"
    "  --db FILE, --config FILE\n"
    "  --create           make the table; types are found by reading the whole file first\n"
    "  --replace          the same, in place of the table of that name\n"
    "  --key COLS         primary key of the table that is made: a column, or several with commas\n"
    "  --type COL=TYPE    of CSV: INTEGER, REAL or TEXT, whatever its values look like; repeatable\n"
    "  --format F         csv, tsv, json, ndjson, parquet, arrow\n"
    "  --encoding E       of text: UTF-8, UTF-16, latin1, or what else iconv knows\n"
    "  --delimiter C      of CSV: one character or tab\n"
    "  --decimal C        of CSV: what numbers have before their fraction, . (default) or ,\n"
    "  --quote C          of CSV: \", ', or none\n"
    "  --header           of CSV: the first line has the column names\n"
    "  --no-header        it hasn't: fields are the table's columns in order\n"
    "  --null TEXT        of CSV: an unquoted field with this text is NULL (default: an empty one)\n"
    "  --skip N           of CSV: pass over N lines at the beginning\n"
    "  --rename OLD=NEW   another name for a column of the file; #3=NEW: for its third field; repeatable\n"
    "  --on-conflict C    a row whose key is there already: abort (default), skip, replace the old one,\n"
    "                     update its columns that the file has\n"
    "  --any-type         let text of CSV into INTEGER and REAL columns, as SQLite does\n"
    "  --reject FILE      write bad lines there (line, column, reason, record) and import the others\n"
    "  --batch N          commit every N rows; then what was committed before an error is kept\n"
    "  --capture          install change capture into the file, if it has none\n";

static const char status_text[] = "rh status [options]: position, lag, log and tables of the column store\n"
                                  "\n"
                                  "  --db FILE, --config FILE\n"
                                  "  --json             one JSON object, with every metric\n"
                                  "  --read-only        as without it: nothing is written\n";

static const char sync_text[] =
    "rh sync [options]: builds the column store, brings it to every commit and tells what that took\n"
    "\n"
    "  --db FILE, --config FILE\n"
    "  --timeout MS       wait no longer than this for the build\n"
    "  --json             one JSON object\n"
    "  --capture          install change capture into the file, if it has none\n"
    "\n"
    "Tables that SQLite alone answers for are named with the reason, and are no error: the exit is 0.\n"
    "It is 1 where olap_path names a folder and that couldn't be written, and where a sidecar's source\n"
    "couldn't be had (its line says why); everything else is in step then all the same.\n";

static const char verify_text[] =
    "rh verify [TABLE] [options]: compares tables with the column store, by count and checksum\n"
    "\n"
    "With olap_path in --config what is in that folder is compared, and not changed; else a column store\n"
    "that is built for it. Exits with 1 when a table differs, and when the folder couldn't be read.\n"
    "Of sidecars the files in the folder are checked, and not compared with the source; TABLE is then\n"
    "NAME.table, or NAME for all that is of it.\n"
    "\n"
    "  --db FILE, --config FILE\n"
    "  --rate N           compare no more than N rows a second\n"
    "  --timeout MS       wait no longer than this for the build\n"
    "  --json             one JSON object a line\n";

static const char repair_text[] =
    "rh repair [TABLE] [options]: compares tables with the column store, and mends what differs\n"
    "\n"
    "Rows that differ are taken again; a table that differs in most, or whose file is damaged, is built\n"
    "again. Mends what is kept: the folder of the column store (olap_path of --config), and capture where\n"
    "the file has it. A table of a sidecar (NAME.table) is loaded anew from its source if it is named\n"
    "or a file of it is damaged. A running engine mends its own (scrub_interval, rhei_repair); its folder\n"
    "is refused. Exits with 1 when a table can't be mended, versions of a history are lost, or the folder\n"
    "can't be mended or written.\n"
    "\n"
    "  --db FILE, --config FILE\n"
    "  --rate N           compare no more than N rows a second\n"
    "  --timeout MS       end after this many milliseconds\n"
    "  --json             one JSON object\n"
    "  --capture          install change capture into the file, if it has none\n";

static const char backup_text[] =
    "rh backup DIR [options]: copies the database and the folder of its column store, beside writers\n"
    "\n"
    "DIR is empty, or is made. It gets rhei.db, rhei.mirror (where olap_path of --config has a column\n"
    "store, history included) and backup.json with positions and checksums, which comes last: without it\n"
    "DIR is no backup. Restore by opening rhei.db with rhei.mirror as its olap_path. Nothing of the\n"
    "original changes.\n"
    "\n"
    "  --db FILE, --config FILE\n"
    "  --timeout MS       end after this many milliseconds; then, and after Ctrl-C, nothing is left of it\n"
    "  --json             one JSON object\n";

static const char export_text[] =
    "rh export FILE TABLE|SQL [options]: writes the rows of a table, or of a question, into a file\n"
    "rh export DIR --all, or DIR TABLE TABLE...: each table into a file of a folder, all of one moment\n"
    "\n"
    "The format goes by the file's ending: .csv .tsv .json .ndjson .parquet .arrow (a file of Arrow's)\n"
    ".arrows (a stream) .md .txt. FILE - is standard output. The file is there whole, or not at all.\n"
    "\n"
    "  --db FILE, --config FILE\n"
    "  --format F         csv, tsv, json, ndjson, parquet, arrow, markdown, table, whatever its name is\n"
    "  --force            replace a file that is there\n"
    "  --all              every table\n"
    "  --null-text TEXT   in csv and tsv: what NULL is (default: nothing, and empty text is \"\")\n"
    "  --no-header        csv and tsv without the line of names\n"
    "  --param V          value of the next ? of the question, as of rh query\n"
    "  --route R, --freshness F, --as-of TIME\n"
    "                     as of rh query\n"
    "  --timeout MS       end it after this time\n";

static const char detach_text[] =
    "rh detach [options]: takes triggers, change log and registry out of the file: plain SQLite\n"
    "\n"
    "Refused while an engine has the file open. Opened by an engine again, it is captured from scratch.\n"
    "\n"
    "  --db FILE, --config FILE\n";

static const char info_text[] = "rh info [options]: paths, engines, versions, memory, settings in force\n"
                                "\n"
                                "  --db FILE, --config FILE\n"
                                "  --json             as one line of JSON\n"
                                "  --read-only        as without it: nothing is written\n";

static const char changes_text[] =
    "rh changes [options]: prints what is changed, one JSON object a line, whole transactions\n"
    "\n"
    "Begins with the definition of every captured table; each commit ends what belongs together.\n"
    "\n"
    "  --db FILE, --config FILE\n"
    "  --consumer NAME    go on behind what this consumer was told last; the log waits for it (seven\n"
    "                     days, or its limit)\n"
    "  --oldest           a new consumer, or none, begins with the oldest change of the log (default:\n"
    "                     with new ones)\n"
    "  --follow           wait for more, until Ctrl-C (exit 0 between two commits)\n"
    "  --format F         json (default), or debezium: the envelope with before, after, source, op and\n"
    "                     ts_ms\n"
    "  --schemas          with --format debezium: a line is the record's key, a tab, and its value, each\n"
    "                     with its schema, as Kafka Connect's JsonConverter reads them\n"
    "  --drop             forget the consumer\n"
    "  --capture          install change capture into the file, if it has none\n";

static const char repl_text[] =
    "rh repl [FILE] [options]: a prompt for SQL and for commands that begin with a dot (.help lists them)\n"
    "\n"
    "On a terminal with editing, history, completion from the schema, a pager and Ctrl-C that cancels the\n"
    "query alone. From a pipe or file a script without prompts, up to its first error. The database is\n"
    "made when something is put into it. Where the file has change capture the column store is built and\n"
    "kept in step in the background.\n"
    "\n"
    "  --db FILE, --config FILE\n"
    "  --capture          install change capture into the file, if it has none\n"
    "  --read-only        change nothing in or beside the file\n"
    "  --route R          auto (default), oltp or olap: as .auto, .oltp and .olap set it\n"
    "  --freshness F      latest, bounded:MS, eventual: as .freshness sets it\n"
    "  --as-of TIME       every table as of then (sync_mode temporal): as .asof sets it\n"
    "  --timeout MS       end a statement after this time\n"
    "  --format F         as .mode sets it: table, box, vertical, markdown, csv, tsv, json, ndjson\n"
    "  --null-text TEXT   what NULL is shown as: as .null sets it\n"
    "  --width N          columns of a table: as .width sets it\n";

static const char settings_text[] =
    "rh settings [options]: every setting that a TOML file (--config) may have, under [engine]\n"
    "\n"
    "Name, type, unit, range, default, the field of struct rhei_config that says the same, and what it\n"
    "does. rh info tells which are in force.\n"
    "\n"
    "  --format F         as of rh query (default on a terminal: vertical); also --no-header, --width\n";

static const char config_text[] =
    "rh config [--explain] [options]: every setting that rh serve would have, and where it is from\n"
    "\n"
    "Value and origin of each: the file of --config with its line, RHEI_... of the environment, an\n"
    "option, or the default. Secrets are not shown. Nothing is opened.\n"
    "\n"
    "  --db FILE, --config FILE\n"
    "  --explain          what each does, too; on a terminal a line for each value\n"
    "  --format F         as of rh query; also --no-header, --width\n";

static const char serve_text[] =
    "rh serve [options]: keeps a database open until SIGTERM or SIGINT, and answers over the network\n"
    "\n"
    "Keeps the column store and sidecars in step, takes calls of pyarrow, ADBC and JDBC drivers (Flight),\n"
    "and answers /metrics, /healthz and /readyz. Prints each address it listens on (with port 0 any free\n"
    "one), and on standard error a line for each statement. What isn't given here, RHEI_... of the\n"
    "environment and the settings of --config say (rh config explains them). The database has to be\n"
    "there, and no other rh serve may have it. SIGHUP reads the settings again.\n"
    "It installs change capture in the file (triggers, tables _rhei_..., write-ahead logging), which rh\n"
    "detach takes out again; with --read-only it changes nothing.\n"
    "\n"
    "  --db FILE, --config FILE\n"
    "  --flight HOST:PORT 127.0.0.1:31337; other than loopback it needs TLS and credentials\n"
    "  --metrics HOST:PORT, or PORT\n"
    "                     of /metrics and probes; a PORT alone is one of 127.0.0.1\n"
    "  --http HOST:PORT, or PORT\n"
    "                     of POST /sql and a web page, for who has the credentials below; on loopback\n"
    "                     only\n"
    "  --no-page          POST /sql is answered without the page\n"
    "  --headless         lines on standard error have their time, and no colours\n"
    "  --token-file FILE  a secret in its first line, which clients show as a bearer token\n"
    "  --users-file FILE  lines NAME:HASH[:read_only,rows=N,seconds=N]\n"
    "  --no-auth          nobody has to say who he is; on loopback only\n"
    "  --tls-cert FILE, --tls-key FILE\n"
    "                     PEM of the certificate and its key\n"
    "  --tls-client-ca FILE\n"
    "                     clients have to show a certificate that this one signed\n"
    "  --read-only        nobody writes; the column store isn't kept in step then\n"
    "  --timeout MS       the most a statement may take, its last row sent\n"
    "  --max-rows N       the most rows of one result\n"
    "  --max-connections N\n"
    "                     of Flight; those that come last are ended (flight_max_connections, or 1000)\n"
    "  --transaction-idle MS\n"
    "                     roll a transaction that wrote back when nobody uses it so long (default 60000)\n"
    "  --drain MS         how long what runs may go on at the end (default 10000)\n"
    "  --make-user NAME   read a password from standard input, and print a line for --users-file\n";

static const char mcp_text[] =
    "rh mcp [FILE] [options]: the Model Context Protocol over standard input and output\n"
    "\n"
    "A program that explores the database gets the tools schema, query, explain and status. It can't\n"
    "change anything, and no statement reaches another file. Each answer says which engine gave it, at\n"
    "which position, how old it is, and whether it was cut.\n"
    "\n"
    "  --db FILE, --config FILE\n"
    "  --write            add the tool execute, which changes data and schema\n"
    "  --max-rows N       the most rows of an answer (default 1000)\n"
    "  --max-bytes N      about the most bytes of one (default 1048576)\n"
    "  --timeout MS       end a statement after this time (default 30000)\n";

static const char agent_text[] =
    "rh agent [FILE] [options], rh --agent [FILE] [options]: a line of JSON in, a line of JSON out\n"
    "\n"
    "{\"sql\": \"SELECT ?\", \"params\": [1]} asks; {\"tool\": \"schema\"} calls another tool of rh mcp, with\n"
    "its arguments beside it. What went wrong is {\"error\": {\"code\", \"sqlstate\", \"message\"}}, and the\n"
    "next line is read all the same. Limits and options are those of rh mcp.\n"
    "\n"
    "  --db FILE, --config FILE\n"
    "  --write            add the tool execute, which changes data and schema\n"
    "  --max-rows N       the most rows of an answer (default 1000)\n"
    "  --max-bytes N      about the most bytes of one (default 1048576)\n"
    "  --timeout MS       end a statement after this time (default 30000)\n";

static const char dashboard_text[] =
    "rh dashboard [FILE] [options]: lag, rates, tables and what happens, live on the whole terminal\n"
    "\n"
    "Where rh serve has the database, it shows that service: queries, latencies, memory. Else it looks at\n"
    "the file, which tells of changes, lag and engines, and changes nothing in or beside it. A dash is\n"
    "what isn't known, and no zero. Keys: q quits, p pauses, s syncs now, Tab and arrows choose a list\n"
    "and scroll it, ? tells all of them. Needs a terminal of 80 x 24 cells.\n"
    "\n"
    "  --db FILE, --config FILE\n"
    "  --demo             a database in a temporary folder, with writers and queries; it goes at the end\n"
    "  --refresh MS       time between two looks, from 100 to 60000 (default 1000)\n";

const char *rh_help_text(enum rh_command command)
{
    switch (command) {
    case RH_COMMAND_EXEC:
        return exec_text;
    case RH_COMMAND_QUERY:
        return query_text;
    case RH_COMMAND_SYNC:
        return sync_text;
    case RH_COMMAND_STATUS:
        return status_text;
    case RH_COMMAND_INFO:
        return info_text;
    case RH_COMMAND_IMPORT:
        return import_text;
    case RH_COMMAND_EXPORT:
        return export_text;
    case RH_COMMAND_VERIFY:
        return verify_text;
    case RH_COMMAND_REPAIR:
        return repair_text;
    case RH_COMMAND_BACKUP:
        return backup_text;
    case RH_COMMAND_DETACH:
        return detach_text;
    case RH_COMMAND_CHANGES:
        return changes_text;
    case RH_COMMAND_SETTINGS:
        return settings_text;
    case RH_COMMAND_CONFIG:
        return config_text;
    case RH_COMMAND_SERVE:
        return serve_text;
    case RH_COMMAND_REPL:
        return repl_text;
    case RH_COMMAND_MCP:
        return mcp_text;
    case RH_COMMAND_AGENT:
        return agent_text;
    case RH_COMMAND_DASHBOARD:
        return dashboard_text;
    default:
        return overview;
    }
}
