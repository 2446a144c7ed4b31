/* SPDX-License-Identifier: Apache-2.0 */
#include "driver.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void driver_die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    _exit(70);
}

/* ---- Text. ------------------------------------------------------------------------------------------------------- */

void text_add(struct text *text, const char *bytes, size_t length)
{
    if (text->length + length + 1 > text->capacity) {
        size_t wanted = (text->length + length + 1) * 2;
        text->data = realloc(text->data, wanted);
        if (!text->data)
            driver_die("no memory for an answer of %zu bytes", wanted);
        text->capacity = wanted;
    }
    memcpy(text->data + text->length, bytes, length);
    text->length += length;
    text->data[text->length] = 0;
}

void text_print(struct text *text, const char *format, ...)
{
    char line[1024];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= sizeof line)
        driver_die("a line is too long");
    text_add(text, line, (size_t)length);
}

void text_hex(struct text *text, const void *bytes, size_t length)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *from = bytes;
    for (size_t i = 0; i < length; i++) {
        const char pair[2] = {digits[from[i] >> 4], digits[from[i] & 15]};
        text_add(text, pair, 2);
    }
}

void text_value(struct text *text, struct rhei_value value)
{
    uint64_t bits;
    switch (value.type) {
    case RHEI_NULL:
        text_add(text, "n", 1);
        return;
    case RHEI_INTEGER:
        text_print(text, "i%" PRId64, value.as.integer);
        return;
    case RHEI_REAL:
        memcpy(&bits, &value.as.real, sizeof bits);
        text_print(text, "r%016" PRIx64, bits);
        return;
    default:
        text_add(text, value.type == RHEI_TEXT ? "t" : "b", 1);
        text_hex(text, value.as.bytes, value.length);
    }
}

static int digit(char letter)
{
    return letter <= '9' ? letter - '0' : (letter | 32) - 'a' + 10;
}

size_t unhex(char *word)
{
    size_t length = strlen(word) / 2;
    for (size_t i = 0; i < length; i++)
        word[i] = (char)(digit(word[2 * i]) * 16 + digit(word[2 * i + 1]));
    word[length] = 0;
    return length;
}

/* ---- Points. ----------------------------------------------------------------------------------------------------- */

static int point_number(struct faults *faults, const char *point)
{
    for (int i = 0; i < faults->count; i++)
        if (strcmp(faults->name[i], point) == 0)
            return i;
    if (faults->count == DRIVER_MAX_POINTS || strlen(point) >= sizeof faults->name[0])
        driver_die("there are more or longer points than the driver keeps, at %s", point);
    strcpy(faults->name[faults->count], point);
    return faults->count++;
}

void faults_point(void *context, const char *point)
{
    struct faults *faults = context;
    pthread_mutex_lock(&faults->lock);
    int number = point_number(faults, point);
    long hits = ++faults->hits[number];
    faults->total++;
    bool any = strcmp(faults->die_point, "*") == 0;
    if (faults->die_at > 0 && (any ? faults->total : hits) == faults->die_at &&
        (any || strcmp(faults->die_point, point) == 0)) {
        kill(getpid(), SIGKILL);
        pause();
    }
    pthread_cond_broadcast(&faults->changed);
    long steps = faults->steps;
    while (strcmp(faults->hold_point, point) == 0 && faults->steps == steps) {
        faults->held = true;
        pthread_cond_broadcast(&faults->changed);
        pthread_cond_wait(&faults->changed, &faults->lock);
    }
    pthread_mutex_unlock(&faults->lock);
}

bool faults_wait(struct faults *faults, const char *point, long hits, long timeout_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += timeout_ms % 1000 * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&faults->lock);
    int number = point_number(faults, point);
    bool there;
    for (;;) {
        there = hits == 0 ? faults->held : faults->hits[number] >= hits;
        if (there || pthread_cond_timedwait(&faults->changed, &faults->lock, &until) != 0)
            break;
    }
    pthread_mutex_unlock(&faults->lock);
    return there;
}

void faults_hold(struct faults *faults, const char *point)
{
    pthread_mutex_lock(&faults->lock);
    if (strlen(point) >= sizeof faults->hold_point)
        driver_die("the name of point %s is too long", point);
    strcpy(faults->hold_point, point);
    faults->held = false;
    pthread_mutex_unlock(&faults->lock);
}

void faults_release(struct faults *faults, bool once)
{
    pthread_mutex_lock(&faults->lock);
    if (!once)
        faults->hold_point[0] = 0;
    faults->held = false;
    faults->steps++;
    pthread_cond_broadcast(&faults->changed);
    pthread_mutex_unlock(&faults->lock);
}

/* ---- Lanes. ------------------------------------------------------------------------------------------------------ */

void driver_say(struct driver *driver, const char *bytes, size_t length)
{
    pthread_mutex_lock(&driver->output);
    while (length > 0) {
        ssize_t written = write(STDOUT_FILENO, bytes, length);
        if (written <= 0)
            _exit(71); /* nobody listens any more */
        bytes += written;
        length -= (size_t)written;
    }
    pthread_mutex_unlock(&driver->output);
}

static void *lane_main(void *context)
{
    struct lane *lane = context;
    for (;;) {
        pthread_mutex_lock(&lane->lock);
        while (!lane->first)
            pthread_cond_wait(&lane->arrived, &lane->lock);
        struct call *call = lane->first;
        lane->first = call->next;
        if (!lane->first)
            lane->last = NULL;
        pthread_mutex_unlock(&lane->lock);
        driver_run(lane, call->line);
        free(call->line);
        free(call);
    }
    return NULL;
}

static struct lane *lane_find(struct lane **lanes, struct driver *driver, const char *name)
{
    for (struct lane *lane = *lanes; lane; lane = lane->next)
        if (strcmp(lane->name, name) == 0)
            return lane;
    struct lane *lane = calloc(1, sizeof *lane);
    if (!lane || strlen(name) >= sizeof lane->name)
        driver_die("no memory for a lane, or its name is too long");
    strcpy(lane->name, name);
    lane->driver = driver;
    pthread_mutex_init(&lane->lock, NULL);
    pthread_cond_init(&lane->arrived, NULL);
    lane->next = *lanes;
    *lanes = lane;
    if (pthread_create(&lane->thread, NULL, lane_main, lane) != 0)
        driver_die("no thread for a lane");
    return lane;
}

static void lane_give(struct lane *lane, const char *line)
{
    struct call *call = calloc(1, sizeof *call);
    if (!call || !(call->line = strdup(line)))
        driver_die("no memory for a call");
    pthread_mutex_lock(&lane->lock);
    if (lane->last)
        lane->last->next = call;
    else
        lane->first = call;
    lane->last = call;
    pthread_cond_signal(&lane->arrived);
    pthread_mutex_unlock(&lane->lock);
}

int main(void)
{
    static struct driver driver;
    pthread_mutex_init(&driver.output, NULL);
    pthread_mutex_init(&driver.faults.lock, NULL);
    pthread_cond_init(&driver.faults.changed, NULL);
    if (rhei_cancel_create(&driver.cancel, NULL) != RHEI_OK)
        driver_die("no memory for a flag");
    struct lane *lanes = NULL;
    char *line = NULL;
    size_t capacity = 0;
    ssize_t length;
    while ((length = getline(&line, &capacity, stdin)) > 0) {
        if (line[length - 1] == '\n')
            line[length - 1] = 0;
        char *space = strchr(line, ' ');
        if (!space)
            driver_die("not a call: %s", line);
        *space = 0;
        lane_give(lane_find(&lanes, &driver, line), space + 1);
    }
    /* The other end is gone: like a process that is killed, on purpose. */
    _exit(0);
}
