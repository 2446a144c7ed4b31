/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rhei_sidecar.h
 * Databases of other programs that are followed from the side, for a program that writes no file of settings: what `[sidecar]` is there
 * (docs/guide/sidecars.md), field by field. How they stand is told by rhei_sidecar_list() (rhei_state.h).
 *
 * ```c
 * struct rhei_sidecar_table orders = {.struct_size = sizeof orders, .name = "orders", .updated_at_column = "changed_at"};
 * const struct rhei_sidecar_table *tables[] = {&orders};
 * struct rhei_sidecar app = {.struct_size = sizeof app, .name = "app", .source_path = "/srv/app/app.db", .tables = tables, .table_count = 1};
 * const struct rhei_sidecar *sidecars[] = {&app};
 * struct rhei_config config = {.struct_size = sizeof config, .sidecars = sidecars, .sidecar_count = 1};
 * rhei_open(NULL, &config, &db, &error);
 * rhei_query(db, "SELECT customer, sum(amount) FROM app.orders GROUP BY customer", NULL, NULL, &rows, &error);
 * ```
 */
#ifndef RHEI_RHEI_SIDECAR_H
#define RHEI_RHEI_SIDECAR_H

#include "rhei/rhei.h"

#ifdef __cplusplus
extern "C" {
#endif

enum rhei_source_type { RHEI_SOURCE_SQLITE = 0, RHEI_SOURCE_POSTGRES = 1 };
/** How changes are noticed. */
enum rhei_source_mode {
    RHEI_SOURCE_POLL = 0,     /**< rows with new timestamps, and all rows now and then */
    RHEI_SOURCE_SNAPSHOT = 1, /**< of SQLite: all rows whenever something was committed; needs no timestamps */
    RHEI_SOURCE_LOGICAL = 2,  /**< of PostgreSQL: the server tells of each commit */
};
/** How rows that are gone are noticed where the source is looked at. */
enum rhei_delete_detection {
    RHEI_DELETES_DISABLED = 0, /**< they stay in the column store */
    RHEI_DELETES_SOFT = 1,     /**< `delete_column` says it */
    RHEI_DELETES_FULL_DIFF =
        2, /**< all keys are compared, with every `delete_every_n_cycles` looks that found something */
};

/** One table of a sidecar. Zero is the default of every field but `name`. */
struct rhei_sidecar_table {
    size_t struct_size;
    const char *name; /**< as the source calls it; of PostgreSQL "schema.table" where the schema isn't public */
    const char *const *primary_key; /**< columns of a unique index; NULL: the table's own key */
    size_t primary_key_count;
    const char *updated_at_column; /**< when a row was changed; NULL: "updated_at" */
    const char *created_at_column; /**< when it was made; NULL: there is none */
    const char *const *columns;    /**< those that are mirrored; NULL: all */
    size_t column_count;
};

/**
 * One database that is followed. Zero is the default of every field but `source_path`. The tables are in the schema `name`, beside those of the
 * file that rhei_open() names; where it names none, and no file of settings does, there is no file.
 */
struct rhei_sidecar {
    size_t struct_size;
    const char *name;               /**< the schema of its tables; NULL: "source" */
    const char *source_path;        /**< the file, or "host=... dbname=... user=..." or a URI, without a password */
    int32_t source_type;            /**< enum rhei_source_type */
    int32_t mode;                   /**< enum rhei_source_mode */
    int32_t delete_detection;       /**< enum rhei_delete_detection */
    uint32_t delete_every_n_cycles; /**< 0: 10 */
    const char *delete_column;
    uint32_t poll_batch_size;  /**< rows of a page; 0: 10,000 */
    uint32_t load_connections; /**< of PostgreSQL: by which a big table is loaded; 0: one per core, up to 4 */
    const char *password_file; /**< whose first line is the password, open to its owner alone; NULL: none */
    const char *password_env;  /**< the environment variable that holds it; NULL: none */
    const char *publication;   /**< of RHEI_SOURCE_LOGICAL; NULL: "rhei" */
    const char *slot; /**< of RHEI_SOURCE_LOGICAL, which stays at the server; NULL: one that goes with the connection */
    const char *
        watermark_path; /**< a folder in which RocksDB keeps its rows and position; NULL: olap_path has them, if there is one */
    const struct rhei_sidecar_table *const
        *tables; /**< pointers, since tables may grow; NULL: every table with a key */
    size_t table_count;
};

#ifdef __cplusplus
}
#endif
#endif
