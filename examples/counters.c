/*
 * counters.c: page views by day and page: numbers by a pair of numbers, in order.
 *
 * A tree over const values of 8 bytes. The day comes first in the key: the pages of one day, or of
 * a week, lie next to each other.
 */
#include <armdb/typed.h>

#include "example.h"

ARMDB_DEFINE_KEY_PAIR(day_page, u32, u32);
ARMDB_DEFINE_TYPED(views, day_page, int64_t, 8);

/* From any thread: nobody comes in between. A key that is not there counts as 0. */
static void
count_view(views view, armdb_key_day_page key)
{
    unsigned char bytes[ARMDB_KEY_BYTES_day_page];
    armdb_key_day_page_encode(bytes, key);
    check(armdb_add(view.collection, armdb_bytes(bytes, sizeof bytes), 1, NULL, NULL));
}

/* The views of all pages from one day to the day before another. */
static int64_t
sum(views view, uint32_t from_day, uint32_t to_day)
{
    const armdb_key_day_page from = {from_day, 0}, to = {to_day, 0};
    armdb_cursor *cursor;
    int64_t total = 0;
    armdb_err err;
    check(views_range(view, &from, &to, &cursor));
    while ((err = armdb_cursor_next(cursor)) == ARMDB_OK)
        total += views_value(cursor);
    armdb_cursor_close(cursor);
    check(err == ARMDB_END ? ARMDB_OK : err);
    return total;
}

int
main(void)
{
    armdb_db *db;
    views view;
    armdb_err err;
    check(armdb_open("counters.db", NULL, &db));
    err = armdb_collection_drop(db, "views"); /* begin anew, each time the example is run */
    check(err == ARMDB_NO_COLLECTION ? ARMDB_OK : err);
    check(views_open(db, "views", ARMDB_ASCENDING, &view));

    for (uint32_t i = 0; i < 1000; i++) {
        const armdb_key_day_page key = {i % 10, i % 7}; /* day, page */
        count_view(view, key);
    }
    int64_t week = sum(view, 0, 7);
    int64_t rest = sum(view, 7, 10);
    printf("days 0 to 6: %lld views, the others: %lld\n", (long long)week, (long long)rest);

    check(armdb_close(db));
    return week == 700 && rest == 300 ? 0 : 1;
}
