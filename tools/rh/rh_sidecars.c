/* SPDX-License-Identifier: Apache-2.0 */
#include "rh_sidecars.h"

#include "rh_advice.h"
#include "rh_text.h"

#include <inttypes.h>
#include <string.h>

bool rh_sidecars_alone(struct rh_tool *tool)
{
    struct rh_buffer answer = {0};
    bool alone = rh_tool_ask_info(tool, "$.settings.enable_local_oltp", &answer) && strcmp(answer.bytes, "0") == 0;
    rh_buffer_free(&answer);
    return alone;
}

bool rh_sidecars_kept(struct rh_tool *tool)
{
    struct rh_buffer answer = {0};
    bool kept = rh_tool_ask_info(tool, "$.sidecars[0].disk.kept", &answer) && strcmp(answer.bytes, "1") == 0;
    rh_buffer_free(&answer);
    return kept;
}

void rh_sidecars_add_folder(struct rh_tool *tool, struct rh_buffer *text)
{
    (void)rh_tool_ask_info(tool, "$.settings.olap_path", text);
}

void rh_sidecars_add_lag(struct rh_buffer *text, const struct rhei_sidecar_status *sidecar)
{
    if (sidecar->away) {
        rh_buffer_add_text(text, "away for ");
        rh_add_age(text, sidecar->away_us);
    } else if (sidecar->lag_us >= 0) {
        rh_add_age(text, sidecar->lag_us);
        rh_buffer_add_text(text, " behind");
    } else {
        rh_buffer_add_text(text, "not loaded");
    }
    if (sidecar->lag_bytes > 0) {
        rh_buffer_add_text(text, ", ");
        rh_add_size(text, (double)sidecar->lag_bytes);
        rh_buffer_add_text(text, " of WAL behind");
    }
}

/* Of its slot, where that may lose something, or fill the server's disk. */
static void print_slot(const struct rhei_sidecar_status *sidecar, struct rh_buffer *text)
{
    if (sidecar->slot[0] != '\0') {
        rh_buffer_format(text, "  slot %s, for which the server keeps ", sidecar->slot);
        rh_add_size(text, (double)sidecar->slot_held_bytes);
        rh_buffer_add_text(text, " of WAL");
        if (sidecar->slot_state[0] != '\0' && strcmp(sidecar->slot_state, "reserved") != 0)
            rh_buffer_format(text, " (%s)", sidecar->slot_state);
        if (sidecar->slot_safe_bytes >= 0) {
            rh_buffer_add_text(text, ", and may lose it after ");
            rh_add_size(text, (double)sidecar->slot_safe_bytes);
            rh_buffer_add_text(text, " more");
        }
        rh_print_line("", text);
    }
    if (sidecar->slots_left[0] != '\0') {
        rh_buffer_add_text(text, "  slots that nobody reads: ");
        rh_add_in_our_words(text, sidecar->slots_left);
        rh_buffer_add_text(text, " (drop those that aren't wanted: SELECT pg_drop_replication_slot(name))");
        rh_print_line("", text);
    }
}

void rh_sidecars_add_message(struct rh_tool *tool, size_t index, const struct rhei_sidecar_status *sidecar,
                             struct rh_buffer *text)
{
    char path[64];
    (void)snprintf(path, sizeof path, "$.sidecars[%zu].message", index);
    rh_tool_add_whole(tool, path, sidecar->message, sizeof sidecar->message, text);
}

void rh_sidecars_print(struct rh_tool *tool, struct rhei_sidecar_status *const *sidecars, size_t count)
{
    struct rh_buffer text = {0};
    if (count == 0)
        return;
    rh_buffer_format(&text, "%zu", count);
    rh_print_line("Sidecars", &text);
    for (size_t at = 0; at < count; at++) {
        const struct rhei_sidecar_status *sidecar = sidecars[at];
        rh_buffer_add_text(&text, "  ");
        rh_add_visible(&text, sidecar->name, strlen(sidecar->name));
        rh_buffer_format(&text, ": %s, mode %s, position %" PRId64 ", ", sidecar->source_type, sidecar->mode,
                         sidecar->position);
        rh_sidecars_add_lag(&text, sidecar);
        rh_print_line("", &text);
        if (sidecar->message[0] != '\0') {
            rh_buffer_add_text(&text, "  ");
            rh_sidecars_add_message(tool, at, sidecar, &text);
            rh_print_line("", &text);
        }
        print_slot(sidecar, &text);
    }
    rh_buffer_free(&text);
}

void rh_sidecars_add_json(struct rh_buffer *json, struct rhei_sidecar_status *const *sidecars, size_t count)
{
    rh_buffer_add_text(json, "\"sidecars\":[");
    for (size_t at = 0; at < count; at++) {
        const struct rhei_sidecar_status *sidecar = sidecars[at];
        rh_buffer_add_text(json, at > 0 ? ",{" : "{");
        rh_add_json_text_member(json, "name", sidecar->name);
        rh_add_json_text_member(json, "source_type", sidecar->source_type);
        rh_add_json_text_member(json, "mode", sidecar->mode);
        rh_buffer_format(json, "\"away\":%s,", sidecar->away ? "true" : "false");
        rh_add_json_member(json, "away_us", sidecar->away_us);
        rh_add_json_text_member(json, "message", sidecar->message);
        rh_add_json_member(json, "position", sidecar->position);
        rh_add_json_member(json, "lag_us", sidecar->lag_us);
        rh_add_json_member(json, "lag_bytes", sidecar->lag_bytes);
        rh_add_json_text_member(json, "slot", sidecar->slot);
        rh_add_json_text_member(json, "slot_state", sidecar->slot_state);
        rh_add_json_member(json, "slot_held_bytes", sidecar->slot_held_bytes);
        rh_add_json_member(json, "slot_safe_bytes", sidecar->slot_safe_bytes);
        rh_add_json_member(json, "reloads", (int64_t)sidecar->reloads);
        rh_add_json_text_member(json, "slots_left", sidecar->slots_left);
        rh_add_json_member(json, "tables", (int64_t)sidecar->tables);
        rh_buffer_format(json, "\"tables_ready\":%" PRIu64 "}", sidecar->tables_ready);
    }
    rh_buffer_add_text(json, "]");
}
