/*
 * Single nodes of either layout, leaves and inner nodes, against a sorted array: find, insert,
 * remove, split where the plan says, merge. ARMDB_SEED=n replays a run.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "index/node.h"
#include "support/seed.h"

enum { MAX_ENTRIES = 600, ROUNDS = 20 };

static struct test_rng rng;

static uint32_t
random_below(uint32_t limit)
{
    return (uint32_t)test_rng_below(&rng, limit);
}

struct entry {
    uint32_t len;
    uint64_t value;
    unsigned char bytes[ARMDB_KEY_MAX];
};

/* What a node must hold. */
struct content {
    uint32_t n;
    uint64_t first_child;
    struct entry entries[MAX_ENTRIES];
};

static struct adb_node_layout layout;
static struct adb_page pages[2];
static struct content contents[2];

/* Keys start with one of two long prefixes, so that prefixes of nodes come and go. */
static void
random_key(struct entry *entry, uint32_t key_bytes)
{
    uint32_t longest = random_below(12) == 0 ? 700 : 24;
    entry->len = key_bytes != 0 ? key_bytes : 1 + random_below(longest);
    uint32_t shared = random_below(entry->len + 1) * (random_below(3) != 0);
    memset(entry->bytes, random_below(8) == 0 ? 'q' : 'p', shared);
    for (uint32_t i = shared; i < entry->len; i++)
        entry->bytes[i] = (unsigned char)random_below(random_below(2) == 0 ? 3 : 256);
    entry->value = 1 + random_below(1u << 30);
}

/* The inline value of an entry, made from its location. */
static const void *
inline_value(uint64_t location)
{
    static unsigned char value[NODE_VALUE_MAX];
    for (uint32_t i = 0; i < layout.value_bytes; i++)
        value[i] = (unsigned char)(location * 167 >> i % 24);
    return value;
}

static void
assert_value(const struct adb_page *page, uint32_t slot, uint64_t location)
{
    unsigned char value[NODE_VALUE_MAX + 1];
    value[layout.value_bytes] = 0xa5;
    adb_node_read_value(&layout, page, slot, value);
    assert_memory_equal(value, inline_value(location), layout.value_bytes);
    assert_int_equal(value[layout.value_bytes], 0xa5);
}

static int
compare(const struct entry *a, const struct entry *b)
{
    int order = memcmp(a->bytes, b->bytes, a->len < b->len ? a->len : b->len);
    return order != 0 ? order : (int)a->len - (int)b->len;
}

static uint32_t
lower_bound(const struct content *content, const struct entry *entry)
{
    uint32_t i = 0;
    while (i < content->n && compare(&content->entries[i], entry) < 0)
        i++;
    return i;
}

static void
set_key(struct adb_node_key *key, const struct entry *entry)
{
    adb_node_key_set(&layout, key, entry->bytes, entry->len);
}

static uint64_t
value_at(const struct adb_page *page, uint32_t slot)
{
    if (adb_node_meta(page).level == 0)
        return adb_node_location(&layout, page, slot);
    return (uint64_t)(uintptr_t)adb_node_child(&layout, page, slot + 1);
}

static void
assert_holds(const struct adb_page *page, const struct content *content)
{
    unsigned char bytes[ARMDB_KEY_MAX];
    struct adb_node_meta meta = adb_node_meta(page);
    assert_int_equal(meta.count, content->n);
    if (meta.level != 0)
        assert_int_equal((uintptr_t)adb_node_child(&layout, page, 0), content->first_child);
    for (uint32_t i = 0; i < content->n; i++) {
        const struct entry *entry = &content->entries[i];
        struct adb_node_key key;
        bool found;
        assert_int_equal(adb_node_read_key(&layout, page, i, bytes), entry->len);
        assert_memory_equal(bytes, entry->bytes, entry->len);
        assert_int_equal(value_at(page, i), entry->value);
        if (meta.level == 0)
            assert_value(page, i, entry->value);
        set_key(&key, entry);
        assert_int_equal(adb_node_find(&layout, page, &key, &found), i);
        assert_true(found);
    }
}

static void
start(uint32_t i, uint32_t level)
{
    adb_node_init(&layout, &pages[i], level, 0);
    contents[i].n = 0;
    contents[i].first_child = 77;
    if (level != 0)
        adb_node_set_child(&layout, &pages[i], 0, (const struct adb_page *)(uintptr_t)77);
}

/* Puts the entry into node and content; false if it is there already. */
static bool
insert(uint32_t i, const struct entry *entry)
{
    struct content *content = &contents[i];
    struct adb_node_key key;
    bool found;
    set_key(&key, entry);
    uint32_t slot = adb_node_find(&layout, &pages[i], &key, &found);
    assert_int_equal(slot, lower_bound(content, entry));
    if (found)
        return false;
    struct adb_node_entry added = {
        .key = &key, .target = entry->value, .value = inline_value(entry->value)};
    adb_node_insert(&layout, &pages[i], slot, &added);
    memmove(&content->entries[slot + 1], &content->entries[slot],
            (content->n - slot) * sizeof *entry);
    content->entries[slot] = *entry;
    content->n++;
    return true;
}

static void
remove_at(uint32_t i, uint32_t slot)
{
    struct content *content = &contents[i];
    adb_node_remove(&layout, &pages[i], slot);
    content->n--;
    memmove(&content->entries[slot], &content->entries[slot + 1],
            (content->n - slot) * sizeof content->entries[0]);
}

/* Gives an entry of a leaf another location and value. */
static void
overwrite_at(uint32_t i, uint32_t slot)
{
    uint64_t location = 1 + random_below(1u << 30);
    adb_node_set_location(&layout, &pages[i], slot, location);
    adb_node_set_value(&layout, &pages[i], slot, inline_value(location));
    contents[i].entries[slot].value = location;
}

/* Fills node 0 until `entry` does not fit. */
static void
fill(uint32_t key_bytes, struct entry *entry)
{
    struct adb_node_key key;
    bool found = false;
    for (;;) {
        random_key(entry, key_bytes);
        set_key(&key, entry);
        (void)adb_node_find(&layout, &pages[0], &key, &found);
        if (!found && !adb_node_fits(&layout, &pages[0], &key))
            return;
        if (!found)
            (void)insert(0, entry);
        if (contents[0].n != 0 && random_below(5) == 0)
            remove_at(0, random_below(contents[0].n));
        if (contents[0].n != 0 && adb_node_meta(&pages[0]).level == 0)
            overwrite_at(0, random_below(contents[0].n));
    }
}

/* Moves what the split moves from content 0 to content 1. */
static void
split_content(const struct adb_node_split *split, uint32_t level)
{
    struct content *left = &contents[0];
    struct content *right = &contents[1];
    uint32_t first = split->at + (level != 0);
    if (level != 0)
        right->first_child = left->entries[split->at].value;
    right->n = left->n - first;
    memcpy(right->entries, &left->entries[first], right->n * sizeof left->entries[0]);
    left->n = split->at;
}

static void
run_round(uint32_t key_bytes, uint32_t value_bytes, uint32_t level)
{
    struct entry entry;
    struct entry middle = {.len = 0};
    struct adb_node_key key;
    struct adb_node_split split;
    bool found;
    adb_node_layout_init(&layout, key_bytes, value_bytes);
    start(0, level);
    start(1, level);
    fill(key_bytes, &entry);
    assert_holds(&pages[0], &contents[0]);

    set_key(&key, &entry);
    uint32_t slot = adb_node_find(&layout, &pages[0], &key, &found);
    struct adb_node_edges edges = {random_below(8) == 0, random_below(8) == 0};
    adb_node_plan_split(&layout, &pages[0], slot, &key, edges, &split);
    adb_node_split(&layout, &pages[0], &pages[1], &split);
    split_content(&split, level);
    assert_holds(&pages[0], &contents[0]);
    assert_holds(&pages[1], &contents[1]);
    uint32_t side = split.into_right;
    assert_true(adb_node_fits(&layout, &pages[side], &key));
    assert_true(insert(side, &entry));
    assert_holds(&pages[side], &contents[side]);
    middle.len = split.middle.key.len;
    memcpy(middle.bytes, split.middle.bytes, middle.len);
    assert_in_range(middle.len, 1, ARMDB_KEY_MAX);
    struct content *left = &contents[0];
    struct content *right = &contents[1];
    if (left->n != 0)
        assert_true(compare(&left->entries[left->n - 1], &middle) < 0);
    if (right->n != 0)
        assert_true(compare(&middle, &right->entries[0]) <= (level == 0 ? 0 : -1));

    /* Take out until they fit into one again. */
    while (!adb_node_merge_fits(&layout, &pages[0], &pages[1], &split.middle.key)) {
        uint32_t i = contents[0].n > contents[1].n ? 0 : 1;
        assert_true(contents[i].n != 0);
        remove_at(i, random_below(contents[i].n));
    }
    adb_node_merge(&layout, &pages[0], &pages[1], &split.middle.key);
    if (level != 0) {
        middle.value = right->first_child;
        left->entries[left->n++] = middle;
    }
    memcpy(&left->entries[left->n], right->entries, right->n * sizeof right->entries[0]);
    left->n += right->n;
    assert_holds(&pages[0], left);
    while (left->n != 0)
        remove_at(0, random_below(left->n));
    assert_holds(&pages[0], left);
    assert_true(adb_node_is_underfull(&layout, &pages[0]));
}

static void
test_node__leaf__keeps_its_entries(void **state)
{
    static const uint32_t key_bytes[] = {0, 3, 8, 13, 16, 24, 100, 256};
    static const uint32_t value_bytes[] = {0, 1, 8, 13, 100, 256};
    (void)state;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < sizeof key_bytes / sizeof key_bytes[0]; i++) {
            run_round(key_bytes[i], 0, 0);
            run_round(key_bytes[i], value_bytes[1 + random_below(5)], 0);
        }
        for (size_t i = 0; i < sizeof value_bytes / sizeof value_bytes[0]; i++)
            run_round(0, value_bytes[i], 0);
    }
}

static void
test_node__inner__keeps_its_entries_and_children(void **state)
{
    static const uint32_t key_bytes[] = {0, 3, 16, 24, 256};
    (void)state;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < sizeof key_bytes / sizeof key_bytes[0]; i++)
            run_round(key_bytes[i], round % 2 * 100, 1);
        run_round(0, round % 2 * 100, 2);
    }
}

static void
test_node__maximal_keys__at_least_three_fit(void **state)
{
    (void)state;
    adb_node_layout_init(&layout, 0, NODE_VALUE_MAX);
    start(0, 0);
    struct entry entry = {.len = ARMDB_KEY_MAX, .value = 1};
    uint32_t n = 0;
    for (;; n++) {
        struct adb_node_key key;
        memset(entry.bytes, (int)(n + 1), sizeof entry.bytes);
        set_key(&key, &entry);
        if (!adb_node_fits(&layout, &pages[0], &key))
            break;
        assert_true(insert(0, &entry));
    }
    assert_true(n >= 3);
    for (uint32_t key_bytes = 1; key_bytes <= ARMDB_FIXED_KEY_MAX; key_bytes++) {
        adb_node_layout_init(&layout, key_bytes, key_bytes);
        const struct adb_node_shape *leaf = &layout.shape[0];
        const struct adb_node_shape *inner = &layout.shape[1];
        assert_true(leaf->capacity >= 3);
        assert_true(leaf->target_at + leaf->capacity * leaf->stride <= NODE_WORDS);
        assert_true(inner->target_at + inner->capacity + 1 <= NODE_WORDS);
    }
}

static void
test_node__copy__is_equal_but_for_the_version(void **state)
{
    (void)state;
    struct entry entry;
    adb_node_layout_init(&layout, 0, 0);
    start(0, 1);
    fill(0, &entry);
    adb_node_init(&layout, &pages[1], 0, 1000);
    uint64_t version = adb_node_version(&pages[1]);
    assert_true(version > 1000);
    adb_node_copy(&pages[1], &pages[0]);
    assert_int_equal(adb_node_version(&pages[1]), version);
    assert_holds(&pages[1], &contents[0]);
}

static void
test_node__locks__tell_readers_what_they_must_know(void **state)
{
    (void)state;
    adb_node_layout_init(&layout, 8, 0);
    start(0, 0);
    struct adb_page *page = &pages[0];
    uint64_t version = adb_node_version(page);
    assert_true(adb_node_try_hold(page, version));
    assert_true(adb_node_is_unchanged(page, version));
    assert_int_equal(adb_node_version(page), version);
    assert_false(adb_node_try_hold(page, version));
    assert_false(adb_node_try_lock(page, version));
    adb_node_unlock_same(page);
    assert_true(adb_node_try_lock(page, version));
    assert_false(adb_node_is_unchanged(page, version));
    assert_false(adb_node_try_lock(page, version));
    adb_node_unlock_same(page);
    assert_true(adb_node_is_unchanged(page, version));
    assert_true(adb_node_try_lock(page, version));
    adb_node_unlock_changed(page);
    assert_false(adb_node_is_unchanged(page, version));
    assert_false(adb_node_try_lock(page, version));
    version = adb_node_version(page);
    assert_true(adb_node_try_lock(page, version));
    assert_true(adb_node_unlock_obsolete(page) > version);
    assert_false(adb_node_is_unchanged(page, version));
    assert_false(adb_node_try_lock(page, adb_node_version(page)));
}

int
main(void)
{
    rng = test_rng_make(test_seed());
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_node__leaf__keeps_its_entries),
        cmocka_unit_test(test_node__inner__keeps_its_entries_and_children),
        cmocka_unit_test(test_node__maximal_keys__at_least_three_fit),
        cmocka_unit_test(test_node__copy__is_equal_but_for_the_version),
        cmocka_unit_test(test_node__locks__tell_readers_what_they_must_know),
    };
    return cmocka_run_group_tests_name("index/node", tests, NULL, NULL);
}
