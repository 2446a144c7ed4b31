/* SPDX-License-Identifier: Apache-2.0 */
#include "rh_args.h"

#include "rh_args_rows.h"
#include "rh_number.h"
#include "rh_text.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *const rh_command_names[] = {"exec",   "query",  "sync",   "status", "info",      "import",   "export",
                                        "verify", "repair", "backup", "detach", "changes",   "settings", "config",
                                        "serve",  "repl",   "mcp",    "agent",  "dashboard", "help",     NULL};

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
    OPTION_REPLACE,
    OPTION_ENCODING,
    OPTION_QUOTE,
    OPTION_KEY,
    OPTION_DELIMITER,
    OPTION_DECIMAL,
    OPTION_HEADER,
    OPTION_NO_HEADER,
    OPTION_NULL,
    OPTION_REJECT,
    OPTION_BATCH,
    OPTION_ANY_TYPE,
    OPTION_CONFLICT,
    OPTION_RENAME,
    OPTION_TYPE,
    OPTION_SKIP,
    OPTION_ALL,
    OPTION_FORCE,
    OPTION_CONSUMER,
    OPTION_FOLLOW,
    OPTION_OLDEST,
    OPTION_DROP,
    OPTION_SCHEMAS,
    OPTION_RATE,
    OPTION_FLIGHT,
    OPTION_TOKEN_FILE,
    OPTION_USERS_FILE,
    OPTION_NO_AUTH,
    OPTION_NO_PAGE,
    OPTION_TLS_CERT,
    OPTION_TLS_KEY,
    OPTION_TLS_CLIENT_CA,
    OPTION_DRAIN,
    OPTION_MAX_ROWS,
    OPTION_TRANSACTION_IDLE,
    OPTION_MAX_CONNECTIONS,
    OPTION_MAKE_USER,
    OPTION_WRITE,
    OPTION_MAX_BYTES,
    OPTION_AGENT,
    OPTION_METRICS,
    OPTION_HTTP,
    OPTION_HEADLESS,
    OPTION_DEMO,
    OPTION_REFRESH,
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
    {"replace", no_argument, NULL, OPTION_REPLACE},
    {"encoding", required_argument, NULL, OPTION_ENCODING},
    {"quote", required_argument, NULL, OPTION_QUOTE},
    {"key", required_argument, NULL, OPTION_KEY},
    {"delimiter", required_argument, NULL, OPTION_DELIMITER},
    {"decimal", required_argument, NULL, OPTION_DECIMAL},
    {"header", no_argument, NULL, OPTION_HEADER},
    {"no-header", no_argument, NULL, OPTION_NO_HEADER},
    {"null", required_argument, NULL, OPTION_NULL},
    {"reject", required_argument, NULL, OPTION_REJECT},
    {"batch", required_argument, NULL, OPTION_BATCH},
    {"any-type", no_argument, NULL, OPTION_ANY_TYPE},
    {"on-conflict", required_argument, NULL, OPTION_CONFLICT},
    {"rename", required_argument, NULL, OPTION_RENAME},
    {"type", required_argument, NULL, OPTION_TYPE},
    {"skip", required_argument, NULL, OPTION_SKIP},
    {"all", no_argument, NULL, OPTION_ALL},
    {"force", no_argument, NULL, OPTION_FORCE},
    {"consumer", required_argument, NULL, OPTION_CONSUMER},
    {"follow", no_argument, NULL, OPTION_FOLLOW},
    {"oldest", no_argument, NULL, OPTION_OLDEST},
    {"drop", no_argument, NULL, OPTION_DROP},
    {"schemas", no_argument, NULL, OPTION_SCHEMAS},
    {"flight", required_argument, NULL, OPTION_FLIGHT},
    {"token-file", required_argument, NULL, OPTION_TOKEN_FILE},
    {"users-file", required_argument, NULL, OPTION_USERS_FILE},
    {"no-auth", no_argument, NULL, OPTION_NO_AUTH},
    {"no-page", no_argument, NULL, OPTION_NO_PAGE},
    {"tls-cert", required_argument, NULL, OPTION_TLS_CERT},
    {"tls-key", required_argument, NULL, OPTION_TLS_KEY},
    {"tls-client-ca", required_argument, NULL, OPTION_TLS_CLIENT_CA},
    {"drain", required_argument, NULL, OPTION_DRAIN},
    {"max-rows", required_argument, NULL, OPTION_MAX_ROWS},
    {"transaction-idle", required_argument, NULL, OPTION_TRANSACTION_IDLE},
    {"max-connections", required_argument, NULL, OPTION_MAX_CONNECTIONS},
    {"make-user", required_argument, NULL, OPTION_MAKE_USER},
    {"write", no_argument, NULL, OPTION_WRITE},
    {"max-bytes", required_argument, NULL, OPTION_MAX_BYTES},
    {"agent", no_argument, NULL, OPTION_AGENT},
    {"metrics", required_argument, NULL, OPTION_METRICS},
    {"http", required_argument, NULL, OPTION_HTTP},
    {"headless", no_argument, NULL, OPTION_HEADLESS},
    {"demo", no_argument, NULL, OPTION_DEMO},
    {"refresh", required_argument, NULL, OPTION_REFRESH},
    {"help", no_argument, NULL, OPTION_HELP},
    {"version", no_argument, NULL, OPTION_VERSION},
    {NULL, 0, NULL, 0},
};

#define ONLY(command) (1U << (command))
#define STATEMENTS    (ONLY(RH_COMMAND_EXEC) | ONLY(RH_COMMAND_QUERY))
#define ASKING        (STATEMENTS | ONLY(RH_COMMAND_REPL))
#define AGENTS        (ONLY(RH_COMMAND_MCP) | ONLY(RH_COMMAND_AGENT))
#define EVERYWHERE    (~0U)

static unsigned commands_of_rows(int option)
{
    switch (option) {
    case OPTION_ALL:
    case OPTION_FORCE:
        return ONLY(RH_COMMAND_EXPORT);
    case OPTION_CREATE:
    case OPTION_REPLACE:
    case OPTION_ENCODING:
    case OPTION_QUOTE:
    case OPTION_KEY:
    case OPTION_DELIMITER:
    case OPTION_DECIMAL:
    case OPTION_HEADER:
    case OPTION_NULL:
    case OPTION_REJECT:
    case OPTION_BATCH:
    case OPTION_ANY_TYPE:
    case OPTION_CONFLICT:
    case OPTION_RENAME:
    case OPTION_TYPE:
    case OPTION_SKIP:
        return ONLY(RH_COMMAND_IMPORT);
    default:
        return EVERYWHERE;
    }
}

/* Which commands an option belongs to. */
static unsigned commands_of(int option)
{
    switch (option) {
    case OPTION_FILE:
        return STATEMENTS;
    case OPTION_PARAM:
        return STATEMENTS | ONLY(RH_COMMAND_EXPORT);
    case OPTION_DB:
    case OPTION_CONFIG:
        return EVERYWHERE & ~ONLY(RH_COMMAND_SETTINGS);
    case OPTION_TIMEOUT:
        return ASKING | AGENTS | ONLY(RH_COMMAND_EXPORT) | ONLY(RH_COMMAND_SYNC) | ONLY(RH_COMMAND_VERIFY) |
               ONLY(RH_COMMAND_REPAIR) | ONLY(RH_COMMAND_BACKUP) | ONLY(RH_COMMAND_SERVE);
    case OPTION_RATE:
        return ONLY(RH_COMMAND_VERIFY) | ONLY(RH_COMMAND_REPAIR);
    case OPTION_FORMAT:
        return ASKING | ONLY(RH_COMMAND_IMPORT) | ONLY(RH_COMMAND_EXPORT) | ONLY(RH_COMMAND_SETTINGS) |
               ONLY(RH_COMMAND_CONFIG) | ONLY(RH_COMMAND_CHANGES);
    case OPTION_WIDTH:
        return ASKING | ONLY(RH_COMMAND_SETTINGS) | ONLY(RH_COMMAND_CONFIG);
    case OPTION_STATS:
        return STATEMENTS;
    case OPTION_NULL_TEXT:
        return ASKING | ONLY(RH_COMMAND_EXPORT);
    case OPTION_NO_HEADER:
        return STATEMENTS | ONLY(RH_COMMAND_IMPORT) | ONLY(RH_COMMAND_EXPORT) | ONLY(RH_COMMAND_SETTINGS) |
               ONLY(RH_COMMAND_CONFIG);
    case OPTION_ROUTE:
    case OPTION_FRESHNESS:
    case OPTION_AS_OF:
        return ONLY(RH_COMMAND_QUERY) | ONLY(RH_COMMAND_EXPORT) | ONLY(RH_COMMAND_REPL);
    case OPTION_EXPLAIN:
        return ONLY(RH_COMMAND_QUERY) | ONLY(RH_COMMAND_CONFIG);
    case OPTION_READ_ONLY:
        return ONLY(RH_COMMAND_QUERY) | ONLY(RH_COMMAND_STATUS) | ONLY(RH_COMMAND_INFO) | ONLY(RH_COMMAND_REPL) |
               ONLY(RH_COMMAND_SERVE);
    case OPTION_CAPTURE:
        return ONLY(RH_COMMAND_EXEC) | ONLY(RH_COMMAND_IMPORT) | ONLY(RH_COMMAND_SYNC) | ONLY(RH_COMMAND_CHANGES) |
               ONLY(RH_COMMAND_REPAIR) | ONLY(RH_COMMAND_REPL);
    case OPTION_CONSUMER:
    case OPTION_FOLLOW:
    case OPTION_OLDEST:
    case OPTION_DROP:
    case OPTION_SCHEMAS:
        return ONLY(RH_COMMAND_CHANGES);
    case OPTION_JSON:
        return ONLY(RH_COMMAND_STATUS) | ONLY(RH_COMMAND_INFO) | ONLY(RH_COMMAND_SYNC) | ONLY(RH_COMMAND_VERIFY) |
               ONLY(RH_COMMAND_REPAIR) | ONLY(RH_COMMAND_BACKUP);
    case OPTION_FLIGHT:
    case OPTION_TOKEN_FILE:
    case OPTION_USERS_FILE:
    case OPTION_NO_AUTH:
    case OPTION_NO_PAGE:
    case OPTION_TLS_CERT:
    case OPTION_TLS_KEY:
    case OPTION_TLS_CLIENT_CA:
    case OPTION_DRAIN:
    case OPTION_MAX_CONNECTIONS:
    case OPTION_TRANSACTION_IDLE:
    case OPTION_MAKE_USER:
    case OPTION_METRICS:
    case OPTION_HTTP:
    case OPTION_HEADLESS:
        return ONLY(RH_COMMAND_SERVE);
    case OPTION_MAX_ROWS:
        return AGENTS | ONLY(RH_COMMAND_SERVE);
    case OPTION_WRITE:
    case OPTION_MAX_BYTES:
        return AGENTS;
    case OPTION_DEMO:
    case OPTION_REFRESH:
        return ONLY(RH_COMMAND_DASHBOARD);
    default:
        return commands_of_rows(option);
    }
}

static const char *const format_names[] = {[RH_FORMAT_TABLE] = "table",
                                           [RH_FORMAT_CSV] = "csv",
                                           [RH_FORMAT_JSON] = "json",
                                           [RH_FORMAT_NDJSON] = "ndjson",
                                           [RH_FORMAT_MARKDOWN] = "markdown",
                                           [RH_FORMAT_TSV] = "tsv",
                                           [RH_FORMAT_VERTICAL] = "vertical",
                                           [RH_FORMAT_ARROW] = "arrow",
                                           [RH_FORMAT_PARQUET] = "parquet",
                                           [RH_FORMAT_DEBEZIUM] = "debezium",
                                           [RH_FORMAT_BOX] = "box"};

const char *rh_format_name(enum rh_format format)
{
    return format_names[format];
}

bool rh_format_of(const char *name, enum rh_format *format)
{
    for (int at = RH_FORMAT_TABLE; at <= RH_FORMAT_BOX; at++) {
        if (strcmp(name, format_names[at]) == 0) {
            *format = (enum rh_format)at;
            return true;
        }
    }
    return false;
}

static bool read_format(struct rh_args *args, const char *text, struct rh_buffer *why)
{
    if (rh_format_of(text, &args->format))
        return true;
    if (args->command == RH_COMMAND_CHANGES)
        rh_buffer_format(why, "--format \"%s\": rh changes writes json and debezium", text);
    else
        rh_buffer_format(
            why, "--format \"%s\": there are table, vertical, csv, tsv, json, ndjson, markdown, box, arrow and parquet",
            text);
    return false;
}

bool rh_args_route(struct rh_args *args, const char *option, const char *text, struct rh_buffer *why)
{
    static const char *const names[] = {"auto", "oltp", "olap"};
    for (int at = 0; at < 3; at++) {
        if (strcmp(text, names[at]) == 0) {
            args->route = RHEI_ROUTE_AUTO + at;
            return true;
        }
    }
    rh_buffer_format(why, "%s %s: a route is auto, oltp or olap", option, text);
    return false;
}

bool rh_args_freshness(struct rh_args *args, const char *option, const char *text, struct rh_buffer *why)
{
    int64_t ms;
    if (strcmp(text, "latest") == 0)
        args->freshness = (struct rhei_freshness){.mode = RHEI_FRESHNESS_LATEST};
    else if (strcmp(text, "eventual") == 0)
        args->freshness = (struct rhei_freshness){.mode = RHEI_FRESHNESS_EVENTUAL};
    else if (strncmp(text, "bounded:", 8) == 0 && rh_parse_integer(text + 8, strlen(text + 8), &ms) && ms >= 0)
        args->freshness = (struct rhei_freshness){.mode = RHEI_FRESHNESS_BOUNDED, .max_age_ms = ms};
    else {
        rh_buffer_format(why, "%s \"%s\": it is latest, bounded:MS (whole milliseconds, bounded:100) or eventual",
                         option, text);
        return false;
    }
    return true;
}

static bool read_count(const char *option, const char *of, const char *text, int64_t least, int64_t *value,
                       struct rh_buffer *why)
{
    if (rh_parse_integer(text, strlen(text), value) && *value >= least)
        return true;
    rh_buffer_format(why, "%s \"%s\": it takes a whole number of %s, at least %lld and at most %lld", option, text, of,
                     (long long)least, (long long)INT64_MAX);
    return false;
}

static bool read_refresh(struct rh_args *args, const char *text, struct rh_buffer *why)
{
    if (rh_parse_integer(text, strlen(text), &args->refresh_ms) && args->refresh_ms >= 100 && args->refresh_ms <= 60000)
        return true;
    rh_buffer_format(why, "--refresh \"%s\": it takes milliseconds, from 100 to 60000", text);
    return false;
}

static bool take_import_option(struct rh_args *args, int option, const char *value, struct rh_buffer *why)
{
    struct rh_import_args *import = &args->import;
    switch (option) {
    case OPTION_CREATE:
        import->create = true;
        return true;
    case OPTION_REPLACE:
        import->create = import->replace = true;
        return true;
    case OPTION_ENCODING:
        import->encoding = value;
        return true;
    case OPTION_QUOTE:
        return rh_args_read_quote(args, value, why);
    case OPTION_KEY:
        import->key = value;
        return true;
    case OPTION_DELIMITER:
        return rh_args_read_delimiter(args, value, why);
    case OPTION_DECIMAL:
        return rh_args_read_decimal(args, value, why);
    case OPTION_HEADER:
    case OPTION_NO_HEADER:
        import->no_header = option == OPTION_NO_HEADER;
        import->header_said = true;
        return true;
    case OPTION_NULL:
        import->null_text = value;
        return true;
    case OPTION_REJECT:
        import->reject = value;
        return true;
    case OPTION_BATCH:
        return read_count("--batch", "rows", value, 1, &import->batch, why);
    case OPTION_SKIP:
        return read_count("--skip", "lines", value, 0, &import->skip, why);
    case OPTION_CONFLICT:
        return rh_args_read_conflict(args, value, why);
    case OPTION_RENAME:
        return rh_args_read_rename(args, value, why);
    case OPTION_TYPE:
        return rh_args_read_type(args, value, why);
    default:
        import->any_type = true;
        return true;
    }
}

static bool take_serve_option(struct rh_args *args, int option, const char *value, struct rh_buffer *why)
{
    struct rh_serve_args *serve = &args->serve;
    switch (option) {
    case OPTION_FLIGHT:
        serve->flight = value;
        return true;
    case OPTION_TOKEN_FILE:
        serve->token_file = value;
        return true;
    case OPTION_USERS_FILE:
        serve->users_file = value;
        return true;
    case OPTION_TLS_CERT:
        serve->tls_cert = value;
        return true;
    case OPTION_TLS_KEY:
        serve->tls_key = value;
        return true;
    case OPTION_TLS_CLIENT_CA:
        serve->tls_client_ca = value;
        return true;
    case OPTION_MAKE_USER:
        serve->make_user = value;
        return true;
    case OPTION_METRICS:
        serve->metrics = value;
        return true;
    case OPTION_HTTP:
        serve->http = value;
        return true;
    case OPTION_HEADLESS:
        serve->headless = true;
        return true;
    case OPTION_DRAIN:
        return read_count("--drain", "milliseconds", value, 0, &serve->drain_ms, why);
    case OPTION_MAX_CONNECTIONS:
        return read_count("--max-connections", "connections", value, 1, &serve->max_connections, why);
    case OPTION_TRANSACTION_IDLE:
        return read_count("--transaction-idle", "milliseconds", value, 1, &serve->idle_ms, why);
    case OPTION_NO_PAGE:
        serve->no_page = true;
        return true;
    default:
        serve->no_auth = true;
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
        return read_count("--timeout", "milliseconds", value, 1, &args->timeout_ms, why);
    case OPTION_RATE:
        return read_count("--rate", "rows a second", value, 1, &args->rate, why);
    case OPTION_FORMAT:
        return read_format(args, value, why);
    case OPTION_STATS:
        args->stats = true;
        return true;
    case OPTION_NULL_TEXT:
        args->null_text = value;
        return true;
    case OPTION_WIDTH:
        return read_count("--width", "characters", value, 1, &args->width, why);
    case OPTION_ROUTE:
        return rh_args_route(args, "--route", value, why);
    case OPTION_FRESHNESS:
        return rh_args_freshness(args, "--freshness", value, why);
    case OPTION_AS_OF:
        args->as_of = value;
        return true;
    case OPTION_EXPLAIN:
        args->explain = true;
        return true;
    case OPTION_JSON:
        args->json = true;
        return true;
    case OPTION_ALL:
        args->export.all = true;
        return true;
    case OPTION_FORCE:
        args->export.force = true;
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
    case OPTION_WRITE:
        args->write = true;
        return true;
    case OPTION_MAX_ROWS:
        return read_count("--max-rows", "rows", value, 1, &args->serve.max_rows, why);
    case OPTION_MAX_BYTES:
        return read_count("--max-bytes", "bytes", value, 1000, &args->max_bytes, why);
    case OPTION_DEMO:
        args->demo = true;
        return true;
    case OPTION_REFRESH:
        return read_refresh(args, value, why);
    default:
        return commands_of(option) == ONLY(RH_COMMAND_SERVE) ? take_serve_option(args, option, value, why)
                                                             : take_import_option(args, option, value, why);
    }
}

static const char *option_name(int option)
{
    for (const struct option *at = long_options; at->name != NULL; at++)
        if (at->val == option)
            return at->name;
    return "";
}

/* The nearest one is looked for among those that the command has: another's would be refused the same. */
static void unknown_option(const struct rh_args *args, const char *text, struct rh_buffer *why)
{
    const char *names[OPTION_END - OPTION_DB];
    char word[64] = "";
    int count = 0;
    for (const struct option *at = long_options; at->name != NULL; at++)
        if (args->command >= RH_COMMAND_HELP || (commands_of(at->val) & ONLY(args->command)) != 0)
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
        return rh_args_take_import(args, words, count, why) && no_more(words, count, 2, args, why);
    case RH_COMMAND_EXPORT:
        return rh_args_take_export(args, words, count, why);
    case RH_COMMAND_REPL:
    case RH_COMMAND_MCP:
    case RH_COMMAND_AGENT:
    case RH_COMMAND_DASHBOARD:
        if (count > 0 && args->db != NULL) {
            rh_buffer_format(why, "the database is given twice, as --db %s and as %s", args->db, words[0]);
            return false;
        }
        args->db = count > 0 ? words[0] : args->db;
        return no_more(words, count, 1, args, why);
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
    if (!check_changes(args, why) || !rh_args_check_import(args, why))
        return false;
    if ((args->command == RH_COMMAND_SETTINGS || args->command == RH_COMMAND_CONFIG) &&
        (args->format == RH_FORMAT_ARROW || args->format == RH_FORMAT_PARQUET)) {
        rh_buffer_format(why, "rh %s writes table, vertical, csv, tsv, json, ndjson and markdown, no %s",
                         rh_command_names[args->command], rh_format_name(args->format));
        return false;
    }
    if (args->demo && (args->db != NULL || args->config != NULL)) {
        rh_buffer_add_text(why, "--demo makes a database of its own: it goes without another one and without --config");
        return false;
    }
    if (args->import.key != NULL && !args->import.create) {
        rh_buffer_add_text(why, "--key says how a table is created: it goes with --create or --replace");
        return false;
    }
    return true;
}

/* The line's words as they come: the command first, then what it is told. */
struct words {
    char **list;
    int count;
    bool have_command;
};

/* A database in place of a command: a file that is there, or a word that is one's name rather than a slip. */
static bool is_file(const char *word)
{
    bool command = false;
    for (int at = 0; at <= RH_COMMAND_HELP; at++)
        command = command || strcmp(word, rh_command_names[at]) == 0;
    return !command && (access(word, F_OK) == 0 || strcmp(word, ":memory:") == 0 ||
                        (strpbrk(word, "./") != NULL && strpbrk(word, " \t\n;") == NULL));
}

static bool take_word(struct rh_args *args, struct words *words, char *word, struct rh_buffer *why)
{
    if (!words->have_command && is_file(word)) {
        words->have_command = true;
        args->command = RH_COMMAND_REPL;
    } else if (!words->have_command) {
        words->have_command = true;
        return find_command(word, &args->command, why);
    }
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
        unknown_option(args, argv[optind - 1], why);
        return false;
    case OPTION_AGENT: /* the command, as an option */
        if (words->have_command && args->command != RH_COMMAND_AGENT) {
            rh_buffer_format(why, "--agent is a command of its own, and rh %s another",
                             rh_command_names[args->command]);
            return false;
        }
        words->have_command = true;
        args->command = RH_COMMAND_AGENT;
        return true;
    default:
        option = option == 'f' ? OPTION_FILE : option;
        if (words->have_command && !belongs(args->command, option, why))
            return false;
        return take_option(args, option, optarg, why);
    }
}

bool rh_args_read(struct rh_args *args, int argc, char **argv, bool terminal, struct rh_buffer *why)
{
    struct words words = {.count = 0};
    bool finished = false;
    int option;
    *args = (struct rh_args){.command = RH_COMMAND_HELP, .help_of = RH_COMMAND_COUNT, .serve.drain_ms = -1};
    args->import.delimiter = ',';
    args->import.decimal = '.';
    args->import.quote = '"';
    args->import.null_text = "";
    words.list = args->words = rh_allocate(((size_t)argc + 1) * sizeof *args->words);
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
    if (!words.have_command && terminal &&
        (args->db != NULL || args->config != NULL || (argc == 1 && access("rhei.db", F_OK) == 0))) {
        words.have_command = true;
        args->command = RH_COMMAND_REPL;
    }
    if (!words.have_command && argc > 1) {
        rh_buffer_add_text(why, "a command is missing");
        return false;
    }
    return take_words(args, words.list, words.count, why) && check_together(args, why);
}

void rh_args_free(struct rh_args *args)
{
    free(args->import.renames);
    free(args->import.types);
    free(args->import.stem);
    free(args->words);
    rh_params_free(&args->params);
}
