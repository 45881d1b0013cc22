/*
 * Building nodes of the variable-length layout anew: entries are added in order to an image of a
 * page on the stack, which is then stored over the page. Needs no memory, so removal may use it.
 */
#include "index/node_var_private.h"

#include <string.h>

#include "base/assert.h"

struct image {
    unsigned char heap[ADB_PAGE_BYTES]; /* as the heap; the bytes before heap_at mean nothing */
    uint64_t slot[NODE_COUNT_MAX];
    uint64_t target[NODE_COUNT_MAX];
    uint64_t child;            /* the leftmost, of an inner node */
    struct adb_node_meta meta; /* all but the count */
    struct adb_var_space space;
};

/* A key on the stack. */
struct bytes {
    uint32_t len;
    unsigned char at[ARMDB_KEY_MAX];
};

static void
read_key(const struct adb_page *page, uint32_t slot, struct bytes *bytes_out)
{
    bytes_out->len = adb_node_var_read_key(page, slot, bytes_out->at);
}

/* Starts an image of a node like `old`, whose keys all begin with the first `prefix_len` bytes of
 * `key`. */
static void
begin(struct image *image, struct adb_node_meta old, const unsigned char *key, uint32_t prefix_len)
{
    image->meta = (struct adb_node_meta){
        .level = old.level, .last = NODE_NO_LAST, .value_bytes = old.value_bytes};
    image->child = 0;
    image->space = (struct adb_var_space){.heap_at = ADB_PAGE_BYTES - prefix_len,
                                          .prefix_at = ADB_PAGE_BYTES - prefix_len,
                                          .prefix_len = prefix_len,
                                          .value_bytes = old.value_bytes};
    if (prefix_len != 0)
        memcpy(image->heap + image->space.prefix_at, key, prefix_len);
}

/* An inline value, if there is one, is copied from `value`. */
static void
add(struct image *image, armdb_slice key, uint64_t target, const void *value)
{
    struct adb_var_space *space = &image->space;
    ADB_ASSERT(space->count < NODE_COUNT_MAX && key.len >= space->prefix_len);
    ADB_ASSERT(value != NULL || space->value_bytes == 0);
    const unsigned char *rest = (const unsigned char *)key.data + space->prefix_len;
    uint32_t len = (uint32_t)key.len - space->prefix_len;
    uint32_t tail = adb_var_tail(len);
    uint32_t bytes = tail + space->value_bytes;
    ADB_ASSERT(VAR_SLOTS_BYTES + (space->count + 1) * VAR_SLOT_BYTES + bytes <= space->heap_at);
    space->heap_at -= bytes;
    if (tail != 0)
        memcpy(image->heap + space->heap_at, rest + VAR_HEAD, tail);
    if (space->value_bytes != 0)
        memcpy(image->heap + space->heap_at + tail, value, space->value_bytes);
    image->slot[space->count] = adb_var_slot(adb_var_head(rest, len), len, space->heap_at);
    image->target[space->count] = target;
    space->count++;
}

static void
add_entries(struct image *image, const struct adb_page *page, uint32_t from, uint32_t to)
{
    struct bytes key;
    unsigned char value[NODE_VALUE_MAX];
    for (uint32_t i = from; i < to; i++) {
        read_key(page, i, &key);
        if (image->space.value_bytes != 0)
            adb_node_var_read_value(page, i, value, image->space.value_bytes);
        add(image, (armdb_slice){.data = key.at, .len = key.len},
            adb_node_word(page, adb_var_slot_at(i) + 1), value);
    }
}

static void
store(struct image *image, struct adb_page *page)
{
    const struct adb_var_space *space = &image->space;
    memset(image->heap + space->heap_at / 8 * 8, 0, space->heap_at % 8);
    image->meta.count = space->count;
    adb_node_set_word(page, VAR_CHILD_AT, image->child);
    for (uint32_t i = 0; i < space->count; i++) {
        adb_node_set_word(page, adb_var_slot_at(i), image->slot[i]);
        adb_node_set_word(page, adb_var_slot_at(i) + 1, image->target[i]);
    }
    for (uint32_t at = space->heap_at / 8; at < NODE_WORDS; at++)
        adb_node_set_word(page, at, adb_node_load_bytes(image->heap + 8 * at, 8));
    adb_var_set_space(page, *space);
    adb_node_set_meta(page, image->meta);
}

/* The longest prefix of the keys [from, to) and of `key`, which may be NULL and sorts anywhere.
 * A single key is not stripped of itself: what comes next to it will hardly share so much. */
static uint32_t
best_prefix(const struct adb_page *page, uint32_t from, uint32_t to, const struct adb_node_key *key)
{
    struct bytes first;
    struct bytes last;
    if (to - from + (key != NULL) < 2 || from == to)
        return 0;
    read_key(page, from, &first);
    read_key(page, to - 1, &last);
    uint32_t prefix_len = adb_node_shared_bytes(first.at, first.len, last.at, last.len);
    if (key != NULL) {
        uint32_t with_key = adb_node_shared_bytes(first.at, first.len, key->bytes, key->len);
        if (with_key < prefix_len)
            prefix_len = with_key;
    }
    return prefix_len;
}

/* Bytes that the entries [from, to) take with that prefix, which is not counted. */
static uint32_t
range_bytes(const struct adb_page *page, uint32_t from, uint32_t to, uint32_t prefix_len)
{
    struct adb_var_space space = adb_var_space(page);
    uint32_t bytes = 0;
    for (uint32_t i = from; i < to; i++) {
        uint32_t len = adb_var_slot_len(adb_node_word(page, adb_var_slot_at(i)));
        bytes += VAR_SLOT_BYTES + adb_var_tail(space.prefix_len + len - prefix_len) +
                 space.value_bytes;
    }
    return bytes;
}

static uint32_t
entries_bytes(const struct adb_page *page, uint32_t prefix_len)
{
    return range_bytes(page, 0, adb_var_space(page).count, prefix_len);
}

/* The prefix of a part of a node. The longest is no good if it takes more than it spares (keys that
 * fit their slots spare nothing) and there is no room for that: the one that they have fits. */
static uint32_t
part_prefix(const struct adb_page *page, uint32_t from, uint32_t to)
{
    uint32_t prefix_len = best_prefix(page, from, to, NULL);
    if (VAR_SLOTS_BYTES + prefix_len + range_bytes(page, from, to, prefix_len) > ADB_PAGE_BYTES)
        return adb_var_space(page).prefix_len;
    return prefix_len;
}

bool
adb_var_fits_rebuilt(const struct adb_page *page, const struct adb_node_key *key)
{
    struct adb_var_space space = adb_var_space(page);
    uint32_t prefix_len = best_prefix(page, 0, space.count, key);
    if (space.count >= NODE_COUNT_MAX)
        return false;
    return VAR_SLOTS_BYTES + prefix_len + entries_bytes(page, prefix_len) + VAR_SLOT_BYTES +
               adb_var_tail(key->len - prefix_len) + space.value_bytes <=
           ADB_PAGE_BYTES;
}

void
adb_var_insert_rebuilding(struct adb_page *page, uint32_t slot, const struct adb_node_entry *entry)
{
    struct image image;
    const struct adb_node_key *key = entry->key;
    struct adb_node_meta meta = adb_node_meta(page);
    begin(&image, meta, key->bytes, best_prefix(page, 0, meta.count, key));
    image.child = adb_node_word(page, VAR_CHILD_AT);
    image.meta = meta;
    adb_node_note_insert(&image.meta, slot);
    add_entries(&image, page, 0, slot);
    add(&image, (armdb_slice){.data = key->bytes, .len = key->len}, entry->target, entry->value);
    add_entries(&image, page, slot, meta.count);
    store(&image, page);
}

void
adb_node_var_split(struct adb_page *left, struct adb_page *right, uint32_t at)
{
    struct image image;
    struct bytes key;
    struct adb_node_meta meta = adb_node_meta(left);
    bool is_inner = meta.level != 0;
    uint32_t first = at + is_inner;
    ADB_ASSERT(first <= meta.count);
    key.len = 0;
    if (first < meta.count)
        read_key(left, first, &key);
    begin(&image, meta, key.at, part_prefix(left, first, meta.count));
    if (is_inner)
        image.child = adb_node_word(left, adb_var_slot_at(at) + 1);
    add_entries(&image, left, first, meta.count);
    store(&image, right);

    if (at != 0)
        read_key(left, 0, &key);
    begin(&image, meta, key.at, part_prefix(left, 0, at));
    image.child = adb_node_word(left, VAR_CHILD_AT);
    add_entries(&image, left, 0, at);
    store(&image, left);
}

/* The prefix of two neighbours as one node. */
static uint32_t
merged_prefix(const struct adb_page *left, const struct adb_page *right,
              const struct adb_node_key *middle)
{
    uint32_t n_left = adb_var_space(left).count;
    uint32_t n_right = adb_var_space(right).count;
    const struct adb_node_key *extra = adb_node_meta(left).level != 0 ? middle : NULL;
    struct bytes first;
    struct bytes last;
    if (n_left == 0)
        return best_prefix(right, 0, n_right, extra);
    if (n_right == 0)
        return best_prefix(left, 0, n_left, extra);
    read_key(left, 0, &first);
    read_key(right, n_right - 1, &last);
    return adb_node_shared_bytes(first.at, first.len, last.at, last.len);
}

bool
adb_node_var_merge_fits(const struct adb_page *left, const struct adb_page *right,
                        const struct adb_node_key *middle)
{
    uint32_t prefix_len = merged_prefix(left, right, middle);
    uint32_t n_left = adb_var_space(left).count;
    uint32_t n_right = adb_var_space(right).count;
    uint32_t n = n_left + n_right;
    uint32_t bytes = VAR_SLOTS_BYTES + prefix_len + entries_bytes(left, prefix_len) +
                     entries_bytes(right, prefix_len);
    if (adb_node_meta(left).level != 0) {
        n++;
        bytes += VAR_SLOT_BYTES + adb_var_tail(middle->len - prefix_len);
    }
    /* Some room is left, so that the next insert does not split it again; an empty one must go. */
    uint32_t limit = n_left == 0 || n_right == 0 ? ADB_PAGE_BYTES : ADB_PAGE_BYTES / 8 * 7;
    return n <= NODE_COUNT_MAX && bytes <= limit;
}

void
adb_node_var_merge(struct adb_page *left, const struct adb_page *right,
                   const struct adb_node_key *middle)
{
    struct image image;
    struct bytes key;
    struct adb_node_meta meta = adb_node_meta(left);
    uint32_t n_right = adb_node_meta(right).count;
    key.len = 0;
    if (meta.count != 0)
        read_key(left, 0, &key);
    else if (n_right != 0)
        read_key(right, 0, &key);
    begin(&image, meta, key.at, merged_prefix(left, right, middle));
    image.child = adb_node_word(left, VAR_CHILD_AT);
    add_entries(&image, left, 0, meta.count);
    if (meta.level != 0)
        add(&image, (armdb_slice){.data = middle->bytes, .len = middle->len},
            adb_node_word(right, VAR_CHILD_AT), NULL);
    add_entries(&image, right, 0, n_right);
    store(&image, left);
}
