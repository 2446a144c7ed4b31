/* SPDX-License-Identifier: Apache-2.0 */
/* Commands that set how statements are asked and shown. Without a word each says what is in force. */
#include "rh_number.h"
#include "rh_repl.h"

#include <inttypes.h>
#include <string.h>

/* "is a, b or c" */
static void add_choices(struct rh_buffer *text, const char *choices)
{
    rh_buffer_add_text(text, "is ");
    for (const char *at = choices; *at != '\0';) {
        size_t length = strcspn(at, " ");
        bool last = at[length] == '\0';
        rh_buffer_format(text, "%s%.*s", at == choices ? "" : last ? " or " : ", ", (int)length, at);
        at += length + !last;
    }
}

RH_REPL_COMMAND(mode)
{
    enum rh_format format;
    (void)rest;
    if (count == 0) {
        printf("%s\n", rh_format_name(rh_effective_format(repl->tool)));
        return RH_EXIT_OK;
    }
    if (strcmp(words[0], "auto") == 0) {
        repl->settings.format = RH_FORMAT_DEFAULT;
        return RH_EXIT_OK;
    }
    if (!rh_format_of(words[0], &format) || format == RH_FORMAT_ARROW || format == RH_FORMAT_PARQUET ||
        format == RH_FORMAT_DEBEZIUM) {
        struct rh_buffer why = {0};
        add_choices(&why, command->choices);
        int code = rh_repl_misused(repl, command, why.bytes);
        rh_buffer_free(&why);
        return code;
    }
    repl->settings.format = format;
    return RH_EXIT_OK;
}

static int set_switch(struct rh_repl *repl, const struct rh_repl_command *command, int count, char **words, bool *on)
{
    if (count == 0)
        printf("%s\n", *on ? "on" : "off");
    else if (strcmp(words[0], "on") == 0 || strcmp(words[0], "off") == 0)
        *on = words[0][1] == 'n';
    else
        return rh_repl_misused(repl, command, "is on or off");
    return RH_EXIT_OK;
}

RH_REPL_COMMAND(timer)
{
    (void)rest;
    return set_switch(repl, command, count, words, &repl->timer);
}

RH_REPL_COMMAND(pager)
{
    (void)rest;
    return set_switch(repl, command, count, words, &repl->pager);
}

RH_REPL_COMMAND(null)
{
    (void)command, (void)rest;
    if (count == 0) {
        printf("%s\n", repl->settings.null_text != NULL ? repl->settings.null_text : "NULL");
        return RH_EXIT_OK;
    }
    rh_buffer_clear(&repl->null_text);
    rh_buffer_add_text(&repl->null_text, words[0]);
    repl->settings.null_text = repl->null_text.bytes;
    return RH_EXIT_OK;
}

RH_REPL_COMMAND(width)
{
    int64_t *width = &repl->settings.width, wanted;
    (void)rest;
    if (count == 0)
        if (*width == 0 || *width == INT64_MAX)
            printf("%s\n", *width == 0 ? "auto" : "off");
        else
            printf("%" PRId64 "\n", *width);
    else if (strcmp(words[0], "auto") == 0)
        *width = 0;
    else if (strcmp(words[0], "off") == 0)
        *width = INT64_MAX;
    else if (rh_parse_integer(words[0], strlen(words[0]), &wanted) && wanted > 0)
        *width = wanted;
    else
        return rh_repl_misused(repl, command, "is a number of columns, auto (the terminal's) or off (any number)");
    return RH_EXIT_OK;
}

RH_REPL_COMMAND(route)
{
    (void)count, (void)words, (void)rest;
    repl->settings.route = strcmp(command->name, ".olap") == 0   ? RHEI_ROUTE_OLAP
                           : strcmp(command->name, ".oltp") == 0 ? RHEI_ROUTE_OLTP
                                                                 : RHEI_ROUTE_AUTO;
    return RH_EXIT_OK;
}

RH_REPL_COMMAND(freshness)
{
    struct rh_buffer why = {0};
    const struct rhei_freshness *set = &repl->settings.freshness;
    int code = RH_EXIT_OK;
    (void)rest;
    if (count == 0 && set->mode == RHEI_FRESHNESS_BOUNDED)
        printf("bounded:%" PRId64 "\n", set->max_age_ms);
    else if (count == 0)
        puts(set->mode == RHEI_FRESHNESS_DEFAULT  ? "the database's own (latest, where the settings say nothing)"
             : set->mode == RHEI_FRESHNESS_LATEST ? "latest"
                                                  : "eventual");
    else if (strcmp(words[0], "auto") == 0)
        repl->settings.freshness = (struct rhei_freshness){.mode = RHEI_FRESHNESS_DEFAULT};
    else if (!rh_args_freshness(&repl->settings, command->name, words[0], &why)) {
        rh_tell(repl->tool, "%s", why.bytes);
        code = RH_EXIT_USAGE;
    }
    rh_buffer_free(&why);
    return code;
}

RH_REPL_COMMAND(asof)
{
    (void)command, (void)rest;
    if (count == 0) {
        puts(repl->settings.as_of != NULL ? repl->settings.as_of : "off");
    } else if (count == 1 && strcmp(words[0], "off") == 0) {
        repl->settings.as_of = NULL;
    } else {
        struct rh_buffer wanted = {0};
        struct rhei_error error = RHEI_ERROR_INIT;
        rh_buffer_format(&wanted, "%s%s%s", words[0], count > 1 ? " " : "", count > 1 ? words[1] : "");
        bool good = rh_repl_try_past(repl, wanted.bytes, &error) == RHEI_OK;
        if (good) {
            rh_buffer_clear(&repl->as_of);
            rh_buffer_add_text(&repl->as_of, wanted.bytes);
            repl->settings.as_of = repl->as_of.bytes;
        } else {
            rh_tell_error(repl->tool, &error);
        }
        rh_buffer_free(&wanted);
        return good ? RH_EXIT_OK : RH_EXIT_ERROR;
    }
    return RH_EXIT_OK;
}
