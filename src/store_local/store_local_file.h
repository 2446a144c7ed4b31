/* SPDX-License-Identifier: Apache-2.0 */
/* Files of one folder, made durable. For the files of this room. Any thread. */
#ifndef STORE_LOCAL_FILE_H
#define STORE_LOCAL_FILE_H

#include <dirent.h>

#include "rhei/rhei_types.h"

/* The entries of a folder in this one ("." itself), with a place among them of their own. NULL: errno tells why. */
DIR *store_folder_list(int folder, const char *name);
/* errno in words, with a code that says what kind of trouble it is. */
rhei_status store_io_error(struct rhei_error *error, const char *what, const char *name);
/* False: errno tells why. */
bool store_open_file_write(int file, const void *bytes, size_t len);
/* A new file with these bytes, head first; not synced. It must not be there. */
rhei_status store_file_write(int folder, const char *name, const void *head, size_t head_len, const void *bytes,
                             size_t len, struct rhei_error *error);
rhei_status store_file_sync(int folder, const char *name, struct rhei_error *error);
rhei_status store_folder_sync(int folder, struct rhei_error *error);
/* Reads exactly `len` bytes; RHEI_NOT_FOUND, or RHEI_IO where it ends before. */
rhei_status store_file_read(int folder, const char *name, uint64_t offset, void *bytes, size_t len,
                            struct rhei_error *error);
/* The same of a file that is open, whatever has its name by now. */
rhei_status store_open_file_read(int file, const char *name, uint64_t offset, void *bytes, size_t len,
                                 struct rhei_error *error);
rhei_status store_file_size(int folder, const char *name, uint64_t *size, struct rhei_error *error);

#endif
