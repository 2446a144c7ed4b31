/* SPDX-License-Identifier: Apache-2.0 */
/* The table of all single settings: where each is kept, what it takes, its default. For the files of this room only. */
#ifndef CONFIG_KEYS_H
#define CONFIG_KEYS_H

#include "config/config_settings.h"
#include "config_toml.h"

enum config_kind {
    CONFIG_KIND_TEXT,      /* char * */
    CONFIG_KIND_SECRET,    /* char *, never shown */
    CONFIG_KIND_NUMBER,    /* uint64_t */
    CONFIG_KIND_BYTES,     /* uint64_t */
    CONFIG_KIND_BOOLEAN,   /* bool */
    CONFIG_KIND_CHOICE,    /* int */
    CONFIG_KIND_FRESHNESS, /* struct config_freshness */
};

struct config_choice {
    const char *name; /* several names may have one value: the first is shown */
    int value;
    bool later; /* known, but not offered by this version */
};

struct config_key {
    const char *section;
    const char *name;
    const char *initial; /* the default as text; NULL: not set */
    size_t offset;       /* in struct config_settings */
    uint8_t kind;
    uint64_t least, most;                /* of a number or size */
    const char *range;                   /* the same for people: "0 to 86400000" */
    const struct config_choice *choices; /* ends with a NULL name */
    const char *unit;                    /* "milliseconds"; NULL: none */
    const char *field;                   /* of struct rhei_config; NULL: none */
    const char *since;                   /* the version that offered it first; NULL: the first, 0.1.0 */
    const char *effect;                  /* one sentence; NULL: not offered by this version, and refused by name */
    const char *instead;                 /* of such a one, what to do instead; NULL: leave it out */
};

/* Ends with a NULL section; keys of one section stand together. */
extern const struct config_key config_keys[];
size_t config_key_count(void);
const struct config_key *config_find_key(const char *section, const char *name);

/* Parses `text` and stores it. The error has no place in front of it. `text` may be borrowed. */
rhei_status config_store(struct config_settings *settings, const struct config_key *key, const char *text,
                         struct rhei_error *error);
/* The same of a choice that stands elsewhere than the key's own field. */
rhei_status config_store_choice(int *field, const struct config_key *key, const char *text, struct rhei_error *error);
/* Appends the offered names of a choice, "a, b or c". */
void config_choices(const struct config_key *key, struct base_buffer *out);
/* Remembers where a key's value came from; takes `origin`. */
void config_set_origin(struct config_settings *settings, const struct config_key *key, char *origin);
/* Appends the key's value as TOML; false where it is not set, or a secret. */
bool config_show(const struct config_settings *settings, const struct config_key *key, struct base_buffer *out);
/* Appends `text` as a TOML string. */
void config_quote(struct base_buffer *out, const char *text);

/* The edit distance of two names, without case: insertions, deletions, changes, and swaps of neighbours. */
size_t config_distance(const char *a, const char *b);

/* The sidecar that was filled goes to those before it, and the next one has all defaults. */
rhei_status config_sidecar_next(struct config_settings *settings, struct rhei_error *error);
/* Of a PostgreSQL server, in either form of libpq; one that can't be read but speaks of a password has one. */
bool config_has_password(const char *conninfo);
/* Fills settings from a document (the walk over its tables). */
rhei_status config_apply(struct config_settings *settings, const struct toml_node *root, const char *name,
                         struct rhei_error *error);

#endif
