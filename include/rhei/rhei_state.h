/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rhei_state.h
 * How a database stands: its tables, column store and change log, in structs, as metrics and as JSON; and what may be set. rhei.h includes it, and
 * its rules hold.
 */
#ifndef RHEI_STATE_H
#define RHEI_STATE_H

#include "rhei/rhei_types.h"

#ifdef __cplusplus
#if defined(__GNUC__)
/* rhei_sync_status is a struct and a function, as stat is; g++ -Wshadow would tell of it. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#endif
extern "C" {
#endif

struct rhei_override; /* rhei.h */

enum rhei_table_state {
    RHEI_TABLE_WAITING = 0,
    RHEI_TABLE_BUILDING = 1,
    RHEI_TABLE_READY = 2,
    RHEI_TABLE_FAILED = 3,
    RHEI_TABLE_UNMIRRORED = 4,
};
/** How one table stands in the column store. */
struct rhei_table_status {
    char name[256];
    int32_t state;         /**< enum rhei_table_state */
    int32_t keeps_history; /**< 1: every version of its rows is kept (`sync_mode`); else 0 */
    uint64_t rows, rows_built, rows_expected;
    int64_t position;
    char message[256]; /**< why it isn't READY, or keeps no history although its mode says so */
};
/** How the column store stands as a whole; counters are since the database was opened. */
struct rhei_sync_status {
    size_t struct_size; /**< set it to sizeof before the call */
    bool running;
    int64_t position;     /**< last change the column store shows */
    int64_t log_position; /**< last change committed */
    int64_t lag_events;   /**< between them */
    int64_t age_us;       /**< since the column store was last known to show every commit; -1: it never was */
    uint64_t tables, tables_ready;
    uint64_t cycles, events, rows_inserted, rows_updated, rows_deleted, rows_pruned, log_rows;
    int64_t last_cycle_us;
    char last_error[256];
    char disk_folder[512];  /**< `olap_path`; "": the column store is in memory alone */
    uint64_t disk_bytes;    /**< of the files that the newest checkpoint in `olap_path` consists of; 0: there is none */
    int64_t disk_position;  /**< last change that it has; -1: there is no checkpoint */
    int64_t disk_age_us;    /**< since it was made; -1: there is none */
    char disk_message[256]; /**< why the column store isn't, or wasn't, kept or taken over as it should; "": it is */
    char buffer_folder[512];  /**< `rocksdb_cdc_path`; "": there is no change buffer */
    uint64_t buffer_bytes;    /**< of the changes that are kept in it; of its files, where another handle has it */
    int64_t buffer_position;  /**< last change that is known to be in it; -1: none */
    int64_t buffer_horizon;   /**< the changes behind this one are in it; -1: another handle has it, which knows */
    uint64_t buffer_moved;    /**< changes that were moved into it */
    char buffer_message[256]; /**< why changes aren't moved, or what was set aside; "": all is well */
    uint64_t log_bytes;       /**< of the change log's values, and 24 for each row; extrapolated in a long log */
    int64_t log_age_us;       /**< of the oldest change but one in it; 0: there is none */
    uint64_t log_limit_rows;  /**< its limits, as this handle has them */
    uint64_t log_limit_bytes; /**< 0: none */
    int64_t log_limit_age_us; /**< 0: none */
    int32_t log_limit_policy; /**< enum rhei_log_limit_policy */
    bool log_over;            /**< one of them is passed now */
    bool log_blocks;          /**< writes that would add to the log are refused now */
    uint64_t log_cut;         /**< changes that a limit of this handle took before everybody had them */
    uint64_t log_refused;     /**< writes of this handle that were refused */
    char log_message[256];    /**< which limit is passed, by how much, and who is furthest behind; "": none */
};
/** Fills *status with the state as of now; waits for no cycle. Set `struct_size` before. Any thread. */
RHEI_API rhei_status rhei_sync_status(rhei_db *db, struct rhei_sync_status *status, struct rhei_error *error);
/**
 * One entry per table that could be mirrored or is refused, `(*tables)[i]->name`: pointers, so that the struct may grow. The caller owns the
 * array, one block with all that it points to, and frees it with rhei_free(). Errors:
 * RHEI_OLAP_UNAVAILABLE. Any thread.
 */
RHEI_API rhei_status rhei_table_list(rhei_db *db, struct rhei_table_status ***tables, size_t *count,
                                     struct rhei_error *error);
/**
 * The same as an array of structs, `(*tables)[i].name`, each of the first version's fields: what comes to the struct later, only
 * rhei_table_list() gives. The caller frees the array with rhei_free(). Errors: those of rhei_table_list(). Any thread.
 */
RHEI_API rhei_status rhei_tables(rhei_db *db, struct rhei_table_status **tables, size_t *count,
                                 struct rhei_error *error);

/** How one sidecar stands: a database of somebody else that is followed. */
struct rhei_sidecar_status {
    char name[256];       /**< the schema of its tables */
    char source_type[16]; /**< "sqlite", "postgres" */
    char mode[16];        /**< "poll", "snapshot", "logical" */
    bool away;            /**< it can't be read */
    int64_t away_us;      /**< since when; 0: it isn't away */
    char message[256];    /**< why it is away, or what was lost the last time; "": all is well */
    int64_t position;     /**< last change that the column store shows */
    int64_t
        lag_us; /**< since the column store was last known to show everything, by the source's clock where it has one; -1: never */
    int64_t lag_bytes; /**< of logical mode: WAL that hasn't arrived; else -1 */
    uint64_t tables, tables_ready;
    char slot[64];           /**< of logical mode: the replication slot that is read; else "" */
    char slot_state[16];     /**< "reserved", "extended", "unreserved", "lost" or "" */
    int64_t slot_held_bytes; /**< WAL that the server keeps for it */
    int64_t slot_safe_bytes; /**< that may be written before the server gives it up; -1: no limit, or not told */
    uint64_t reloads;        /**< times that every table was loaded again, because the source had no way to go on */
    char slots_left[256];    /**< slots of a name like ours that nobody reads, and keep WAL; "": none */
};
/**
 * One entry per sidecar in the order of the settings, an array of pointers as of rhei_table_list(), which the caller frees with rhei_free(). None:
 * *count is 0. A handle that does nothing in the background looks at each once for it. Errors: RHEI_OLAP_UNAVAILABLE. Any thread.
 */
RHEI_API rhei_status rhei_sidecar_list(rhei_db *db, struct rhei_sidecar_status ***sidecars, size_t *count,
                                       struct rhei_error *error);

/** One number of a metrics snapshot; names are Prometheus's. */
struct rhei_metric {
    const char *name;   /**< "rhei_query_routed_total" */
    const char *labels; /**< "target=\"olap\"" or "" */
    const char *help;
    bool counter; /**< only grows; else a gauge */
    double value;
};
/** Every metric as of now, an array of pointers as of rhei_table_list(), freed with rhei_free(); its texts live as long as the handle. Any thread. */
RHEI_API rhei_status rhei_metric_list(rhei_db *db, struct rhei_metric ***metrics, size_t *count,
                                      struct rhei_error *error);
/** The same as an array of structs of the first version's fields, as of rhei_tables(); freed with rhei_free(). Any thread. */
RHEI_API rhei_status rhei_metrics(rhei_db *db, struct rhei_metric **metrics, size_t *count, struct rhei_error *error);

/** The database as one JSON object: paths, engines, versions, memory, settings in force. Free with rhei_free(). Any thread. */
RHEI_API rhei_status rhei_info_json(rhei_db *db, char **json, struct rhei_error *error);

/** A setting: what a file of settings may say, and which field of rhei_config says the same. */
struct rhei_setting {
    size_t struct_size;  /**< set it to sizeof before the call */
    const char *section; /**< "engine" */
    const char *name;    /**< "sync_interval_ms" */
    const char *type;    /**< text, number, size, boolean, choice or freshness */
    const char *unit;    /**< "milliseconds", or "" */
    const char *initial; /**< the default as text; "" where it is left out */
    const char *field;   /**< of struct rhei_config; "" where there is none */
    const char *since;   /**< the version that offered it first, "0.1.0"; "" where none does */
    const char *effect;  /**< what it does, one sentence; "" where it isn't offered */
    bool offered;        /**< false: known, but refused by this version with RHEI_UNSUPPORTED */
    char range[96];      /**< what it may be: "0 to 86400000", "latest, bounded:MS or eventual" */
};
/**
 * Fills *setting with the one of number `index`, from 0; RHEI_DONE past the last. Texts are static. Set `struct_size` before. Any
 * thread.
 */
RHEI_API rhei_status rhei_setting_at(size_t index, struct rhei_setting *setting, struct rhei_error *error);

/** A setting as it would be in force. */
struct rhei_effective {
    const char *section; /**< "engine", "sidecar"...; "tables" for each of [[tables]] */
    const char *name;    /**< of the setting, or of the table */
    const char *value;   /**< as TOML writes it; "" where it isn't set; never a secret */
    const char *origin;  /**< "rhei.toml:7", the origin of an override, or "default" */
    const char *effect;  /**< what it does; "" of a table */
};
/**
 * Every setting that rhei_open() would have from a file (NULL: none) and overrides over it, without opening anything: an array of pointers as of
 * rhei_table_list(), freed with rhei_free(). Errors: RHEI_CONFIG, RHEI_CANT_OPEN, RHEI_UNSUPPORTED, as of rhei_open(). Any thread.
 */
RHEI_API rhei_status rhei_effective_list(const char *config_file, const struct rhei_override *overrides,
                                         size_t override_count, struct rhei_effective ***settings, size_t *count,
                                         struct rhei_error *error);

#ifdef __cplusplus
}
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif
#endif
#endif
