/* SPDX-License-Identifier: Apache-2.0 */
/* The engine gives its advice to programs; the same in the words of the command line. */
#include "rh_advice.h"
#include "rh_lex.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* tests/e2e/test_rh_errors.py looks each first text up in the engine's sources. */
static const struct advice {
    const char *engine, *tool;
} words[] = {
    {"a transaction that spans calls needs a session (rhei_session_open), so that nobody else's write becomes part of "
     "it",
     "a transaction is for rh exec: give it BEGIN, the statements and COMMIT in one text"},
    {"if it is the column store's, ask with the route olap",
     "if it is the column store's, ask with rh query --route olap"},
    {"this PRAGMA sets something: run it as a write, where all writes will follow it",
     "this PRAGMA sets something: give it to rh exec, before the statements that are to follow it"},
    {"; run a script with rhei_execute_script", ""},
    {"rhei_repair mends the folder", "rh repair mends the folder"},
    {"rhei_repair loads it anew", "rh repair loads it anew"},
    {"rhei_sync_now makes another checkpoint", "rh sync makes another checkpoint"},
    {"rhei_sync_now begins a new history", "rh sync begins a new history"},
    {"it has to be built again, soon in the background, or by rhei_repair",
     "it has to be built again: rh repair, without a table's name, does that"},
    {"mend it with rhei_repair", "every command builds the column store anew where it is in no folder (olap_path): "
                                 "please report this"},
    {"by scrub_interval or rhei_repair through it", "by the setting scrub_interval or when its program asks for it"},
    {"wait for its build with rhei_initial_sync, or see rh status", "rh status tells why"},
    {"or open it for reading alone (read_only)", "or only read it (rh query, status, info, verify)"},
    {"or open without capture (read_only, capture_if_present)", "or leave out --capture"},
    {"longer than busy_timeout_ms", "longer than the setting busy_timeout_ms (see rh settings)"},
    {"raise olap_memory_limit", "raise the setting olap_memory_limit (see rh settings)"},
    {" (or the query's own memory_limit)", ""},
    {"route the statement to oltp", "ask with --route oltp"},
    {"open with read_only instead", "use rh query --read-only instead"},
    {"only a handle that may write, and whose file needn't exist, creates one", "rh exec and rh import make a new one"},
    {"a handle that captures changes makes it at the opening", "rh exec, import and sync make it with --capture"},
    {"so there are none to follow: open the file for writing, with change capture",
     "so there are none to follow: rh changes --capture installs change capture"},
    {"open the database with rocksdb_cdc_path, or, if that folder is gone for good, drop the consumer _rhei_buffer",
     "name the settings with rocksdb_cdc_path (--config), or, if that folder is gone for good: rh changes --drop "
     "--consumer _rhei_buffer"},
    {"open the database with olap_path; if that folder is gone for good, drop the consumer ",
     "name the settings with its olap_path (--config); if that folder is gone for good: rh changes --drop --consumer "},
    {"which a mirror on disk goes on by: open it with change capture",
     "which a column store in a folder goes on by: rh sync --capture installs it"},
    {"which the setting olap_syntax turned off", "which olap_syntax = false in the --config file turned off"},
};

/* Where the prompt has a command for it; these go first. */
static const struct advice at_prompt[] = {
    {"if it is the column store's, ask with the route olap", "if it is the column store's, .olap asks it"},
    {"wait for its build with rhei_initial_sync, or see rh status", ".status tells why"},
    {"or open it for reading alone (read_only)", "or only read it (rh repl --read-only)"},
    {"route the statement to oltp", "ask with .oltp"},
    {"open with read_only instead", "use rh repl --read-only instead"},
    {"rhei_sync_now makes another checkpoint", ".sync makes another checkpoint"},
};

/* Where a program calls tools; these go first there. */
static const struct advice at_tools[] = {
    {"a transaction that spans calls needs a session (rhei_session_open), so that nobody else's write becomes part of "
     "it",
     "a transaction over several calls isn't offered here: the tool execute runs each statement as one of its own"},
    {"if it is the column store's, ask with the route olap",
     "if it is the column store's, ask with \"route\": \"olap\""},
    {"this PRAGMA sets something: run it as a write, where all writes will follow it",
     "this PRAGMA sets something, which no tool here does"},
    {"; run a script with rhei_execute_script", "; give each one in a call of its own"},
    {"wait for its build with rhei_initial_sync, or see rh status", "\"route\": \"olap\" builds it"},
    {"route the statement to oltp", "ask with \"route\": \"oltp\""},
    {"statements of this handle name no files", "statements name no files here"},
};

/* For who is at the other end of POST /sql; these go first there. */
static const struct advice at_door[] = {
    {"a transaction that spans calls needs a session (rhei_session_open), so that nobody else's write becomes part of "
     "it",
     "POST /sql has no sessions: send one statement, or use Flight SQL"},
    {"; run a script with rhei_execute_script", ": send them one by one, or use Flight SQL for a transaction"},
    {"if it is the column store's, ask with the route olap",
     "if it is the column store's, ask with \"route\": \"olap\""},
    {"route the statement to oltp", "ask with \"route\": \"oltp\""},
    {"(manual_sync, or rhei_stop_sync): call rhei_initial_sync, or route it to auto",
     "(GET /status tells how it stands): ask with \"route\": \"auto\""},
    {"wait for its build with rhei_initial_sync, or see rh status", "GET /status tells why"},
    {"this PRAGMA sets something: run it as a write, where all writes will follow it",
     "this PRAGMA sets something: the service's settings are for that"},
    {"open with read_only instead", "a user of the service may be given read_only instead"},
    {"which the setting olap_syntax turned off", "which the service's setting olap_syntax turned off"},
    {"raise olap_memory_limit", "raise the service's setting olap_memory_limit"},
    {"longer than busy_timeout_ms", "longer than the service's setting busy_timeout_ms"},
    {"statements of this handle name no files", "statements name no files here"},
};

static const struct advice *first;
static size_t first_count;

void rh_advise_at_prompt(void)
{
    first = at_prompt;
    first_count = sizeof at_prompt / sizeof *at_prompt;
}

void rh_advise_at_tools(void)
{
    first = at_tools;
    first_count = sizeof at_tools / sizeof *at_tools;
}

/* Two letters tell nearly all of them apart: the lines of a server's log, one for each call, come by here too. */
static bool begins_with(const char *message, const char *text)
{
    return message[0] == text[0] && message[1] == text[1] && strncmp(message, text, strlen(text)) == 0;
}

static const struct advice *find(const struct advice *list, size_t count, const char *message)
{
    for (size_t at = 0; at < count; at++)
        if (begins_with(message, list[at].engine))
            return &list[at];
    return NULL;
}

/* None begins within a word. */
static const struct advice *find_here(const char *message, bool behind_word, const struct advice *best,
                                      size_t best_count)
{
    if (behind_word && rh_is_word_sign(*message))
        return NULL;
    const struct advice *found = find(best, best_count, message);
    return found != NULL ? found : find(words, sizeof words / sizeof *words, message);
}

static void add_in_words(struct rh_buffer *out, const char *message, const struct advice *best, size_t best_count)
{
    for (bool behind_word = false; *message != '\0';) {
        const struct advice *found = find_here(message, behind_word, best, best_count);
        behind_word = found == NULL && rh_is_word_sign(*message);
        if (found != NULL)
            rh_buffer_add_text(out, found->tool);
        else
            rh_buffer_add_char(out, *message);
        message += found != NULL ? strlen(found->engine) : 1;
    }
    rh_buffer_add(out, "", 0); /* a text also where there is none */
}

void rh_add_in_our_words(struct rh_buffer *out, const char *message)
{
    add_in_words(out, message, first, first_count);
}

void rh_add_in_words_of_door(struct rh_buffer *out, const char *message)
{
    add_in_words(out, message, at_door, sizeof at_door / sizeof *at_door);
}
