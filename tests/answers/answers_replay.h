/* SPDX-License-Identifier: Apache-2.0 */
/* Statements from a file, asked of both engines. */
#ifndef ANSWERS_REPLAY_H
#define ANSWERS_REPLAY_H

#include "answers_run.h"

/*
 * One statement a line; SELECT, WITH and VALUES are compared, others are run; `-- new` starts an empty database, other
 * comments are skipped. Returns how many differ, or -1 if the file can't be read. `backend` is one of enum rhei_olap_backend.
 */
int replay_file(const char *path, int32_t backend, uint32_t *statements, uint32_t *on_olap);

#endif
