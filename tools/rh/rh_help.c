/* SPDX-License-Identifier: Apache-2.0 */
/* What `rh help` prints. docs/man/rh.1 says the same at length; a test compares the options of both. */
#include "rh_tool.h"

static const char overview[] =
    "rh " RHEI_VERSION ": transactions and analytics on the same live data\n"
    "\n"
    "  rh exec   SQL              run statements that change data; several are all or nothing\n"
    "  rh query  SQL              ask; Rhei decides which engine answers\n"
    "  rh import FILE.csv TABLE   load a CSV file\n"
    "  rh status                  how far the column store is, table by table\n"
    "  rh sync                    bring the column store to every commit, and report\n"
    "  rh verify [TABLE]          compare tables with the column store\n"
    "  rh repair [TABLE]          mend what differs\n"
    "  rh backup DIR              copy database and column store into a folder, beside writers\n"
    "  rh detach                  take change capture out of the file\n"
    "  rh changes                 follow the changes of all tables, as lines of JSON\n"
    "  rh info                    paths, versions, settings in force\n"
    "  rh settings                every setting: what it may be, its default, what it does\n"
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
    "                     are numbers and the rest (also 007) is text; repeatable\n"
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
    "                     are numbers and the rest (also 007) is text; repeatable\n"
    "  --route R          auto (default), oltp, or olap: builds the column store first, fails where it\n"
    "                     may not answer\n"
    "  --freshness F      latest (default), bounded:MS, eventual\n"
    "  --as-of TIME       every table as of then (sync_mode temporal): 2026-11-27T10:00:00Z (UTC where no\n"
    "                     zone is said), seconds or microseconds since 1970\n"
    "  --timeout MS       end a statement after this time\n"
    "  --format F         table (default on a terminal), csv (default elsewhere), tsv, json, ndjson,\n"
    "                     markdown, vertical (a line for each value), arrow (an IPC stream)\n"
    "                     csv, tsv: NULL is empty, empty text is \"\", a BLOB is x'..'; json: it is\n"
    "                     {\"base64\":\"..\"}\n"
    "  --no-header        rows only\n"
    "  --null-text TEXT   how NULL is written; text that reads the same is quoted\n"
    "  --width N          columns that a line of a table may have (default: the terminal's)\n"
    "  --explain          tell which engine would answer, and by which rule, instead of asking\n"
    "  --stats            tell rows, route, rule, time, position and age on standard error\n"
    "  --read-only        refuse statements that write\n"
    "\n"
    "A query changes nothing in or beside the file, unless the statement itself writes.\n";

static const char import_text[] =
    "rh import FILE.csv TABLE [options]: loads CSV (RFC 4180), - is standard input\n"
    "\n"
    "Everything is one transaction: a bad line is named with file, line and column, and nothing is\n"
    "imported.\n"
    "\n"
    "  --db FILE, --config FILE\n"
    "  --create           make the table; types are found by reading the whole file first\n"
    "  --key COLS         primary key of the table that is made: a column, or several with commas\n"
    "  --delimiter C      one character or tab (default ,)\n"
    "  --header           the first line has the column names (default)\n"
    "  --no-header        it hasn't: fields are the table's columns in order\n"
    "  --null TEXT        an unquoted field with this text is NULL (default: an empty one)\n"
    "  --skip N           pass over N lines at the beginning\n"
    "  --rename OLD=NEW   another name for a column of the file; #3=NEW: for its third field; repeatable\n"
    "  --on-conflict C    a row whose key is there already: abort (default), skip, replace the old one,\n"
    "                     update its columns that the file has\n"
    "  --any-type         let text into INTEGER and REAL columns, as SQLite does\n"
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
    "It is 1 where olap_path names a folder and that couldn't be written.\n";

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

static const char settings_text[] =
    "rh settings [options]: every setting that a TOML file (--config) may have, under [engine]\n"
    "\n"
    "Name, type, unit, range, default, the field of struct rhei_config that says the same, and what it\n"
    "does. rh info tells which are in force.\n"
    "\n"
    "  --format F         as of rh query (default on a terminal: vertical); also --no-header, --width\n";

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
    default:
        return overview;
    }
}
