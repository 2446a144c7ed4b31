/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rh_memory.h
 * Memory of the tool. Unlike the library it may end the process: when memory is gone it says so and exits with 1.
 */
#ifndef RH_MEMORY_H
#define RH_MEMORY_H

#include <stddef.h>

void *rh_allocate(size_t size);
void *rh_reallocate(void *memory, size_t size);
char *rh_copy_text(const char *text, size_t length);

/** Bytes that grow; zero it to start. `bytes` is NUL-terminated whenever something was added. */
struct rh_buffer {
    char *bytes;
    size_t length, capacity;
};
/** Room for `more` bytes and a NUL behind what is there. */
void rh_buffer_reserve(struct rh_buffer *buffer, size_t more);
void rh_buffer_add(struct rh_buffer *buffer, const void *bytes, size_t length);
void rh_buffer_add_text(struct rh_buffer *buffer, const char *text);
void rh_buffer_add_char(struct rh_buffer *buffer, char c);
void rh_buffer_format(struct rh_buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));
void rh_buffer_clear(struct rh_buffer *buffer);
void rh_buffer_free(struct rh_buffer *buffer);

#endif
