/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which b-trees did a run of WAL frames touch? A map from page to b-tree, kept from the frames themselves. Pure: no I/O, no SQLite.
 * One thread at a time.
 *
 * A b-tree is named by its root page. Watched trees are those whose root was declared; pages of all others count as nobody's.
 */
#ifndef CAPTURE_CAPTURE_WALMAP_H
#define CAPTURE_CAPTURE_WALMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct capture_walmap; /* opaque */

/* Bytes of a page, and those of them that SQLite uses. NULL without memory. */
struct capture_walmap *capture_walmap_new(uint32_t page_size, uint32_t usable_size);
void capture_walmap_free(struct capture_walmap **map);

/* The roots to watch, all of them: those that were watched before and are not among them are given up. False without memory. */
bool capture_walmap_roots(struct capture_walmap *map, const uint32_t *roots, size_t count);
/*
 * A page of that tree, the page that points at it, and how many of the table's rows it has. `overflow`: it is one of a row's chain.
 * False without memory.
 */
bool capture_walmap_page(struct capture_walmap *map, uint32_t page, uint32_t root, uint32_t parent, bool overflow,
                         uint32_t rows);
/* Rows of a watched tree after the last run, -1: it isn't watched. */
int64_t capture_walmap_rows(const struct capture_walmap *map, uint32_t root);
/* The tree that a page belongs to, 0: none that is watched. */
uint32_t capture_walmap_owner(const struct capture_walmap *map, uint32_t page);

/* A run of frames up to a commit that leaves the file with `pages` pages. Frames in their order, from 1. */
bool capture_walmap_begin(struct capture_walmap *map, uint32_t pages);
bool capture_walmap_frame(struct capture_walmap *map, uint32_t page, uint32_t frame);
/* What the frame named last has for that page: most pages are leaves whose rows are whole in them, which then aren't read again. */
void capture_walmap_glance(struct capture_walmap *map, uint32_t page, const uint8_t *content);
/* The run's newest frame of a page, 0: none. */
uint32_t capture_walmap_last(const struct capture_walmap *map, uint32_t page);
/*
 * All frames are named, and roots that are new were declared: says which trees the run touched. `read` gives a frame's page, which
 * lives until its next call; NULL: it can't be read. False without memory, or if it couldn't: then the map is of no use any more.
 * `touched` lives until the next begin.
 */
bool capture_walmap_settle(struct capture_walmap *map, const uint8_t *(*read)(void *context, uint32_t frame),
                           void *context, const uint32_t **touched, size_t *count);
/* The pages of the touched trees that the run wrote or freed: root and page in turn. One that came from another of them is there for both. As long as `touched`. */
size_t capture_walmap_written(const struct capture_walmap *map, const uint32_t **pairs);

#endif
