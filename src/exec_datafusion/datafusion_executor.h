/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The executor of port/executor.h over DataFusion, which lives in a library of its own (plugins/datafusion) that is found at
 * run time. What a text may use is in the dialect's table (translate_datafusion.def) and in the library's functions.
 */
#ifndef EXEC_DATAFUSION_DATAFUSION_EXECUTOR_H
#define EXEC_DATAFUSION_DATAFUSION_EXECUTOR_H

#include "base/base_log.h"
#include "port/executor.h"

struct datafusion_executor_config {
    int threads;                /* 0: one per processor */
    size_t memory_limit;        /* bytes for DataFusion's own memory, what the mirror leaves; 0: none */
    const char *temp_directory; /* where statements over the limit spill; NULL: they fail instead. Copied */
    size_t temp_limit;          /* bytes there; 0: four times memory_limit */
    struct executor_helpers helpers;
    const struct base_log *log; /* borrowed; may be NULL */
};

/*
 * RHEI_OLAP_UNAVAILABLE: librhei_datafusion.so isn't there, or of another version. The engine inside is opened by the first statement,
 * or by `warm`. Close when no stream is open any more.
 */
rhei_status datafusion_executor_open(const struct datafusion_executor_config *config, struct executor **executor,
                                     struct rhei_error *error);

#endif
