/*
 * pages.h: a pool of 4 KiB pages for index nodes that stay readable memory as long as the pool
 * lives, also after they were given back.
 *
 * Pages are cut from large anonymous mappings; free ones are kept in a list outside the pages, and
 * when there are many their memory goes back to the system (MADV_DONTNEED: they are zeros then).
 * A page given back may be read by a late reader and is recognised by its version word (the first 8
 * bytes): versions only grow in one page's life and start, at each allocation, above every version
 * that any page of the pool had when it was given back.
 *
 * Threads: any.
 */
#ifndef ADB_INDEX_PAGES_H
#define ADB_INDEX_PAGES_H

#include <stdbool.h>
#include <stdint.h>

#include "armdb/error.h"
#include "base/attr.h"

enum { ADB_PAGE_BYTES = 4096 };

struct adb_pages;
struct adb_page; /* opaque: ADB_PAGE_BYTES bytes, aligned to them */

/**
 * Makes an empty pool; end it with adb_pages_free().
 *
 * Returns:  ARMDB_OK; ARMDB_NO_MEMORY (raised; *pages_out is NULL).
 */
ADB_MUST_USE armdb_err adb_pages_new(struct adb_pages **pages_out);

/** Unmaps everything. Nobody may use a page of the pool any more. NULL is allowed. */
void adb_pages_free(struct adb_pages *pages);

/** Bytes of pages that are out now. */
uint64_t adb_pages_bytes(const struct adb_pages *pages);

/**
 * Sees to pages that will be wanted soon, if the pool has grown of late, so that nobody who takes
 * one waits for the system to find memory for it. To be called now and then, from the background.
 * Lack of memory is for whoever takes a page to say.
 *
 * Returns:  whether the pool is growing, so that the next call should come soon.
 */
bool adb_pages_tend(struct adb_pages *pages);

/**
 * Takes a page out of the pool. Its content is whatever it was, or zeros; the caller stores a
 * version above adb_pages_clock() into it before anything else.
 *
 * Returns:  ARMDB_OK; ARMDB_NO_MEMORY (raised; *page_out is NULL).
 */
ADB_MUST_USE armdb_err adb_pages_take(struct adb_pages *pages, struct adb_page **page_out);

/**
 * Gives a page back. Late readers may go on reading it.
 *
 * @param last_version  the highest version it had; 0 if it was never used as a node.
 */
void adb_pages_give(struct adb_pages *pages, struct adb_page *page, uint64_t last_version);

/**
 * The highest version of all pages given back so far. Seen from whoever took a page it is at least
 * the last version of that page.
 */
uint64_t adb_pages_clock(const struct adb_pages *pages);

/**
 * One link of each page, kept outside of it (a page that is only set aside stays untouched and
 * costs no memory). Whoever took the page may use it. The link of a page just taken is undefined.
 */
struct adb_page *adb_pages_link(const struct adb_page *page);
void adb_pages_set_link(struct adb_page *page, struct adb_page *next);

/**
 * Pages set aside, so that what needs them later cannot fail: one list for each writer lock
 * (shard); what a put leaves is kept for the next. All-zero is empty.
 */
struct adb_spare {
    struct adb_page *first; /* list, owned; guarded by the owner's lock */
    uint32_t count;
};

/**
 * Fills `spare` up to `needed` pages.
 *
 * Returns:  ARMDB_OK; ARMDB_NO_MEMORY (raised; `spare` is still valid).
 */
ADB_MUST_USE armdb_err adb_spare_fill(struct adb_spare *spare, struct adb_pages *pages,
                                      uint32_t needed);

/** Takes a page that was set aside. There must be one. */
struct adb_page *adb_spare_take(struct adb_spare *spare);

/** Gives the pages of `spare` back to the pool. */
void adb_spare_fini(struct adb_spare *spare, struct adb_pages *pages);

#endif
