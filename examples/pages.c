/*
 * pages.c: web pages by their address, thrown away after an hour.
 *
 * A map over var values: an address is found by its hash, and the values are as long as they like,
 * on disk.
 */
#include "example.h"

enum { HOUR_MS = 60 * 60 * 1000 };

static void
keep_page(armdb_collection *pages, const char *address, const char *text)
{
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    options.ttl_ms = HOUR_MS;
    check(armdb_put(pages, armdb_str(address), armdb_str(text), &options));
}

/* Prints a page if it is kept; says whether it was. */
static bool
print_page(armdb_collection *pages, const char *address)
{
    armdb_value page;
    armdb_err err = armdb_get_value(pages, armdb_str(address), &page);
    if (err == ARMDB_NOT_FOUND)
        return false;
    check(err);
    armdb_slice text = armdb_value_bytes(&page);
    printf("%s: %.*s\n", address, (int)text.len, (const char *)text.data);
    armdb_value_release(&page);
    return true;
}

/* How many of some pages are kept: all lookups at once. */
static size_t
count_kept(armdb_collection *pages, const char *const *addresses, size_t n)
{
    armdb_read reads[8] = {{{NULL, 0}, NULL, 0, 0, ARMDB_OK}};
    size_t found = 0;
    for (size_t i = 0; i < n; i++)
        reads[i].key = armdb_str(addresses[i]);
    (void)armdb_multi_get(pages, reads, n); /* values have no room: each read has its own error */
    for (size_t i = 0; i < n; i++)
        found += reads[i].err == ARMDB_BUFFER_TOO_SMALL || reads[i].err == ARMDB_OK;
    return found;
}

int
main(void)
{
    static const char *const addresses[] = {"example.org/a", "example.org/b", "example.org/c"};
    armdb_collection_options options = ARMDB_COLLECTION_OPTIONS_INIT;
    armdb_db *db;
    armdb_collection *pages;
    check(armdb_open("pages.db", NULL, &db));
    options.order = ARMDB_UNORDERED;
    armdb_err err = armdb_collection_create(db, "pages", &options, &pages);
    if (err == ARMDB_EXISTS)
        err = armdb_collection_open(db, "pages", &options, &pages);
    check(err);

    keep_page(pages, "example.org/a", "<p>Welcome</p>");
    keep_page(pages, "example.org/b", "<p>About us</p>");
    bool has_a = print_page(pages, "example.org/a");
    bool has_c = print_page(pages, "example.org/c");
    size_t kept = count_kept(pages, addresses, 3);

    check(armdb_close(db));
    return has_a && !has_c && kept == 2 ? 0 : 1;
}
