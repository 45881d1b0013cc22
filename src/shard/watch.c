#include "shard/watch.h"

#include <string.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "os/thread.h"

/* The head of an entry; key and value follow. */
struct watched {
    uint32_t bytes; /* of the entry, a multiple of 8; 0: the next one is at the start of the ring */
    uint32_t shard;
    uint64_t sequence;
    uint64_t lost; /* so many were, just before it */
    uint32_t key_len;
    uint32_t value_len;
    armdb_change_kind kind;
    bool had_value;
};

_Static_assert(sizeof(struct watched) == 40, "armdb/watch.h says so");

struct watch {
    /* immutable */
    struct adb_os *os;            /* borrowed */
    armdb_collection *collection; /* for the reader */
    uint64_t capacity;            /* of the ring, bytes, a multiple of 8 */
    unsigned char *ring;          /* owned */
    bool keys_only;
    uint32_t prefix_len;
    unsigned char prefix[ARMDB_KEY_MAX];

    struct watch *next; /* of its list */

    struct adb_mutex lock;
    struct adb_cond filled;
    /* guarded by lock */
    uint64_t head; /* bytes that were ever taken out of the ring, and put into it */
    uint64_t tail;
    uint64_t lost;       /* since the newest entry */
    uint64_t shown;      /* bytes of the entry that the reader looks at; 0: none */
    uint32_t n_sleeping; /* readers that wait */
    bool is_ended;
};

armdb_err
adb_watch_new(struct adb_os *os, armdb_collection *collection, const armdb_watch_options *options,
              struct watch **watch_out)
{
    struct watch *watch = adb_new(struct watch);
    *watch_out = NULL;
    uint64_t capacity = (options->capacity_bytes != 0 ? options->capacity_bytes : 1u << 20) / 8 * 8;
    unsigned char *ring = (unsigned char *)adb_mem_alloc(capacity);
    if (watch == NULL || ring == NULL) {
        adb_mem_free(watch);
        adb_mem_free(ring);
        return adb_fail(ARMDB_NO_MEMORY, "open watch", "no memory for a watch");
    }
    watch->os = os;
    watch->collection = collection;
    watch->capacity = capacity;
    watch->ring = ring;
    watch->keys_only = options->keys_only != 0;
    watch->prefix_len = (uint32_t)options->prefix.len;
    if (options->prefix.len > 0)
        memcpy(watch->prefix, options->prefix.data, options->prefix.len);
    adb_mutex_init(&watch->lock);
    adb_cond_init(&watch->filled);
    *watch_out = watch;
    return ARMDB_OK;
}

void
adb_watch_free(struct watch *watch)
{
    if (watch == NULL)
        return;
    adb_cond_fini(&watch->filled);
    adb_mutex_fini(&watch->lock);
    adb_mem_free(watch->ring);
    adb_mem_free(watch);
}

void
adb_watch_link(struct watch **list, struct watch *watch)
{
    watch->next = *list;
    *list = watch;
}

void
adb_watch_unlink(struct watch **list, struct watch *watch)
{
    while (*list != watch)
        list = &(*list)->next;
    *list = watch->next;
}

/* -------------------------------------------------------------------- writers */

/* Makes room for an entry of so many bytes, in one piece; NULL: there is none. */
static struct watched *
make_room(struct watch *watch, uint64_t bytes)
{
    if (watch->head == watch->tail)
        watch->head = watch->tail = 0;
    unsigned char *at = watch->ring + watch->tail % watch->capacity;
    uint64_t to_end = watch->capacity - watch->tail % watch->capacity;
    uint64_t skipped = bytes <= to_end ? 0 : to_end;
    if (watch->tail - watch->head + skipped + bytes > watch->capacity)
        return NULL;
    if (skipped > 0) {
        const uint32_t none = 0;
        memcpy(at, &none, sizeof none);
        at = watch->ring;
    }
    watch->tail += skipped + bytes;
    return (struct watched *)(void *)at;
}

static void
add(struct watch *watch, const armdb_change *change)
{
    size_t value_len = watch->keys_only ? 0 : change->value.len;
    uint64_t bytes = (sizeof(struct watched) + change->key.len + value_len + 7) / 8 * 8;
    struct watched *entry = bytes <= watch->capacity ? make_room(watch, bytes) : NULL;
    if (entry == NULL) {
        watch->lost++;
        return;
    }
    *entry = (struct watched){
        .bytes = (uint32_t)bytes,
        .shard = change->shard,
        .sequence = change->sequence,
        .lost = watch->lost,
        .key_len = (uint32_t)change->key.len,
        .value_len = (uint32_t)value_len,
        .kind = change->kind,
        .had_value = change->had_value,
    };
    watch->lost = 0;
    unsigned char *to = (unsigned char *)(entry + 1);
    memcpy(to, change->key.data, change->key.len);
    if (value_len > 0)
        memcpy(to + change->key.len, change->value.data, value_len);
}

static bool
wants(const struct watch *watch, armdb_slice key)
{
    return key.len >= watch->prefix_len && memcmp(key.data, watch->prefix, watch->prefix_len) == 0;
}

void
adb_watches_add(struct watch *list, const armdb_change *change)
{
    for (struct watch *watch = list; watch != NULL; watch = watch->next) {
        if (!wants(watch, change->key))
            continue;
        adb_mutex_lock(&watch->lock);
        add(watch, change);
        if (watch->n_sleeping > 0)
            adb_cond_wake_one(&watch->filled);
        adb_mutex_unlock(&watch->lock);
    }
}

void
adb_watches_end(struct watch *list)
{
    for (struct watch *watch = list; watch != NULL; watch = watch->next) {
        adb_mutex_lock(&watch->lock);
        watch->is_ended = true;
        adb_cond_wake_all(&watch->filled);
        adb_mutex_unlock(&watch->lock);
    }
}

/* --------------------------------------------------------------------- reader */

/* Waits until there is something to tell. */
static armdb_err
wait_for_change(struct watch *watch, uint32_t timeout_ms)
{
    uint64_t timeout_ns = (uint64_t)timeout_ms * 1000000u;
    uint64_t began_ns = timeout_ms != 0 ? adb_os_now_ns(watch->os) : 0;
    while (watch->head == watch->tail && watch->lost == 0) {
        if (watch->is_ended)
            return adb_fail(ARMDB_NO_COLLECTION, "watch", "the collection was dropped");
        uint64_t passed_ns = timeout_ms != 0 ? adb_os_now_ns(watch->os) - began_ns : 0;
        if (!watch->os->has_threads || passed_ns >= timeout_ns)
            return ARMDB_END;
        watch->n_sleeping++;
        if (timeout_ms == ARMDB_NEVER)
            adb_cond_wait(&watch->filled, &watch->lock);
        else
            adb_cond_wait_for(&watch->filled, &watch->lock, timeout_ns - passed_ns);
        watch->n_sleeping--;
    }
    return ARMDB_OK;
}

/* The oldest entry; there is one. */
static struct watched *
oldest(struct watch *watch)
{
    for (;;) {
        struct watched *entry =
            (struct watched *)(void *)(watch->ring + watch->head % watch->capacity);
        if (entry->bytes != 0)
            return entry;
        watch->head += watch->capacity - watch->head % watch->capacity;
    }
}

static armdb_err
next_locked(struct watch *watch, uint32_t timeout_ms, armdb_change *change_out)
{
    watch->head += watch->shown;
    watch->shown = 0;
    ADB_TRY(wait_for_change(watch, timeout_ms));
    struct watched *entry = watch->head != watch->tail ? oldest(watch) : NULL;
    uint64_t *lost = entry != NULL ? &entry->lost : &watch->lost;
    *change_out = (armdb_change){.collection = watch->collection, .lost = *lost};
    if (*lost != 0) {
        *lost = 0;
        change_out->kind = ARMDB_CHANGE_LOST;
        return ARMDB_OK;
    }
    ADB_ASSERT(entry != NULL);
    const unsigned char *bytes = (const unsigned char *)(entry + 1);
    change_out->kind = entry->kind;
    change_out->shard = entry->shard;
    change_out->sequence = entry->sequence;
    change_out->key = (armdb_slice){bytes, entry->key_len};
    change_out->value = (armdb_slice){bytes + entry->key_len, entry->value_len};
    change_out->had_value = entry->had_value;
    watch->shown = entry->bytes;
    return ARMDB_OK;
}

armdb_err
adb_watch_next(struct watch *watch, uint32_t timeout_ms, armdb_change *change_out)
{
    adb_mutex_lock(&watch->lock);
    armdb_err err = next_locked(watch, timeout_ms, change_out);
    adb_mutex_unlock(&watch->lock);
    return err;
}
