/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Garbage: what newer versions no longer show. An object that lived in the versions [born, retired) is freed once no
 * pinned version lies in that interval. Intrusive, so that retiring never needs memory. Writer only.
 */
#ifndef MIRROR_MIRROR_RECLAIM_H
#define MIRROR_MIRROR_RECLAIM_H

#include "rhei/rhei_types.h"

struct mirror;
struct mirror_garbage;

enum mirror_garbage_kind {
    MIRROR_KIND_NODE = 0, /* kinds below MIRROR_KIND_SMALL are kept on free lists */
    MIRROR_KIND_BITMAP = 1,
    MIRROR_KIND_DELETIONS = 2,
    MIRROR_KIND_STATE = 3,
    MIRROR_KIND_SMALL = 4,
    MIRROR_KIND_SEGMENT = 4,
    MIRROR_KIND_TABLE = 5,
    MIRROR_KIND_VERSION = 6,
    MIRROR_KIND_FACTS = 7,
    MIRROR_KINDS = 8,
};

/* What is done with objects of a big kind, by the file that knows them: so this one need not. */
struct mirror_garbage_care {
    void (*free)(struct mirror *mirror, struct mirror_garbage *object);
    size_t (*size)(
        const struct mirror_garbage *object); /* bytes; the same whenever it is asked. NULL: not worth counting */
};

/* First member of everything that can be retired. */
struct mirror_garbage {
    struct mirror_garbage *next;
    uint64_t born;    /* epoch of the first version that shows it */
    uint64_t retired; /* epoch of the first version that doesn't */
    uint32_t kind;    /* enum mirror_garbage_kind */
};

struct mirror_garbage_list {
    struct mirror_garbage *first;
    struct mirror_garbage *last;
    size_t count;
};

/* A zeroed object of a small kind, born in the epoch that is being built. */
rhei_status mirror_small_new(struct mirror *mirror, uint32_t kind, void *out);
void mirror_small_free(struct mirror *mirror, void *object);
void mirror_small_reset(struct mirror *mirror);

void mirror_retire(struct mirror *mirror, struct mirror_garbage_list *list, void *object);
/* Moves a list to the mirror's, at the publish of the epoch in which its objects were retired. */
void mirror_retire_list(struct mirror *mirror, struct mirror_garbage_list *list);
/* Frees at once whatever the list holds: for lists that no reader can reach. */
void mirror_garbage_free(struct mirror *mirror, struct mirror_garbage_list *list);

/* Frees what no snapshot needs. False: a snapshot was being cloned meanwhile, nothing was done. */
bool mirror_reclaim(struct mirror *mirror);
/* The same when enough has gathered to be worth a pass. */
void mirror_reclaim_when_due(struct mirror *mirror);

#endif
