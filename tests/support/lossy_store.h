/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A blob store in memory that behaves as badly as a medium may: it loses what wasn't durable, is slow to show what it has, and tears
 * what it was writing. Any thread.
 */
#ifndef TESTS_LOSSY_STORE_H
#define TESTS_LOSSY_STORE_H

#include "port/blob_store.h"

struct lossy_config {
    uint64_t fail_after; /* the n-th call that writes fails with RHEI_IO from there on (1: the first); 0: none */
    bool tear; /* the failing put leaves a blob under its name, cut in half: a medium that doesn't keep its word */
    uint32_t unseen_lists; /* a new blob shows in `list` only after so many calls of it */
    bool no_map;           /* map is RHEI_UNSUPPORTED */
};

struct blob_store *lossy_store_new(void);
void lossy_store_set(struct blob_store *store, const struct lossy_config *config);
/* As after a power cut: blobs are gone that no put returned for, and removes that nothing made durable are undone. */
void lossy_store_crash(struct blob_store *store);
/* Flips one bit of a blob. False: there is no such byte. */
bool lossy_store_flip(struct blob_store *store, const char *name, uint64_t byte);

#endif
