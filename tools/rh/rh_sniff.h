/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rh_sniff.h
 * What a file's beginning tells of its format and, of CSV, of its dialect. Pure.
 */
#ifndef RH_SNIFF_H
#define RH_SNIFF_H

#include "rh_args.h"

enum rh_refusal { RH_TAKES, RH_IS_ZIP, RH_IS_ZSTD, RH_IS_DATABASE, RH_IS_WORKBOOK };
/** Files that hold rows, but not as they are: what they are. */
enum rh_refusal rh_sniff_refusal(const char *bytes, size_t length);

/**
 * CSV, TSV, JSON, NDJSON, ARROW or PARQUET: by the magic bytes of the last two, by the first characters of an object or of an array of objects, else by the
 * name's ending.
 */
enum rh_format rh_sniff_format(const char *name, const char *bytes, size_t length);

struct rh_dialect {
    char delimiter;
    int quote;   /**< or RH_CSV_NO_QUOTE */
    bool header; /**< the first line has names: no field of it is a number */
};
/**
 * Changes what isn't `said` already. `text` is UTF-8, the beginning of the file, or all of it if `whole`; `skip` lines are passed over.
 * Delimiter: the one of , ; tab | that gives most lines the number of fields that the first has, more than one; a comma if none does.
 */
struct rh_said {
    bool delimiter, quote, header;
};
void rh_sniff_dialect(const char *text, size_t length, bool whole, uint64_t skip, struct rh_said said,
                      struct rh_dialect *dialect);

#endif
