/* SPDX-License-Identifier: Apache-2.0 */
/* Folders that are named in settings. Any thread. */
#ifndef BASE_FOLDER_H
#define BASE_FOLDER_H

#include "rhei/rhei_types.h"

/* RHEI_INVALID: the path is a file, or leads through one, so no folder can ever be there. One that isn't there yet is fine. */
rhei_status base_folder_check(const char *path, struct rhei_error *error);
/*
 * Nothing is made but the folder itself, so that a slip, or a disk that isn't mounted, is no new tree somewhere else. `absent`: the one above it isn't
 * there.
 */
rhei_status base_folder_above(const char *path, rhei_status absent, struct rhei_error *error);
/* The folder, if it isn't there. RHEI_INVALID: nor is the one above it. `fail` has errno in words: what could not be done, and with what. */
rhei_status base_folder_make(const char *path,
                             rhei_status (*fail)(struct rhei_error *error, const char *what, const char *name),
                             struct rhei_error *error);

#endif
