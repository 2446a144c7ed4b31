/* SPDX-License-Identifier: Apache-2.0 */
/* The folder of a sidecar: its tables and their histories with the position that they are of, so that the next opening goes on from there. */
#ifndef ENGINE_ENGINE_SIDECAR_DISK_H
#define ENGINE_ENGINE_SIDECAR_DISK_H

#include "checkpoint/checkpoint.h"
#include "config/config_settings.h"
#include "engine/engine_internal.h"

struct engine_sidecar_disk {
    struct blob_store *store; /* NULL: there is no folder, or it can't be had */
    struct checkpoint *checkpoint;
    struct checkpoint_restored restored;
    rhei_status status; /* what its opening came to, where the folder that the settings name isn't this handle's */
    char message[RHEI_ERROR_MESSAGE_SIZE]; /* why it is in memory alone, though olap_path is set; "" */
    struct sync *sync;                     /* once it is followed */
    struct change_source *source;
    void (*kept)(struct change_source *source, int64_t position); /* told of positions that are durable; may be NULL */
};

/* "ROOT/sidecar-NAME", with what isn't a plain letter in a file's name as its number. NULL: no memory. */
char *engine_sidecar_disk_folder(const char *root, const char *name);
/* Whether this handle goes on from what is kept of it. */
bool engine_sidecar_disk_has(const struct rhei_db *db, const struct config_sidecar *settings);
/*
 * Opens what the settings name for it (its watermark_path, or else its folder in olap_path), if they name one, and puts what it has into the mirror, unpublished; *disk stays where it is. What
 * can't be had leaves the sidecar in memory, but for what is a mistake, as with our own folder.
 */
rhei_status engine_sidecar_disk_open(struct rhei_db *db, const struct config_sidecar *settings, uint8_t number,
                                     struct change_source *source, struct engine_sidecar_disk *disk,
                                     struct rhei_error *error);
/* What the cycles go on from. */
void engine_sidecar_disk_resume(const struct engine_sidecar_disk *disk, struct sync_config *config);
rhei_status engine_sidecar_disk_start(struct rhei_db *db, struct engine_sidecar_disk *disk, struct sync *sync,
                                      struct rhei_error *error);
rhei_status engine_sidecar_disk_write(struct engine_sidecar_disk *disk, struct rhei_error *error);
void engine_sidecar_disk_json(struct base_buffer *out, const struct engine_sidecar_disk *disk);
void engine_sidecar_disk_finish(
    struct engine_sidecar_disk *disk); /* a last checkpoint, before its source and sync are closed */
void engine_sidecar_disk_close(struct engine_sidecar_disk *disk); /* behind the mirror */

#endif
