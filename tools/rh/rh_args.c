/* SPDX-License-Identifier: Apache-2.0 */
#include "rh_args.h"

#include "rh_number.h"
#include "rh_text.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

const char *const rh_command_names[] = {"exec",   "query",  "sync",   "status",  "info",     "import", "verify",
                                        "repair", "backup", "detach", "changes", "settings", "help",   NULL};

enum option_id {
    OPTION_DB = 256,
    OPTION_CONFIG,
    OPTION_READ_ONLY,
    OPTION_CAPTURE,
    OPTION_FILE,
    OPTION_PARAM,
    OPTION_TIMEOUT,
    OPTION_FORMAT,
    OPTION_STATS,
    OPTION_NULL_TEXT,
    OPTION_WIDTH,
    OPTION_ROUTE,
    OPTION_FRESHNESS,
    OPTION_AS_OF,
    OPTION_EXPLAIN,
    OPTION_JSON,
    OPTION_CREATE,
    OPTION_KEY,
    OPTION_DELIMITER,
    OPTION_HEADER,
    OPTION_NO_HEADER,
    OPTION_NULL,
    OPTION_REJECT,
    OPTION_BATCH,
    OPTION_ANY_TYPE,
    OPTION_CONFLICT,
    OPTION_RENAME,
    OPTION_SKIP,
    OPTION_CONSUMER,
    OPTION_FOLLOW,
    OPTION_OLDEST,
    OPTION_DROP,
    OPTION_SCHEMAS,
    OPTION_RATE,
    OPTION_HELP,
    OPTION_VERSION,
    OPTION_END,
};

static const struct option long_options[] = {
    {"db", required_argument, NULL, OPTION_DB},
    {"config", required_argument, NULL, OPTION_CONFIG},
    {"read-only", no_argument, NULL, OPTION_READ_ONLY},
    {"capture", no_argument, NULL, OPTION_CAPTURE},
    {"file", required_argument, NULL, OPTION_FILE},
    {"param", required_argument, NULL, OPTION_PARAM},
    {"timeout", required_argument, NULL, OPTION_TIMEOUT},
    {"rate", required_argument, NULL, OPTION_RATE},
    {"format", required_argument, NULL, OPTION_FORMAT},
    {"stats", no_argument, NULL, OPTION_STATS},
    {"null-text", required_argument, NULL, OPTION_NULL_TEXT},
    {"width", required_argument, NULL, OPTION_WIDTH},
    {"route", required_argument, NULL, OPTION_ROUTE},
    {"freshness", required_argument, NULL, OPTION_FRESHNESS},
    {"as-of", required_argument, NULL, OPTION_AS_OF},
    {"explain", no_argument, NULL, OPTION_EXPLAIN},
    {"json", no_argument, NULL, OPTION_JSON},
    {"create", no_argument, NULL, OPTION_CREATE},
    {"key", required_argument, NULL, OPTION_KEY},
    {"delimiter", required_argument, NULL, OPTION_DELIMITER},
    {"header", no_argument, NULL, OPTION_HEADER},
    {"no-header", no_argument, NULL, OPTION_NO_HEADER},
    {"null", required_argument, NULL, OPTION_NULL},
    {"reject", required_argument, NULL, OPTION_REJECT},
    {"batch", required_argument, NULL, OPTION_BATCH},
    {"any-type", no_argument, NULL, OPTION_ANY_TYPE},
    {"on-conflict", required_argument, NULL, OPTION_CONFLICT},
    {"rename", required_argument, NULL, OPTION_RENAME},
    {"skip", required_argument, NULL, OPTION_SKIP},
    {"consumer", required_argument, NULL, OPTION_CONSUMER},
    {"follow", no_argument, NULL, OPTION_FOLLOW},
    {"oldest", no_argument, NULL, OPTION_OLDEST},
    {"drop", no_argument, NULL, OPTION_DROP},
    {"schemas", no_argument, NULL, OPTION_SCHEMAS},
    {"help", no_argument, NULL, OPTION_HELP},
    {"version", no_argument, NULL, OPTION_VERSION},
    {NULL, 0, NULL, 0},
};

#define ONLY(command) (1U << (command))
#define STATEMENTS    (ONLY(RH_COMMAND_EXEC) | ONLY(RH_COMMAND_QUERY))
#define EVERYWHERE    (~0U)

/* Which commands an option belongs to. */
static unsigned commands_of(int option)
{
    switch (option) {
    case OPTION_FILE:
    case OPTION_PARAM:
        return STATEMENTS;
    case OPTION_DB:
    case OPTION_CONFIG:
        return EVERYWHERE & ~ONLY(RH_COMMAND_SETTINGS);
    case OPTION_TIMEOUT:
        return STATEMENTS | ONLY(RH_COMMAND_SYNC) | ONLY(RH_COMMAND_VERIFY) | ONLY(RH_COMMAND_REPAIR) |
               ONLY(RH_COMMAND_BACKUP);
    case OPTION_RATE:
        return ONLY(RH_COMMAND_VERIFY) | ONLY(RH_COMMAND_REPAIR);
    case OPTION_FORMAT:
        return STATEMENTS | ONLY(RH_COMMAND_SETTINGS) | ONLY(RH_COMMAND_CHANGES);
    case OPTION_WIDTH:
        return STATEMENTS | ONLY(RH_COMMAND_SETTINGS);
    case OPTION_STATS:
    case OPTION_NULL_TEXT:
        return STATEMENTS;
    case OPTION_NO_HEADER:
        return STATEMENTS | ONLY(RH_COMMAND_IMPORT) | ONLY(RH_COMMAND_SETTINGS);
    case OPTION_ROUTE:
    case OPTION_FRESHNESS:
    case OPTION_AS_OF:
    case OPTION_EXPLAIN:
        return ONLY(RH_COMMAND_QUERY);
    case OPTION_READ_ONLY:
        return ONLY(RH_COMMAND_QUERY) | ONLY(RH_COMMAND_STATUS) | ONLY(RH_COMMAND_INFO);
    case OPTION_CAPTURE:
        return ONLY(RH_COMMAND_EXEC) | ONLY(RH_COMMAND_IMPORT) | ONLY(RH_COMMAND_SYNC) | ONLY(RH_COMMAND_CHANGES) |
               ONLY(RH_COMMAND_REPAIR);
    case OPTION_CONSUMER:
    case OPTION_FOLLOW:
    case OPTION_OLDEST:
    case OPTION_DROP:
    case OPTION_SCHEMAS:
        return ONLY(RH_COMMAND_CHANGES);
    case OPTION_JSON:
        return ONLY(RH_COMMAND_STATUS) | ONLY(RH_COMMAND_INFO) | ONLY(RH_COMMAND_SYNC) | ONLY(RH_COMMAND_VERIFY) |
               ONLY(RH_COMMAND_REPAIR) | ONLY(RH_COMMAND_BACKUP);
    case OPTION_CREATE:
    case OPTION_KEY:
    case OPTION_DELIMITER:
    case OPTION_HEADER:
    case OPTION_NULL:
    case OPTION_REJECT:
    case OPTION_BATCH:
    case OPTION_ANY_TYPE:
    case OPTION_CONFLICT:
    case OPTION_RENAME:
    case OPTION_SKIP:
        return ONLY(RH_COMMAND_IMPORT);
    default:
        return EVERYWHERE;
    }
}

static bool read_format(struct rh_args *args, const char *text, struct rh_buffer *why)
{
    static const char *const names[] = {"table", "csv",      "json",  "ndjson",  "markdown",
                                        "tsv",   "vertical", "arrow", "parquet", "debezium"};
    for (int at = 0; at < 10; at++) {
        if (strcmp(text, names[at]) == 0) {
            args->format = (enum rh_format)(RH_FORMAT_TABLE + at);
            return true;
        }
    }
    if (args->command == RH_COMMAND_CHANGES)
        rh_buffer_format(why, "--format \"%s\": rh changes writes json and debezium", text);
    else
        rh_buffer_format(why, "--format \"%s\": there are table, vertical, csv, tsv, json, ndjson, markdown and arrow",
                         text);
    return false;
}

static bool read_route(struct rh_args *args, const char *text, struct rh_buffer *why)
{
    static const char *const names[] = {"auto", "oltp", "olap"};
    for (int at = 0; at < 3; at++) {
        if (strcmp(text, names[at]) == 0) {
            args->route = RHEI_ROUTE_AUTO + at;
            return true;
        }
    }
    rh_buffer_format(why, "--route %s: a route is auto, oltp or olap", text);
    return false;
}

static bool read_freshness(struct rh_args *args, const char *text, struct rh_buffer *why)
{
    int64_t ms;
    if (strcmp(text, "latest") == 0)
        args->freshness = (struct rhei_freshness){.mode = RHEI_FRESHNESS_LATEST};
    else if (strcmp(text, "eventual") == 0)
        args->freshness = (struct rhei_freshness){.mode = RHEI_FRESHNESS_EVENTUAL};
    else if (strncmp(text, "bounded:", 8) == 0 && rh_parse_integer(text + 8, strlen(text + 8), &ms) && ms >= 0)
        args->freshness = (struct rhei_freshness){.mode = RHEI_FRESHNESS_BOUNDED, .max_age_ms = ms};
    else {
        rh_buffer_format(
            why, "--freshness \"%s\": it is latest, bounded:MS (whole milliseconds, bounded:100) or eventual", text);
        return false;
    }
    return true;
}

static bool read_count(const char *option, const char *text, int64_t least, int64_t *value, struct rh_buffer *why)
{
    if (rh_parse_integer(text, strlen(text), value) && *value >= least)
        return true;
    rh_buffer_format(why, "%s \"%s\": it takes a whole number of at least %lld and at most %lld", option, text,
                     (long long)least, (long long)INT64_MAX);
    return false;
}

static bool read_delimiter(struct rh_args *args, const char *text, struct rh_buffer *why)
{
    char c = strcmp(text, "\\t") == 0 || strcmp(text, "tab") == 0 ? '\t' : text[0];
    bool single = c == '\t' || (c != '\0' && text[1] == '\0');
    if (!single || c == '"' || c == '\n' || c == '\r' || (unsigned char)c >= 0x80) {
        rh_buffer_format(why, "--delimiter %s: one ASCII character that is no quote and no line end, or tab", text);
        return false;
    }
    args->import.delimiter = c;
    return true;
}

static bool read_conflict(struct rh_args *args, const char *text, struct rh_buffer *why)
{
    static const char *const names[] = {"abort", "skip", "replace", "update"};
    for (int at = 0; at < 4; at++) {
        if (strcmp(text, names[at]) == 0) {
            args->import.conflict = (enum rh_conflict)(RH_CONFLICT_ABORT + at);
            return true;
        }
    }
    rh_buffer_format(why, "--on-conflict %s: it is abort, skip, replace or update", text);
    return false;
}

static bool read_rename(struct rh_args *args, const char *text, struct rh_buffer *why)
{
    struct rh_import_args *import = &args->import;
    const char *equals = strchr(text, '=');
    if (equals == NULL || equals == text || equals[1] == '\0') {
        rh_buffer_format(why, "--rename %s: it is OLD=NEW, or #3=NEW for the third field", text);
        return false;
    }
    import->renames = rh_reallocate(import->renames, (import->rename_count + 1) * sizeof *import->renames);
    import->renames[import->rename_count++] = text;
    return true;
}

static bool take_import_option(struct rh_args *args, int option, const char *value, struct rh_buffer *why)
{
    struct rh_import_args *import = &args->import;
    switch (option) {
    case OPTION_CREATE:
        import->create = true;
        return true;
    case OPTION_KEY:
        import->key = value;
        return true;
    case OPTION_DELIMITER:
        return read_delimiter(args, value, why);
    case OPTION_HEADER:
    case OPTION_NO_HEADER:
        import->no_header = option == OPTION_NO_HEADER;
        return true;
    case OPTION_NULL:
        import->null_text = value;
        return true;
    case OPTION_REJECT:
        import->reject = value;
        return true;
    case OPTION_BATCH:
        return read_count("--batch", value, 1, &import->batch, why);
    case OPTION_SKIP:
        return read_count("--skip", value, 0, &import->skip, why);
    case OPTION_CONFLICT:
        return read_conflict(args, value, why);
    case OPTION_RENAME:
        return read_rename(args, value, why);
    default:
        import->any_type = true;
        return true;
    }
}

static bool take_option(struct rh_args *args, int option, const char *value, struct rh_buffer *why)
{
    switch (option) {
    case OPTION_DB:
        args->db = value;
        return true;
    case OPTION_CONFIG:
        args->config = value;
        return true;
    case OPTION_READ_ONLY:
        args->read_only = true;
        return true;
    case OPTION_CAPTURE:
        args->capture = true;
        return true;
    case OPTION_FILE:
        args->file = value;
        return true;
    case OPTION_PARAM:
        return rh_params_add(&args->params, value, why);
    case OPTION_TIMEOUT:
        return read_count("--timeout", value, 1, &args->timeout_ms, why);
    case OPTION_RATE:
        return read_count("--rate", value, 1, &args->rate, why);
    case OPTION_FORMAT:
        return read_format(args, value, why);
    case OPTION_STATS:
        args->stats = true;
        return true;
    case OPTION_NULL_TEXT:
        args->null_text = value;
        return true;
    case OPTION_WIDTH:
        return read_count("--width", value, 1, &args->width, why);
    case OPTION_ROUTE:
        return read_route(args, value, why);
    case OPTION_FRESHNESS:
        return read_freshness(args, value, why);
    case OPTION_AS_OF:
        args->as_of = value;
        return true;
    case OPTION_EXPLAIN:
        args->explain = true;
        return true;
    case OPTION_JSON:
        args->json = true;
        return true;
    case OPTION_CONSUMER:
        args->consumer = value;
        return true;
    case OPTION_FOLLOW:
        args->follow = true;
        return true;
    case OPTION_OLDEST:
        args->oldest = true;
        return true;
    case OPTION_DROP:
        args->drop = true;
        return true;
    case OPTION_SCHEMAS:
        args->schemas = true;
        return true;
    default:
        return take_import_option(args, option, value, why);
    }
}

static const char *option_name(int option)
{
    for (const struct option *at = long_options; at->name != NULL; at++)
        if (at->val == option)
            return at->name;
    return "";
}

static void unknown_option(const char *text, struct rh_buffer *why)
{
    const char *names[OPTION_END - OPTION_DB];
    char word[64] = "";
    int count = 0;
    for (const struct option *at = long_options; at->name != NULL; at++)
        names[count++] = at->name;
    size_t length = strcspn(text, "=");
    rh_buffer_format(why, "there is no option %.*s", (int)length, text);
    if (length > 2 && length - 2 < sizeof word)
        memcpy(word, text + 2, length - 2);
    int nearest = text[0] == '-' && text[1] == '-' ? rh_nearest_word(word, names, count) : -1;
    if (nearest >= 0)
        rh_buffer_format(why, "; did you mean --%s?", names[nearest]);
}

static bool belongs(enum rh_command command, int option, struct rh_buffer *why)
{
    unsigned commands = commands_of(option);
    if (command >= RH_COMMAND_HELP || (commands & ONLY(command)) != 0)
        return true;
    rh_buffer_format(why, "--%s is no option of rh %s, it belongs to", option_name(option), rh_command_names[command]);
    for (unsigned at = 0; at < RH_COMMAND_HELP; at++)
        if ((commands & ONLY(at)) != 0)
            rh_buffer_format(why, " rh %s,", rh_command_names[at]);
    why->bytes[--why->length] = '\0';
    return false;
}

static bool find_command(const char *word, enum rh_command *command, struct rh_buffer *why)
{
    for (int at = 0; at <= RH_COMMAND_HELP; at++) {
        if (strcmp(word, rh_command_names[at]) == 0) {
            *command = (enum rh_command)at;
            return true;
        }
    }
    rh_buffer_format(why, "there is no command '%s'", word);
    int nearest = rh_nearest_word(word, rh_command_names, RH_COMMAND_HELP + 1);
    if (nearest >= 0)
        rh_buffer_format(why, "; did you mean rh %s?", rh_command_names[nearest]);
    return false;
}

static bool no_more(char **words, int count, int used, const struct rh_args *args, struct rh_buffer *why)
{
    if (count <= used)
        return true;
    rh_buffer_format(why, "'%s' is one argument too many for rh %s", words[used], rh_command_names[args->command]);
    if (args->command == RH_COMMAND_QUERY || args->command == RH_COMMAND_EXEC)
        rh_buffer_add_text(why, "; the SQL is one argument, in quotes");
    return false;
}

/* What is left on the line when the options are taken out. */
static bool take_words(struct rh_args *args, char **words, int count, struct rh_buffer *why)
{
    switch (args->command) {
    case RH_COMMAND_EXEC:
    case RH_COMMAND_QUERY:
        if (count > 0 && args->file != NULL) {
            rh_buffer_add_text(why, "the SQL is given twice, as an argument and with --file");
            return false;
        }
        args->sql = count > 0 ? words[0] : NULL;
        return no_more(words, count, 1, args, why);
    case RH_COMMAND_VERIFY:
    case RH_COMMAND_REPAIR:
        args->table = count > 0 ? words[0] : NULL;
        return no_more(words, count, 1, args, why);
    case RH_COMMAND_BACKUP:
        if (count < 1 || words[0][0] == '\0') {
            rh_buffer_add_text(why, "rh backup needs a folder, empty or not there yet: rh backup DIR");
            return false;
        }
        args->folder = words[0];
        return no_more(words, count, 1, args, why);
    case RH_COMMAND_IMPORT:
        if (count < 2) {
            rh_buffer_add_text(why,
                               "rh import needs a file (- is standard input) and a table: rh import FILE.csv TABLE");
            return false;
        }
        args->import.file = words[0];
        args->import.table = words[1];
        if (words[0][0] == '\0' || words[1][0] == '\0') {
            rh_buffer_format(why, "the %s of rh import has an empty name", words[0][0] == '\0' ? "file" : "table");
            return false;
        }
        return no_more(words, count, 2, args, why);
    case RH_COMMAND_HELP:
        if (count > 0 && !find_command(words[0], &args->help_of, why))
            return false;
        return no_more(words, count, 1, args, why);
    default:
        return no_more(words, count, 0, args, why);
    }
}

static bool check_changes(const struct rh_args *args, struct rh_buffer *why)
{
    bool ours =
        args->format == RH_FORMAT_DEFAULT || args->format == RH_FORMAT_JSON || args->format == RH_FORMAT_DEBEZIUM;
    if (args->command != RH_COMMAND_CHANGES) {
        if (args->format != RH_FORMAT_DEBEZIUM)
            return true;
        rh_buffer_add_text(why, "--format debezium is for rh changes");
    } else if (!ours) {
        rh_buffer_add_text(why, "rh changes writes json and debezium");
    } else if (args->drop && (args->consumer == NULL || args->follow || args->oldest)) {
        rh_buffer_add_text(why, "--drop goes with --consumer NAME, and with nothing else");
    } else if (args->schemas && args->format != RH_FORMAT_DEBEZIUM) {
        rh_buffer_add_text(why, "--schemas goes with --format debezium");
    } else {
        return true;
    }
    return false;
}

static bool check_together(const struct rh_args *args, struct rh_buffer *why)
{
    if (!check_changes(args, why))
        return false;
    if (args->command == RH_COMMAND_SETTINGS && args->format == RH_FORMAT_ARROW) {
        rh_buffer_add_text(why, "rh settings writes table, vertical, csv, tsv, json, ndjson and markdown, no arrow");
        return false;
    }
    if (args->import.key != NULL && !args->import.create) {
        rh_buffer_add_text(why, "--key says how a table is created: it goes with --create");
        return false;
    }
    return true;
}

/* The line's words as they come: the command first, then what it is told. */
struct words {
    char *list[4];
    int count;
    bool have_command;
};

static bool take_word(struct rh_args *args, struct words *words, char *word, struct rh_buffer *why)
{
    if (!words->have_command) {
        words->have_command = true;
        return find_command(word, &args->command, why);
    }
    if (words->count < 4)
        words->list[words->count++] = word;
    return true;
}

/* "-- note" and the like: SQL that begins with a comment. An option's name has no blanks. */
static bool is_comment(const char *word)
{
    size_t name = strcspn(word, "= \t\r\n");
    return word[0] == '-' && word[1] == '-' && word[name] != '=' && word[name] != '\0';
}

/* Takes what getopt found. *finished: the rest of the line no longer matters. */
static bool take_found(struct rh_args *args, struct words *words, int option, char **argv, bool *finished,
                       struct rh_buffer *why)
{
    switch (option) {
    case 1:
        return take_word(args, words, optarg, why);
    case 'h':
    case OPTION_HELP:
        args->help_of = words->have_command ? args->command : RH_COMMAND_COUNT;
        args->command = RH_COMMAND_HELP;
        *finished = true;
        return true;
    case 'V':
    case OPTION_VERSION:
        args->command = RH_COMMAND_VERSION;
        *finished = true;
        return true;
    case ':':
        rh_buffer_format(why, "%s needs a value", argv[optind - 1]);
        return false;
    case '?':
        if (is_comment(argv[optind - 1]))
            return take_word(args, words, argv[optind - 1], why);
        unknown_option(argv[optind - 1], why);
        return false;
    default:
        option = option == 'f' ? OPTION_FILE : option;
        if (words->have_command && !belongs(args->command, option, why))
            return false;
        return take_option(args, option, optarg, why);
    }
}

bool rh_args_read(struct rh_args *args, int argc, char **argv, struct rh_buffer *why)
{
    struct words words = {.count = 0};
    bool finished = false;
    int option;
    *args = (struct rh_args){.command = RH_COMMAND_HELP, .help_of = RH_COMMAND_COUNT};
    args->import.delimiter = ',';
    args->import.null_text = "";
    opterr = 0;
    optind = 0; /* glibc: start anew, so that this may be called more than once */
    /* "-" first: words and options in the order in which they stand, so the command is known before its options */
    while (!finished && (option = getopt_long(argc, argv, "-:f:hV", long_options, NULL)) != -1)
        if (!take_found(args, &words, option, argv, &finished, why))
            return false;
    if (finished)
        return true;
    for (; optind < argc; optind++) /* behind "--" */
        if (!take_word(args, &words, argv[optind], why))
            return false;
    if (!words.have_command && argc > 1) {
        rh_buffer_add_text(why, "a command is missing");
        return false;
    }
    return take_words(args, words.list, words.count, why) && check_together(args, why);
}

void rh_args_free(struct rh_args *args)
{
    free(args->import.renames);
    rh_params_free(&args->params);
}
