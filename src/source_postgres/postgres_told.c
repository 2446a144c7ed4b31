/* SPDX-License-Identifier: Apache-2.0 */
/* What others tell the stream, which its thread acts on when it comes to it. */
#include "source_postgres/postgres_stream.h"

void postgres_stream_forget(struct postgres_stream *stream, uint64_t end)
{
    base_mutex_lock(&stream->lock);
    if (end > stream->forgotten)
        stream->forgotten = end;
    base_mutex_unlock(&stream->lock);
}

void postgres_stream_keep(struct postgres_stream *stream, uint64_t position)
{
    base_mutex_lock(&stream->lock);
    stream->keeps = true;
    if (position > stream->kept)
        stream->kept = position;
    base_mutex_unlock(&stream->lock);
    postgres_stream_wake(stream);
}

uint64_t postgres_stream_wishes(struct postgres_stream *stream)
{
    base_mutex_lock(&stream->lock);
    uint64_t wishes = stream->wishes;
    base_mutex_unlock(&stream->lock);
    return wishes;
}

void postgres_stream_fulfil(struct postgres_stream *stream, uint64_t wish)
{
    base_mutex_lock(&stream->lock);
    stream->fulfilled = wish > stream->fulfilled ? wish : stream->fulfilled;
    base_mutex_unlock(&stream->lock);
    postgres_stream_wake(stream);
}

void postgres_stream_doubt(struct postgres_stream *stream, bool doubted)
{
    base_mutex_lock(&stream->lock);
    bool news = doubted && !stream->doubted;
    stream->doubted = doubted;
    base_mutex_unlock(&stream->lock);
    if (news)
        postgres_stream_wake(stream);
}

void postgres_stream_hasten(struct postgres_stream *stream)
{
    base_mutex_lock(&stream->lock);
    bool news = !stream->connected && !stream->awaited_here;
    stream->awaited_here = !stream->connected;
    base_mutex_unlock(&stream->lock);
    if (news)
        postgres_stream_wake(stream);
}
