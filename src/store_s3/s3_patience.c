/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Invariants
 *  P1. A whole answer is heard, whatever it says, unless it says that it passes: then the same is asked again, and may be for ever.
 *  P2. Bytes that move are heard too, for a large object may take longer than the silence; but not once an attempt failed, until the next answer: a
 *      server that takes all it is given, and never answers, is given the same bytes again and again.
 *  P3. What is over stays over until it is begun anew, for nothing is asked any more by which it could be heard.
 */
#include "store_s3/s3_patience.h"

#include "base/base_clock.h"

#define MS ((int64_t)1000000)

void store_s3_patience_begin(struct store_s3_patience *patience, uint32_t silence_ms, uint32_t whole_ms)
{
    int64_t now = base_now_ns();
    atomic_store(&patience->heard_ns, now);
    atomic_store(&patience->end_ns, whole_ms == 0 ? INT64_MAX : now + whole_ms * MS);
    atomic_store(&patience->troubled, false);
    atomic_store(&patience->silence_ms, silence_ms);
}

void store_s3_patience_end(struct store_s3_patience *patience)
{
    atomic_store(&patience->silence_ms, 0);
}

bool store_s3_patience_is_on(const struct store_s3_patience *patience)
{
    return patience != NULL && atomic_load(&patience->silence_ms) > 0;
}

bool store_s3_patience_is_over(const struct store_s3_patience *patience)
{
    if (!store_s3_patience_is_on(patience))
        return false;
    int64_t now = base_now_ns(), silence_ns = (int64_t)atomic_load(&patience->silence_ms) * MS;
    return now >= atomic_load(&patience->end_ns) || now - atomic_load(&patience->heard_ns) >= silence_ns;
}

void s3_patience_answered(struct store_s3_patience *patience)
{
    if (patience == NULL || store_s3_patience_is_over(patience)) /* P3 */
        return;
    atomic_store(&patience->troubled, false);
    atomic_store(&patience->heard_ns, base_now_ns());
}

void s3_patience_moved(struct store_s3_patience *patience)
{
    if (store_s3_patience_is_on(patience) && !atomic_load(&patience->troubled))
        atomic_store(&patience->heard_ns, base_now_ns());
}

void s3_patience_failed(struct store_s3_patience *patience)
{
    if (patience != NULL)
        atomic_store(&patience->troubled, true);
}
