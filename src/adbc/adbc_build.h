/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of metadata, built with nanoarrow. The first failure stays in `failed`, so that who builds looks once, at the end. */
#ifndef ADBC_BUILD_H
#define ADBC_BUILD_H

#include <nanoarrow/nanoarrow.h>

#include "adbc_internal.h"

struct adbc_field {
    const char *name;
    enum ArrowType type;
    bool not_null;
};

struct adbc_build {
    struct ArrowSchema schema;
    struct ArrowArray array;
    bool failed;
};

/* A struct of these fields, in a place that is zeroed or released; the types of lists and unions are for the caller to go on with. */
void adbc_build_fields(struct adbc_build *build, struct ArrowSchema *place, const struct adbc_field *fields,
                       size_t count);
/* The list's elements are a struct of these fields: it is returned. */
struct ArrowSchema *adbc_build_list(struct adbc_build *build, struct ArrowSchema *list, const struct adbc_field *fields,
                                    size_t count);
void adbc_build_union(struct adbc_build *build, struct ArrowSchema *place, const struct adbc_field *fields,
                      size_t count);
/* The schema is done, and rows come. */
void adbc_build_start(struct adbc_build *build);

void adbc_build_text(struct adbc_build *build, struct ArrowArray *array, const char *text); /* NULL: null */
void adbc_build_int(struct adbc_build *build, struct ArrowArray *array, int64_t value);
void adbc_build_null(struct adbc_build *build, struct ArrowArray *array);
void adbc_build_end(struct adbc_build *build,
                    struct ArrowArray *array); /* of a row of a struct, or a list's elements */
void adbc_build_member(struct adbc_build *build, struct ArrowArray *array, int8_t member); /* its value was appended */

/* Gives what was built as a stream, or says that there was no memory; with `code` not OK, takes it away. */
AdbcStatusCode adbc_build_give(struct adbc_build *build, AdbcStatusCode code, struct ArrowArrayStream *out,
                               struct AdbcError *error);

#endif
