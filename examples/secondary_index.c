/*
 * secondary_index.c: people by their number, and an index of them by city, kept by a hook.
 *
 * The hook is told of each change, with the value that it replaced, so it knows which entry to
 * remove. A kill between a change and its hook can leave the index behind; so it is emptied at each
 * start, and built anew from the keys that are there, by the same hook, before the first write.
 */
#include "example.h"

enum { ENTRY_MAX = 128 };

/* The entry of a person: city, 0, number. Returns its length. */
static size_t
make_entry(armdb_slice city, armdb_slice number, unsigned char *entry)
{
    size_t len = city.len + 1 + number.len;
    if (len > ENTRY_MAX)
        exit(1);
    memcpy(entry, city.data, city.len);
    entry[city.len] = 0;
    memcpy(entry + city.len + 1, number.data, number.len);
    return len;
}

static armdb_err
add_entry(armdb_collection *by_city, armdb_slice city, armdb_slice number)
{
    unsigned char entry[ENTRY_MAX];
    size_t len = make_entry(city, number, entry);
    return armdb_put(by_city, armdb_bytes(entry, len), armdb_str(""), NULL);
}

/* Told of each change: the index follows. */
static void
on_change(void *context, const armdb_change *change)
{
    armdb_collection *by_city = (armdb_collection *)context;
    unsigned char entry[ENTRY_MAX];
    check(change->old_err);
    if (change->had_value) {
        size_t len = make_entry(change->old_value, change->key, entry);
        check(armdb_delete(by_city, armdb_bytes(entry, len), NULL));
    }
    if (change->kind == ARMDB_CHANGE_PUT)
        check(add_entry(by_city, change->value, change->key));
}

/* Shown each key that is there, at the start. */
static armdb_err
on_init(void *context, const armdb_change *pair)
{
    return add_entry((armdb_collection *)context, pair->value, pair->key);
}

/* An index of `people` that is right from now on. */
static armdb_collection *
open_index(armdb_db *db, armdb_collection *people)
{
    armdb_collection *by_city;
    armdb_hook hook = ARMDB_HOOK_INIT;
    armdb_err err = armdb_collection_drop(db, "by-city");
    check(err == ARMDB_NO_COLLECTION ? ARMDB_OK : err);
    check(armdb_collection_create(db, "by-city", NULL, &by_city));
    hook.wants_old = 1;
    hook.on_change = on_change;
    hook.on_init = on_init;
    hook.context = by_city;
    check(armdb_hook_set(people, &hook));
    return by_city;
}

/* Prints who lives in a city; says how many. */
static int
print_city(armdb_collection *by_city, const char *city)
{
    armdb_cursor_options options = ARMDB_CURSOR_OPTIONS_INIT;
    armdb_cursor *cursor;
    armdb_err err;
    int found = 0;
    options.keys_only = 1;
    options.prefix = armdb_bytes(city, strlen(city) + 1);
    check(armdb_cursor_open(by_city, &options, &cursor));
    for (; (err = armdb_cursor_next(cursor)) == ARMDB_OK; found++) {
        armdb_slice entry = armdb_cursor_key(cursor);
        printf("%s: %.*s\n", city, (int)(entry.len - options.prefix.len),
               (const char *)entry.data + options.prefix.len);
    }
    armdb_cursor_close(cursor);
    check(err == ARMDB_END ? ARMDB_OK : err);
    return found;
}

static void
move_to(armdb_collection *people, const char *number, const char *city)
{
    check(armdb_put(people, armdb_str(number), armdb_str(city), NULL));
}

int
main(void)
{
    armdb_db *db;
    check(armdb_open("people.db", NULL, &db));
    armdb_collection *people = armdb_default(db);
    armdb_collection *by_city = open_index(db, people);

    move_to(people, "ada", "London");
    move_to(people, "alan", "London");
    move_to(people, "grace", "New York");
    move_to(people, "alan", "Manchester");
    check(armdb_delete(people, armdb_str("grace"), NULL));
    int found = print_city(by_city, "London") + print_city(by_city, "Manchester");
    int gone = print_city(by_city, "New York");

    check(armdb_close(db));
    return found == 2 && gone == 0 ? 0 : 1;
}
