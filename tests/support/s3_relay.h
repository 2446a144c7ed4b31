/* SPDX-License-Identifier: Apache-2.0 */
/* Between a store and its server, over plain HTTP: lets requests or answers be lost, late, changed, or other ones. Any thread. */
#ifndef SUPPORT_S3_RELAY_H
#define SUPPORT_S3_RELAY_H

enum s3_trouble {
    S3_NO_TROUBLE,
    S3_CUT,          /* the connection ends once the request was read; the server never gets it */
    S3_DEAF,         /* the server carries it out, and the answer is lost */
    S3_HANG,         /* no answer, until the relay closes */
    S3_LATE,         /* `text` milliseconds later */
    S3_ANSWER,       /* `text` is the answer, in full; the server never gets the request */
    S3_FLIP_REQUEST, /* a bit of the body is another one */
    S3_FLIP_ANSWER, /* the same of the answer's; of the last byte of `text` where that is given and in it, and else of none */
    S3_SHORT,       /* half of the answer's body */
    S3_SHORT_HEAD, /* the answer ends before its header line that begins with `text`, without one behind its first line */
    S3_STRIP,      /* without the header line that begins with `text` */
};

struct s3_rule {
    enum s3_trouble trouble;
    const char *method; /* "PUT"; NULL: any */
    const char *part;   /* of the request's line and headers; NULL: any */
    const char *text;
    int skip, count; /* so many first ones are left alone, so many then have the trouble; count 0: all */
};

struct s3_relay;

/* To that port of this machine. */
struct s3_relay *s3_relay_open(int port);
void s3_relay_close(struct s3_relay **relay);
int s3_relay_port(const struct s3_relay *relay);
/* In place of the rule before; NULL: none. Borrowed. */
void s3_relay_rule(struct s3_relay *relay, const struct s3_rule *rule);
/* How many requests with that method and part came since the last rule was set; both may be NULL. Counts the last few hundred. */
int s3_relay_seen(struct s3_relay *relay, const char *method, const char *part);
/* How many were under way at once, at most, since the last rule was set. */
int s3_relay_most(struct s3_relay *relay);

#endif
