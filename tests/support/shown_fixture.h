/* SPDX-License-Identifier: Apache-2.0 */
/* What tests of a second source share: a database, and a list "elsewhere" with a table `items` of three columns. Fails the test itself. */
#ifndef TESTS_SHOWN_FIXTURE_H
#define TESTS_SHOWN_FIXTURE_H

#include "engine_fixture.h"
#include "shown_tables.h"

struct shown {
    struct fixture fixture;
    struct list_store *store;
    struct shown_list *list;
    _Atomic int64_t rows; /* committed, where the test counts them */
};

/* The list has its table, and isn't shown yet: shown_list_open. */
void shown_begin(struct shown *shown);
/* A cmocka teardown, of a struct shown. */
int shown_end(void **state);

#endif
