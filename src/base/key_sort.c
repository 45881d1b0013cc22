/*
 * Things lie one after the other in an arena; what is sorted are items of 16 bytes that point
 * there. The first bytes of a key in which keys differ are in the item: a radix sort by the first
 * four of them puts items that belong together next to each other. Where these bytes are equal,
 * items are sorted by comparing, which for most keys is never.
 */
#include "base/key_sort.h"

#include <string.h>

#include "base/assert.h"
#include "base/attr.h"
#include "base/bytes.h"
#include "base/mem.h"

enum {
    ALIGN = 8,
    DIGITS = 256,
    WORD_DIGITS = 4, /* of the word that the radix sort looks at: the upper ones */
    GROUP_DIGITS = 3,
    FEW = 16,  /* are sorted by insertion */
    AHEAD = 12 /* things are fetched before they are taken out */
};

struct item {
    uint64_t word; /* bytes of the key, as a big-endian number, zero padded */
    uint32_t at;   /* of the thing in the arena, / ALIGN */
    uint32_t group;
};

/* In the arena, in front of its payload and then its key. */
struct thing {
    uint32_t group;
    uint16_t key_len;
    uint16_t payload_bytes; /* rounded up */
};

struct adb_key_sort {
    unsigned char *arena;  /* owned */
    struct item *items[2]; /* owned; sorted from one to the other and back */
    size_t arena_bytes;
    size_t items_max;
    size_t used; /* bytes of the arena */
    size_t n;
    size_t next; /* to be taken out */
    bool is_sorted;
    uint32_t shared;   /* bytes that all keys have in common */
    struct item *from; /* of the two, the one with the items */
    struct item *to;
};

_Static_assert(sizeof(struct item) == 16, "an item is two words");
_Static_assert(sizeof(struct thing) == ALIGN, "a payload is aligned");
_Static_assert(ADB_KEY_SORT_GROUP_MAX < 1 << (8 * GROUP_DIGITS), "a group has so many digits");

struct adb_key_sort *
adb_key_sort_new(size_t bytes)
{
    ADB_ASSERT(bytes >= ADB_KEY_SORT_BYTES_MIN && bytes / 2 / ALIGN <= UINT32_MAX);
    struct adb_key_sort *sort = adb_new(struct adb_key_sort);
    if (sort == NULL)
        return NULL;
    /* As much for things as for items: they are about equal with keys of 16 bytes. */
    sort->arena_bytes = bytes / 2 / ALIGN * ALIGN;
    sort->items_max = bytes / 4 / sizeof(struct item);
    sort->arena = (unsigned char *)adb_mem_alloc(sort->arena_bytes);
    for (int i = 0; i < 2; i++)
        sort->items[i] = (struct item *)adb_mem_alloc(sort->items_max * sizeof(struct item));
    if (sort->arena == NULL || sort->items[0] == NULL || sort->items[1] == NULL) {
        adb_key_sort_free(sort);
        return NULL;
    }
    adb_key_sort_clear(sort);
    return sort;
}

void
adb_key_sort_free(struct adb_key_sort *sort)
{
    if (sort == NULL)
        return;
    adb_mem_free(sort->items[0]);
    adb_mem_free(sort->items[1]);
    adb_mem_free(sort->arena);
    adb_mem_free(sort);
}

void
adb_key_sort_clear(struct adb_key_sort *sort)
{
    sort->used = 0;
    sort->n = 0;
    sort->next = 0;
    sort->is_sorted = false;
    sort->from = sort->items[0];
    sort->to = sort->items[1];
}

/* ----------------------------------------------------------------------- things */

static struct thing
thing_at(const struct adb_key_sort *sort, uint32_t at)
{
    struct thing thing;
    memcpy(&thing, sort->arena + (size_t)at * ALIGN, sizeof thing);
    return thing;
}

static armdb_slice
key_at(const struct adb_key_sort *sort, uint32_t at)
{
    struct thing thing = thing_at(sort, at);
    const armdb_slice key = {sort->arena + (size_t)at * ALIGN + sizeof thing + thing.payload_bytes,
                             thing.key_len};
    return key;
}

/* Keys may have less in common with the first one than thought. */
static void
note_shared(struct adb_key_sort *sort, armdb_slice key)
{
    const armdb_slice first = key_at(sort, 0);
    const unsigned char *a = (const unsigned char *)first.data;
    const unsigned char *b = (const unsigned char *)key.data;
    uint32_t most = key.len < sort->shared ? (uint32_t)key.len : sort->shared;
    uint32_t shared = 0;
    while (shared < most && a[shared] == b[shared])
        shared++;
    sort->shared = shared;
}

void *
adb_key_sort_add(struct adb_key_sort *sort, uint32_t group, armdb_slice key, size_t payload_bytes)
{
    ADB_ASSERT(group <= ADB_KEY_SORT_GROUP_MAX && key.len >= 1 && key.len <= ADB_KEY_SORT_KEY_MAX);
    ADB_ASSERT(payload_bytes <= ADB_KEY_SORT_PAYLOAD_MAX && !sort->is_sorted);
    size_t payload = (size_t)adb_round_up(payload_bytes, ALIGN);
    size_t bytes = (size_t)adb_round_up(sizeof(struct thing) + payload + key.len, ALIGN);
    if (sort->n == sort->items_max || bytes > sort->arena_bytes - sort->used)
        return NULL;
    const struct thing thing = {group, (uint16_t)key.len, (uint16_t)payload};
    unsigned char *at = sort->arena + sort->used;
    memcpy(at, &thing, sizeof thing);
    memcpy(at + sizeof thing + payload, key.data, key.len);
    sort->from[sort->n++] = (struct item){.at = (uint32_t)(sort->used / ALIGN), .group = group};
    sort->used += bytes;
    if (sort->n == 1)
        sort->shared = (uint32_t)key.len;
    else
        note_shared(sort, key);
    return at + sizeof thing;
}

size_t
adb_key_sort_count(const struct adb_key_sort *sort)
{
    return sort->n;
}

/* ------------------------------------------------------------------------- sort */

static uint64_t
word_of(const struct adb_key_sort *sort, uint32_t at)
{
    const armdb_slice key = key_at(sort, at);
    size_t left = key.len - sort->shared;
    unsigned char bytes[8] = {0};
    memcpy(bytes, (const unsigned char *)key.data + sort->shared, left < 8 ? left : 8);
    return __builtin_bswap64(adb_load_u64(bytes));
}

/* Digits from the lowest: of the word, then of the group. */
static uint32_t
digit_of(const struct item *item, uint32_t digit)
{
    uint64_t from = digit < WORD_DIGITS ? item->word >> 32 : item->group;
    return (uint32_t)(from >> (8 * (digit % WORD_DIGITS))) % DIGITS;
}

struct histograms {
    uint32_t count[WORD_DIGITS + GROUP_DIGITS][DIGITS];
};

/* Sorts by one digit, and keeps the order of items in which it is the same. */
static void
sort_by_digit(struct adb_key_sort *sort, uint32_t digit, uint32_t *count)
{
    size_t n = sort->n;
    if (count[digit_of(&sort->from[0], digit)] == n)
        return; /* it is the same in all */
    uint32_t at = 0;
    for (uint32_t value = 0; value < DIGITS; value++) {
        uint32_t here = count[value];
        count[value] = at;
        at += here;
    }
    struct item *from = sort->from;
    struct item *to = sort->to;
    for (size_t i = 0; i < n; i++)
        to[count[digit_of(&from[i], digit)]++] = from[i];
    sort->from = to;
    sort->to = from;
}

/* Of two items of one group. */
static bool
is_before(const struct adb_key_sort *sort, const struct item *a, const struct item *b)
{
    if (a->word != b->word)
        return a->word < b->word;
    const armdb_slice x = key_at(sort, a->at);
    const armdb_slice y = key_at(sort, b->at);
    int order = memcmp(x.data, y.data, x.len < y.len ? x.len : y.len);
    if (order != 0)
        return order < 0;
    return x.len != y.len ? x.len < y.len : a->at < b->at;
}

static void
sort_few(const struct adb_key_sort *sort, struct item *items, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        struct item item = items[i];
        size_t at = i;
        for (; at > 0 && is_before(sort, &item, &items[at - 1]); at--)
            items[at] = items[at - 1];
        items[at] = item;
    }
}

/* Merges the sorted stretches [0, middle) and [middle, n). */
static void
merge(const struct adb_key_sort *sort, const struct item *from, size_t middle, size_t n,
      struct item *to)
{
    size_t left = 0;
    size_t right = middle;
    for (size_t i = 0; i < n; i++) {
        bool is_right = left == middle || (right < n && is_before(sort, &from[right], &from[left]));
        to[i] = is_right ? from[right++] : from[left++];
    }
}

/* Sorts items of which the radix sort saw no difference, by merging ever longer stretches; `spare`
 * has room for as many. */
static void
sort_many(const struct adb_key_sort *sort, struct item *items, size_t n, struct item *spare)
{
    struct item *from = items;
    struct item *to = spare;
    for (size_t at = 0; at < n; at += FEW)
        sort_few(sort, items + at, n - at < FEW ? n - at : FEW);
    for (size_t width = FEW; width < n; width *= 2) {
        for (size_t at = 0; at < n; at += 2 * width) {
            size_t left = n - at < 2 * width ? n - at : 2 * width;
            merge(sort, from + at, left < width ? left : width, left, to + at);
        }
        struct item *held = from;
        from = to;
        to = held;
    }
    if (from != items)
        memcpy(items, from, n * sizeof *items);
}

static bool
is_tied(const struct item *a, const struct item *b)
{
    return a->group == b->group && a->word >> 32 == b->word >> 32;
}

static void
sort_ties(struct adb_key_sort *sort)
{
    struct item *items = sort->from;
    for (size_t i = 0; i < sort->n;) {
        size_t end = i + 1;
        bool is_sorted = true;
        for (; end < sort->n && is_tied(&items[i], &items[end]); end++)
            is_sorted = is_sorted && is_before(sort, &items[end - 1], &items[end]);
        if (!is_sorted)
            sort_many(sort, items + i, end - i, sort->to + i);
        i = end;
    }
}

static bool
is_same_key(const struct adb_key_sort *sort, const struct item *a, const struct item *b)
{
    if (a->group != b->group || a->word != b->word)
        return false;
    const armdb_slice x = key_at(sort, a->at);
    const armdb_slice y = key_at(sort, b->at);
    return x.len == y.len && memcmp(x.data, y.data, x.len) == 0;
}

void
adb_key_sort_run(struct adb_key_sort *sort)
{
    struct histograms histograms;
    memset(&histograms, 0, sizeof histograms);
    for (size_t i = 0; i < sort->n; i++) {
        struct item *item = &sort->from[i];
        item->word = word_of(sort, item->at);
        for (uint32_t digit = 0; digit < WORD_DIGITS + GROUP_DIGITS; digit++)
            histograms.count[digit][digit_of(item, digit)]++;
    }
    for (uint32_t digit = 0; digit < WORD_DIGITS + GROUP_DIGITS && sort->n != 0; digit++)
        sort_by_digit(sort, digit, histograms.count[digit]);
    sort_ties(sort);
    sort->is_sorted = true;
}

/* -------------------------------------------------------------------- taking out */

bool
adb_key_sort_next(struct adb_key_sort *sort, struct adb_key_sorted *sorted_out)
{
    if (sort->next == sort->n)
        return false;
    const struct item *item = &sort->from[sort->next++];
    bool is_last = sort->next == sort->n || !is_same_key(sort, item, item + 1);
    if (sort->next + AHEAD < sort->n) {
        const unsigned char *ahead = sort->arena + (size_t)item[AHEAD].at * ALIGN;
        __builtin_prefetch(ahead);
        __builtin_prefetch(ahead + ADB_CACHE_LINE / 2);
    }
    *sorted_out = (struct adb_key_sorted){.group = item->group,
                                          .key = key_at(sort, item->at),
                                          .payload = sort->arena + (size_t)item->at * ALIGN +
                                                     sizeof(struct thing),
                                          .is_last = is_last};
    return true;
}
