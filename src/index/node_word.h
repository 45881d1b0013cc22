/*
 * node_word.h: the words of a node, and the version and lock in the first of them.
 *
 * How a node is shared:
 *  1. Word 0 is the version: bit 0 locked, bit 1 obsolete, bit 2 held, a counter above. Whoever
 *     sets bit 0 or bit 2 by compare-and-swap is the only writer. Bit 0 is for changes of any kind,
 *     and the counter is raised when it is cleared after one.
 *  2. Readers note the version, read, and look whether the version is still the same. What they
 *     read in between may be of any mixture of states, so every count, offset and length is checked
 *     before it is used, and nothing read counts before the version was checked again.
 *  3. Contents are read with acquire and written with release, word by word. A reader that saw a
 *     word of a writer therefore also sees the lock bit that the writer had set before, and its
 *     check of the version fails. No fence is needed, and ThreadSanitizer understands it.
 *  4. The same holds for a page that nobody can reach yet: a late reader may still look at it.
 *  5. A location is changed by one store, with bit 2 set and without a new version: each state of
 *     it is a valid one. Readers do not look at bit 2, so they never wait for such a change.
 */
#ifndef ADB_INDEX_NODE_WORD_H
#define ADB_INDEX_NODE_WORD_H

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/attr.h"
#include "index/pages.h"
#include "os/thread.h"

enum { NODE_WORDS = ADB_PAGE_BYTES / 8, NODE_VERSION_AT = 0 };

#define NODE_LOCKED ((uint64_t)1)
#define NODE_OBSOLETE ((uint64_t)2)
#define NODE_HELD ((uint64_t)4)
#define NODE_VERSION_STEP ((uint64_t)8)

struct adb_page {
    _Atomic uint64_t word[NODE_WORDS];
};

_Static_assert(sizeof(struct adb_page) == ADB_PAGE_BYTES, "a node is a page");

/* ------------------------------------------------------------------ words */

static inline uint64_t
adb_node_word(const struct adb_page *page, uint32_t at)
{
    return atomic_load_explicit(&page->word[at], memory_order_acquire);
}

static inline void
adb_node_set_word(struct adb_page *page, uint32_t at, uint64_t word)
{
    atomic_store_explicit(&page->word[at], word, memory_order_release);
}

/** Brings the cache line of a word near; racy. */
static inline void
adb_node_prefetch(const struct adb_page *page, uint32_t at)
{
    __builtin_prefetch((const char *)page + (size_t)at * 8);
}

/* ------------------------------------------------------------------ versions and locks */

/** Passes a moment of waiting for another thread; `tries` counts them and starts at 0. */
static inline void
adb_node_wait(uint32_t *tries)
{
    if (++*tries % 64 == 0) {
        sched_yield();
        return;
    }
    adb_thread_relax();
}

/** The version (without bit 2) while the node is not locked; waits for that. It may be obsolete. */
static inline uint64_t
adb_node_version(const struct adb_page *page)
{
    uint64_t version = adb_node_word(page, NODE_VERSION_AT);
    for (uint32_t tries = 0; ADB_UNLIKELY((version & NODE_LOCKED) != 0);) {
        adb_node_wait(&tries);
        version = adb_node_word(page, NODE_VERSION_AT);
    }
    return version & ~NODE_HELD;
}

/** Whether everything read from the node since `version` was seen belongs together. */
static inline bool
adb_node_is_unchanged(const struct adb_page *page, uint64_t version)
{
    return ADB_LIKELY((adb_node_word(page, NODE_VERSION_AT) & ~NODE_HELD) == version);
}

/* Sets a bit if the version is still the same and no bit is set. */
static inline bool
adb_node_try_set(struct adb_page *page, uint64_t version, uint64_t bit)
{
    uint64_t expected = version;
    return (version & (NODE_LOCKED | NODE_OBSOLETE | NODE_HELD)) == 0 &&
           atomic_compare_exchange_strong_explicit(&page->word[NODE_VERSION_AT], &expected,
                                                   version | bit, memory_order_acquire,
                                                   memory_order_relaxed);
}

/** Takes the lock if the node is still as it was when `version` was seen. Never waits. */
static inline bool
adb_node_try_lock(struct adb_page *page, uint64_t version)
{
    return adb_node_try_set(page, version, NODE_LOCKED);
}

/** Like adb_node_try_lock(), to change nothing but locations. */
static inline bool
adb_node_try_hold(struct adb_page *page, uint64_t version)
{
    return adb_node_try_set(page, version, NODE_HELD);
}

/** The version of a node that the calling thread has locked or holds, without those bits. */
static inline uint64_t
adb_node_own_version(const struct adb_page *page)
{
    uint64_t version = atomic_load_explicit(&page->word[NODE_VERSION_AT], memory_order_relaxed);
    ADB_DEBUG_ASSERT((version & (NODE_LOCKED | NODE_HELD)) != 0);
    return version & ~(NODE_LOCKED | NODE_HELD);
}

/** Lets go of a node of which at most locations were changed. */
static inline void
adb_node_unlock_same(struct adb_page *page)
{
    adb_node_set_word(page, NODE_VERSION_AT, adb_node_own_version(page));
}

/** Lets go of a locked node that was changed. */
static inline void
adb_node_unlock_changed(struct adb_page *page)
{
    adb_node_set_word(page, NODE_VERSION_AT, adb_node_own_version(page) + NODE_VERSION_STEP);
}

/** Lets go of a locked node that is no longer in the tree. Returns its last version. */
static inline uint64_t
adb_node_unlock_obsolete(struct adb_page *page)
{
    uint64_t version = (adb_node_own_version(page) + NODE_VERSION_STEP) | NODE_OBSOLETE;
    adb_node_set_word(page, NODE_VERSION_AT, version);
    return version;
}

#endif
