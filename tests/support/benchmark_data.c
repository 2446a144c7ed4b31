/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/benchmark_data.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/tpch_queries.h"

/* A batch of rows on its way into one table. Texts live until the batch is sent. */
enum { BATCH_ROWS = 1000, ROW_COLUMNS = 32, TEXT_BYTES = 80 };

struct batch {
    rhei_db *db;
    const char *insert;
    uint64_t random;
    size_t columns, filled; /* of a row; cells so far */
    struct rhei_value cells[BATCH_ROWS * ROW_COLUMNS];
    char texts[BATCH_ROWS * ROW_COLUMNS][TEXT_BYTES];
};

static uint64_t pick(struct batch *batch, uint64_t below)
{
    batch->random ^= batch->random << 13;
    batch->random ^= batch->random >> 7;
    batch->random ^= batch->random << 17;
    return (batch->random >> 11) % below;
}

static void send(struct batch *batch)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    if (batch->filled > 0 && rhei_execute_batch(batch->db, batch->insert, batch->cells, batch->columns,
                                                batch->filled / batch->columns, NULL, &error) != RHEI_OK)
        fail_msg("%s: %s", batch->insert, error.message);
    batch->filled = 0;
}

static void begin(struct batch *batch, const char *insert, size_t columns)
{
    send(batch);
    batch->insert = insert;
    batch->columns = columns;
}

static void put(struct batch *batch, struct rhei_value value)
{
    batch->cells[batch->filled++] = value;
    if (batch->filled == batch->columns * BATCH_ROWS)
        send(batch);
}

static void put_integer(struct batch *batch, uint64_t integer)
{
    put(batch, rhei_integer((int64_t)integer));
}

/* Cents, as REAL. */
static void put_money(struct batch *batch, uint64_t low, uint64_t high)
{
    put(batch, rhei_real((double)(low + pick(batch, high - low)) / 100));
}

static void put_text(struct batch *batch, const char *format, ...) RHEI_PRINTF(2, 3);
static void put_text(struct batch *batch, const char *format, ...)
{
    char *text = batch->texts[batch->filled];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, TEXT_BYTES, format, arguments);
    va_end(arguments);
    put(batch, rhei_text(text));
}

#define ONE_OF(batch, list) list[pick(batch, sizeof list / sizeof list[0])]

static void put_date(struct batch *batch, uint64_t day) /* days since 1992-01-01, in years of 12 x 28 */
{
    put_text(batch, "%04u-%02u-%02u", (unsigned)(1992 + day / 336), (unsigned)(1 + day % 336 / 28),
             (unsigned)(1 + day % 28));
}

static const char *const nouns[] = {"packages", "requests", "accounts", "Complaints",
                                    "deposits", "foxes",    "ideas",    "theodolites"};
static const char *const adjectives[] = {"special", "pending", "Customer", "regular", "express", "final", "bold"};

static void put_comment(struct batch *batch)
{
    const char *a = ONE_OF(batch, adjectives), *b = ONE_OF(batch, nouns), *c = ONE_OF(batch, adjectives),
               *d = ONE_OF(batch, nouns);
    put_text(batch, "%s %s sleep %s %s", a, b, c, d);
}

/* ---- TPC-H ---- */

enum { SUPPLIERS = 100, PARTS = 2000, CUSTOMERS = 1500, ORDERS = 15000 };

static const char *const nations[] = {"ALGERIA",      "ARGENTINA",  "BRAZIL",  "CANADA",         "EGYPT",
                                      "ETHIOPIA",     "FRANCE",     "GERMANY", "INDIA",          "INDONESIA",
                                      "IRAN",         "IRAQ",       "JAPAN",   "JORDAN",         "KENYA",
                                      "MOROCCO",      "MOZAMBIQUE", "PERU",    "CHINA",          "ROMANIA",
                                      "SAUDI ARABIA", "VIETNAM",    "RUSSIA",  "UNITED KINGDOM", "UNITED STATES"};
static const uint8_t nation_regions[] = {0, 1, 1, 1, 4, 0, 3, 3, 2, 2, 4, 4, 2, 4, 0, 0, 0, 1, 2, 3, 4, 2, 3, 3, 1};

static void fill_places(struct batch *batch)
{
    static const char *const regions[] = {"AFRICA", "AMERICA", "ASIA", "EUROPE", "MIDDLE EAST"};
    begin(batch, tpch_tables[0].insert, 3);
    for (uint32_t i = 0; i < 5; i++) {
        put_integer(batch, i);
        put_text(batch, "%s", regions[i]);
        put_comment(batch);
    }
    begin(batch, tpch_tables[1].insert, 4);
    for (uint32_t i = 0; i < 25; i++) {
        put_integer(batch, i);
        put_text(batch, "%s", nations[i]);
        put_integer(batch, nation_regions[i]);
        put_comment(batch);
    }
    begin(batch, tpch_tables[2].insert, 7);
    for (uint32_t i = 1; i <= SUPPLIERS; i++) {
        uint64_t nation = i % 25;
        put_integer(batch, i);
        put_text(batch, "Supplier#%09u", i);
        put_text(batch, "address %u", (unsigned)pick(batch, 100000));
        put_integer(batch, nation);
        put_text(batch, "%u-%03u-%03u", (unsigned)nation + 10, (unsigned)pick(batch, 1000),
                 (unsigned)pick(batch, 1000));
        put_money(batch, 0, 1000000);
        put_comment(batch);
    }
}

static void fill_parts(struct batch *batch)
{
    static const char *const colors[] = {"green", "forest", "blue", "almond", "red", "ivory", "lemon"};
    static const char *const sizes[] = {"ECONOMY", "PROMO", "MEDIUM", "LARGE", "STANDARD"};
    static const char *const finishes[] = {"ANODIZED", "POLISHED", "PLATED", "BRUSHED"};
    static const char *const metals[] = {"STEEL", "BRASS", "TIN", "COPPER"};
    static const char *const containers[] = {"SM", "MED", "LG", "JUMBO"};
    static const char *const kinds[] = {"CASE", "BOX", "PACK", "PKG", "BAG"};
    static const char *const brands[] = {"12", "23", "34", "45", "51"};
    begin(batch, tpch_tables[3].insert, 9);
    for (uint32_t i = 1; i <= PARTS; i++) {
        const char *a = ONE_OF(batch, colors), *b = ONE_OF(batch, colors);
        put_integer(batch, i);
        put_text(batch, "%s %s", a, b);
        put_text(batch, "Manufacturer#%u", (unsigned)pick(batch, 5) + 1);
        put_text(batch, "Brand#%s", ONE_OF(batch, brands));
        const char *size = ONE_OF(batch, sizes), *finish = ONE_OF(batch, finishes), *metal = ONE_OF(batch, metals);
        put_text(batch, "%s %s %s", size, finish, metal);
        put_integer(batch, pick(batch, 50) + 1);
        const char *container = ONE_OF(batch, containers), *kind = ONE_OF(batch, kinds);
        put_text(batch, "%s %s", container, kind);
        put_money(batch, 90000, 200000);
        put_comment(batch);
    }
    begin(batch, tpch_tables[4].insert, 5);
    for (uint32_t i = 0; i < PARTS * 4; i++) {
        put_integer(batch, i / 4 + 1);
        put_integer(batch, (i / 4 + i % 4 * (SUPPLIERS / 4)) % SUPPLIERS + 1);
        put_integer(batch, pick(batch, 9999) + 1);
        put_money(batch, 100, 100000);
        put_comment(batch);
    }
}

static void fill_customers(struct batch *batch)
{
    static const char *const segments[] = {"BUILDING", "MACHINERY", "AUTOMOBILE", "HOUSEHOLD", "FURNITURE"};
    begin(batch, tpch_tables[5].insert, 8);
    for (uint32_t i = 1; i <= CUSTOMERS; i++) {
        uint64_t nation = pick(batch, 25);
        put_integer(batch, i);
        put_text(batch, "Customer#%09u", i);
        put_text(batch, "address %u", (unsigned)pick(batch, 100000));
        put_integer(batch, nation);
        put_text(batch, "%u-%03u-%03u", (unsigned)nation + 10, (unsigned)pick(batch, 1000),
                 (unsigned)pick(batch, 1000));
        put_money(batch, 0, 1000000);
        put_text(batch, "%s", ONE_OF(batch, segments));
        put_comment(batch);
    }
}

static void fill_orders(struct batch *batch, uint64_t *days, uint32_t *lines)
{
    static const char *const priorities[] = {"1-URGENT", "2-HIGH", "3-MEDIUM", "4-NOT SPECIFIED", "5-LOW"};
    static const char *const states[] = {"F", "O", "P"};
    begin(batch, tpch_tables[6].insert, 9);
    for (uint32_t i = 1; i <= ORDERS; i++) {
        days[i] = pick(batch, 2200);
        lines[i] = (uint32_t)pick(batch, 7) + 1;
        put_integer(batch, i);
        put_integer(batch, pick(batch, CUSTOMERS * 2 / 3) + 1);
        put_text(batch, "%s", ONE_OF(batch, states));
        put_money(batch, 100000, 50000000);
        put_date(batch, days[i]);
        put_text(batch, "%s", ONE_OF(batch, priorities));
        put_text(batch, "Clerk#%09u", (unsigned)pick(batch, 1000));
        put_integer(batch, 0);
        put_comment(batch);
    }
}

static void fill_lines(struct batch *batch, const uint64_t *days, const uint32_t *lines)
{
    static const char *const ways[] = {"AIR", "AIR REG", "MAIL", "SHIP", "RAIL", "TRUCK"};
    static const char *const instructions[] = {"DELIVER IN PERSON", "COLLECT COD", "NONE"};
    static const char *const flags[] = {"A", "N", "R"}, *const states[] = {"F", "O"};
    begin(batch, tpch_tables[7].insert, 16);
    for (uint32_t i = 1; i <= ORDERS; i++) {
        for (uint32_t line = 1; line <= lines[i]; line++) {
            uint64_t part = pick(batch, PARTS) + 1, quantity = pick(batch, 60) + 1, shipped = days[i] + pick(batch, 90);
            put_integer(batch, i);
            put_integer(batch, part);
            put_integer(batch, (part - 1 + pick(batch, 4) * (SUPPLIERS / 4)) % SUPPLIERS + 1);
            put_integer(batch, line);
            put(batch, rhei_real((double)quantity));
            put_money(batch, 90000 * quantity, 200000 * quantity);
            put(batch, rhei_real((double)pick(batch, 11) / 100));
            put(batch, rhei_real((double)pick(batch, 9) / 100));
            put_text(batch, "%s", ONE_OF(batch, flags));
            put_text(batch, "%s", ONE_OF(batch, states));
            put_date(batch, shipped);
            put_date(batch, days[i] + pick(batch, 120));
            put_date(batch, shipped + pick(batch, 30));
            put_text(batch, "%s", ONE_OF(batch, instructions));
            put_text(batch, "%s", ONE_OF(batch, ways));
            put_comment(batch);
        }
    }
}

static struct batch *batch_new(rhei_db *db, uint64_t seed)
{
    struct batch *batch = calloc(1, sizeof *batch);
    assert_non_null(batch);
    batch->db = db;
    batch->random = seed * 0x9e3779b97f4a7c15u + 1;
    return batch;
}

void benchmark_fill_tpch(rhei_db *db, uint64_t seed)
{
    struct batch *batch = batch_new(db, seed);
    uint64_t *days = calloc(ORDERS + 1, sizeof *days);
    uint32_t *lines = calloc(ORDERS + 1, sizeof *lines);
    assert_true(days != NULL && lines != NULL);
    for (int i = 0; i < TPCH_TABLES; i++) {
        char sql[1200];
        snprintf(sql, sizeof sql, "CREATE TABLE %s (%s)", tpch_tables[i].name, tpch_tables[i].columns);
        must_execute(db, sql);
    }
    fill_places(batch);
    fill_parts(batch);
    fill_customers(batch);
    fill_orders(batch, days, lines);
    fill_lines(batch, days, lines);
    send(batch);
    free(lines);
    free(days);
    free(batch);
}

/* ---- ClickBench ---- */

static const char *const hits_columns =
    "WatchID INTEGER NOT NULL, JavaEnable INTEGER NOT NULL, Title TEXT NOT NULL, EventTime TEXT NOT NULL, "
    "EventDate TEXT NOT NULL, CounterID INTEGER NOT NULL, ClientIP INTEGER NOT NULL, RegionID INTEGER NOT NULL, "
    "UserID INTEGER NOT NULL, URL TEXT NOT NULL, Referer TEXT NOT NULL, IsRefresh INTEGER NOT NULL, "
    "ResolutionWidth INTEGER NOT NULL, MobilePhone INTEGER NOT NULL, MobilePhoneModel TEXT NOT NULL, "
    "TraficSourceID INTEGER NOT NULL, SearchEngineID INTEGER NOT NULL, SearchPhrase TEXT NOT NULL, "
    "AdvEngineID INTEGER NOT NULL, WindowClientWidth INTEGER NOT NULL, WindowClientHeight INTEGER NOT NULL, "
    "IsLink INTEGER NOT NULL, IsDownload INTEGER NOT NULL, DontCountHits INTEGER NOT NULL, "
    "RefererHash INTEGER NOT NULL, URLHash INTEGER NOT NULL";

/* Mostly small numbers, as visits and phrases are distributed. */
static uint64_t skewed(struct batch *batch, uint64_t below)
{
    return pick(batch, 1 + pick(batch, 1 + pick(batch, below)));
}

static void put_hit(struct batch *batch)
{
    static const char *const hosts[] = {"google.com", "www.google.ru", "example.org", "yandex.ru", "shop.example"};
    static const char *const phones[] = {"", "", "", "iPhone 4", "Galaxy S", "Lumia", "Nokia 3310"};
    const char *host = ONE_OF(batch, hosts), *refers = ONE_OF(batch, hosts);
    uint64_t page = skewed(batch, 400), user = skewed(batch, 5000), from = skewed(batch, 100),
             phrase = skewed(batch, 800);
    unsigned day = (unsigned)pick(batch, 31) + 1, hour = (unsigned)pick(batch, 24), minute = (unsigned)pick(batch, 60);
    put_integer(batch, 4611686018427387904u + (pick(batch, UINT64_MAX) >> 3));
    put_integer(batch, pick(batch, 2));
    if (page % 5 == 0)
        put(batch, rhei_text(""));
    else
        put_text(batch, page % 7 == 0 ? "Google maps %u" : "Page %u", (unsigned)page);
    put_text(batch, "2013-07-%02u %02u:%02u:%02u", day, hour, minute, (unsigned)pick(batch, 60));
    put_text(batch, "2013-07-%02u", day);
    put_integer(batch, pick(batch, 3) == 0 ? 62 : skewed(batch, 200));
    put_integer(batch, pick(batch, 4) == 0 ? skewed(batch, 100) : pick(batch, 4294967296u));
    put_integer(batch, skewed(batch, 300));
    put_integer(batch, user == 7 ? 435090932899640449u : user * 1844674407370955u);
    if (page % 11 == 0)
        put(batch, rhei_text(""));
    else
        put_text(batch, "http://%s/page/%u", host, (unsigned)page);
    if (from % 3 == 0)
        put(batch, rhei_text(""));
    else
        put_text(batch, "https://%s/from/%u", refers, (unsigned)from);
    put_integer(batch, pick(batch, 5) == 0);
    put_integer(batch, 800 + 80 * pick(batch, 15));
    put_integer(batch, skewed(batch, 20));
    put_text(batch, "%s", ONE_OF(batch, phones));
    put(batch, rhei_integer((int64_t)pick(batch, 9) - 1));
    put_integer(batch, pick(batch, 3) == 0 ? skewed(batch, 30) : 0);
    if (phrase % 4 != 0)
        put(batch, rhei_text(""));
    else
        put_text(batch, "how to %u", (unsigned)phrase);
    put_integer(batch, pick(batch, 6) == 0 ? skewed(batch, 40) : 0);
    put_integer(batch, 300 + 10 * skewed(batch, 60));
    put_integer(batch, 200 + 10 * skewed(batch, 60));
    put_integer(batch, pick(batch, 10) == 0);
    put_integer(batch, pick(batch, 50) == 0);
    put_integer(batch, pick(batch, 4) == 0);
    put_integer(batch, from < 3 ? 3594120000172545465u : from * 46116860184273879u);
    put_integer(batch, page < 5 ? 2868770270353813622u : page * 23058430092136939u);
}

void benchmark_fill_hits(rhei_db *db, uint32_t rows, uint64_t seed)
{
    struct batch *batch = batch_new(db, seed);
    char sql[1600];
    snprintf(sql, sizeof sql, "CREATE TABLE hits (%s)", hits_columns);
    must_execute(db, sql);
    begin(batch, "INSERT INTO hits VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)", 26);
    for (uint32_t i = 0; i < rows; i++)
        put_hit(batch);
    send(batch);
    free(batch);
}
