/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process around one database, told what to do line by line, so that a test can kill it and run several.
 *
 * A line is "LANE VERB ARGUMENTS": each lane is a thread of its own with its own session and open rows. Answers come as
 * "LANE row ...", "LANE ack ID", ..., and end with "LANE ok ..." or "LANE error CODE SQLSTATE OFFSET MESSAGE". Text is hex. A value is
 * n (NULL), i<decimal>, r<16 hex digits of its bits>, t<hex> or b<hex>. rhei_engine.py is the other end.
 */
#ifndef TESTS_DRIVER_H
#define TESTS_DRIVER_H

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>

#include "rhei/rhei_doors.h"

enum { DRIVER_MAX_WORDS = 4096, DRIVER_MAX_POINTS = 128 };

/* ---- Text that grows. -------------------------------------------------------------------------------------------- */

struct text {
    char *data;
    size_t length, capacity;
};
void text_add(struct text *text, const char *bytes, size_t length);
void text_print(struct text *text, const char *format, ...) RHEI_PRINTF(2, 3);
void text_hex(struct text *text, const void *bytes, size_t length);
void text_value(struct text *text, struct rhei_value value);

/* ---- Named points at which the engine says where it is. ---------------------------------------------------------- */

struct faults {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    char name[DRIVER_MAX_POINTS][64];
    long hits[DRIVER_MAX_POINTS];
    int count;
    long total;
    char die_point[64]; /* "*": any */
    long die_at;        /* 0: never; the process kills itself at this hit */
    char hold_point[64];
    bool held;  /* somebody waits at hold_point */
    long steps; /* how often the one who waited was let go */
};
void faults_point(void *context, const char *point);
/* Waits until a point was hit `hits` times, or somebody is held there; false after the time limit. */
bool faults_wait(struct faults *faults, const char *point, long hits, long timeout_ms);
void faults_hold(struct faults *faults, const char *point);
/* Lets the one who waits go; once: to wait there again. */
void faults_release(struct faults *faults, bool once);

/* ---- Lanes. ------------------------------------------------------------------------------------------------------ */

struct driver {
    rhei_db *db;
    rhei_cancel *cancel;
    struct faults faults;
    pthread_mutex_t output;
};

struct call {
    struct call *next;
    char *line;
};

struct lane {
    struct lane *next;
    struct driver *driver;
    char name[32];
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t arrived;
    struct call *first, *last;
    rhei_session *session;
    rhei_rows *rows;
    rhei_changes *changes;
    struct text reply;
};

/* The words of one line, in place. */
struct words {
    char *word[DRIVER_MAX_WORDS];
    int count;
};

void driver_die(const char *format, ...) RHEI_PRINTF(1, 2);
/* Hands a text to the other end at once and in one piece. */
void driver_say(struct driver *driver, const char *bytes, size_t length);
void driver_run(struct lane *lane, char *line);
/* Value of "KEY=..." among the words, or NULL. */
const char *words_option(const struct words *words, const char *key);
long words_number(const struct words *words, const char *key, long fallback);
/* Decodes in place; the bytes are NUL-terminated. */
size_t unhex(char *word);

/* "bank writers= count= first= seed=": transfers by several threads, each acknowledged by a line as soon as it is. */
rhei_status bank_run(struct lane *lane, const struct words *words, struct rhei_error *error);

/* ---- The change feed (driver_changes.c). ------------------------------------------------------------------------- */

rhei_status changes_open(struct lane *lane, struct words *words, struct rhei_error *error);
rhei_status changes_next(struct lane *lane, struct words *words, struct rhei_error *error);
rhei_status changes_arrow(struct lane *lane, struct words *words, struct rhei_error *error);
rhei_status changes_acknowledge(struct lane *lane, struct words *words, struct rhei_error *error);
rhei_status changes_close(struct lane *lane, struct words *words, struct rhei_error *error);
rhei_status changes_drop(struct lane *lane, struct words *words, struct rhei_error *error);

#endif
