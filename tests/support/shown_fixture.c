/* SPDX-License-Identifier: Apache-2.0 */
#include "shown_fixture.h"

#include <string.h>

void shown_begin(struct shown *shown)
{
    memset(shown, 0, sizeof *shown);
    fixture_init(&shown->fixture);
    fixture_open(&shown->fixture, NULL);
    shown->store = list_store_new(3);
    list_create(shown->store, "items", 3);
}

int shown_end(void **state)
{
    struct shown *shown = *state;
    fixture_end(&shown->fixture);
    shown_list_close(&shown->list);
    list_store_free(&shown->store);
    return 0;
}
