/*
 * db_schema.c: a collection on its way to a newer schema version, before it is given out.
 *
 * Each step fills a collection that the manifest does not name, syncs it, and has the manifest name
 * it in place of the old one: that store is the moment at which the step is done. After a crash
 * before it the next open finds records of a collection that is not there, as of a dropped one.
 */
#include <inttypes.h>

#include "base/assert.h"
#include "base/err.h"
#include "db/db_private.h"
#include "log/location.h"

/* So often is told how far it is. */
enum { PAIRS_BETWEEN = 8192 };

struct stepping {
    const armdb_schema *schema;
    const armdb_schema_step *step;
    struct collection *from;
    struct collection *to;
    struct adb_index empty; /* for `to`, if it is dropped: there may be no memory by then */
    armdb_schema_progress progress;
};

/* ------------------------------------------------------------------------ plan */

/* NULL: there is none. */
static const armdb_schema_step *
find_step(const armdb_schema *schema, uint32_t from)
{
    for (uint32_t i = 0; schema != NULL && i < schema->n_steps; i++) {
        if (schema->steps[i].from == from)
            return &schema->steps[i];
    }
    return NULL;
}

/* Makes the entry of a collection what it is behind a step. */
static armdb_err
take_shape(const armdb_schema_step *step, struct manifest_collection *entry)
{
    armdb_collection_options shape = ARMDB_COLLECTION_OPTIONS_INIT, checked;
    struct manifest_collection next;
    shape.key_bytes = step->key_bytes != 0 ? step->key_bytes : entry->key_bytes;
    shape.order = step->order != ARMDB_ORDER_DEFAULT ? step->order : entry->order;
    shape.value_bytes = step->value_bytes != 0 ? step->value_bytes : entry->value_bytes;
    shape.schema_version = step->from + 1;
    ADB_TRY(adb_collection_options_check(&shape, &checked));
    adb_options_describe(&checked, entry->name, entry->id, &next);
    *entry = next;
    return ARMDB_OK;
}

/* Whether all steps are there, and lead to what is asked for: before the first one is done. */
static armdb_err
check_steps(const struct collection *collection, const armdb_collection_options *options)
{
    struct manifest_collection entry;
    adb_collection_entry(collection, &entry);
    while (entry.schema_version < options->schema_version) {
        const armdb_schema_step *step = find_step(options->schema, entry.schema_version);
        if (step == NULL)
            return adb_fail(ARMDB_MISMATCH, "open collection",
                            "collection \"%.100s\" has schema version %" PRIu32
                            ", asked was %" PRIu32 ", and no step leads on from %" PRIu32,
                            entry.name, collection->schema_version, options->schema_version,
                            entry.schema_version);
        ADB_TRY(take_shape(step, &entry));
    }
    return adb_collection_options_compare(options, &entry);
}

/* ----------------------------------------------------------------------- steps */

static void
tell(const struct stepping *stepping)
{
    if (stepping->schema->on_progress != NULL)
        stepping->schema->on_progress(stepping->schema->context, &stepping->progress);
}

/* Puts what becomes of the pair under a cursor into the new collection. */
static armdb_err
carry(const struct stepping *stepping, const struct cursor *cursor)
{
    const armdb_schema_step *step = stepping->step;
    const armdb_slice key = adb_cursor_key(cursor);
    const armdb_slice old = adb_cursor_value(cursor);
    armdb_verdict verdict = {ARMDB_KEEP, {NULL, 0}};
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    options.durability = ARMDB_BUFFERED; /* all are synced at the end */
    if (step->fn != NULL)
        ADB_TRY(step->fn(step->context, key, &old, &verdict));
    if (verdict.kind == ARMDB_REMOVE)
        return ARMDB_OK;
    if (verdict.kind == ARMDB_KEEP)
        verdict.value = old;
    else if (verdict.kind != ARMDB_REPLACE || (verdict.value.data == NULL && verdict.value.len > 0))
        return adb_fail(ARMDB_INVALID, "schema step",
                        "the callback asks for change %u with a value of %zu bytes",
                        (unsigned)verdict.kind, verdict.value.len);
    if (adb_location_has_deadline(adb_cursor_location(cursor))) {
        armdb_err err = adb_db_deadline(stepping->from, key, &options.expires_at_ms);
        if (err != ARMDB_OK) /* it may have passed just now */
            return err == ARMDB_NOT_FOUND ? ARMDB_OK : err;
    }
    return adb_db_write(stepping->to, SHARD_PUT, key, verdict.value, &options);
}

static armdb_err
walk(struct stepping *stepping, struct cursor *cursor)
{
    armdb_err err;
    while ((err = adb_cursor_move(cursor, CURSOR_NEXT)) == ARMDB_OK) {
        ADB_TRY(carry(stepping, cursor));
        if (++stepping->progress.pairs % PAIRS_BETWEEN == 0)
            tell(stepping);
    }
    return err == ARMDB_END ? adb_db_sync(stepping->from->db) : err;
}

/* Fills the new collection, without any lock. */
static armdb_err
fill(struct stepping *stepping)
{
    struct cursor *cursor;
    ADB_TRY(adb_db_count(stepping->from, &stepping->progress.of_pairs));
    ADB_TRY(adb_cursor_open(stepping->from, NULL, &cursor));
    armdb_err err = walk(stepping, cursor);
    adb_cursor_close(cursor);
    return err;
}

static armdb_err
add_hidden(struct stepping *stepping, struct manifest_collection *entry)
{
    struct db *db = stepping->from->db;
    adb_mutex_lock(&db->collections_lock);
    armdb_err err = adb_collection_init_index(db, entry, &stepping->empty);
    if (err == ARMDB_OK) {
        err = adb_collection_add(db, entry, true, NULL, &stepping->to);
        if (err == ARMDB_OK)
            stepping->to->is_migrating = true;
        else
            adb_index_fini(&stepping->empty);
    }
    adb_mutex_unlock(&db->collections_lock);
    return err;
}

/* What was not done is dropped, unless the manifest on disk may name it. */
static armdb_err
copy(struct stepping *stepping, struct manifest_collection *entry)
{
    struct db *db = stepping->from->db;
    ADB_TRY(add_hidden(stepping, entry));
    armdb_err err = fill(stepping);
    adb_mutex_lock(&db->collections_lock);
    if (err == ARMDB_OK)
        err = adb_collection_replace(db, stepping->from, stepping->to);
    if (err != ARMDB_OK && !db->is_manifest_unsure)
        adb_collection_discard(stepping->to, &stepping->empty);
    else
        adb_index_fini(&stepping->empty);
    adb_mutex_unlock(&db->collections_lock);
    return err;
}

static armdb_err
do_step(struct stepping *stepping)
{
    struct manifest_collection before, after;
    ADB_ASSERT(stepping->step != NULL); /* check_steps() has found all */
    adb_collection_entry(stepping->from, &before);
    after = before;
    ADB_TRY(take_shape(stepping->step, &after));
    if (stepping->step->fn != NULL || after.key_bytes != before.key_bytes ||
        after.order != before.order || after.value_bytes != before.value_bytes)
        return copy(stepping, &after);
    stepping->to = stepping->from;
    adb_mutex_lock(&stepping->from->db->collections_lock);
    armdb_err err = adb_collection_set_version(stepping->from, after.schema_version);
    adb_mutex_unlock(&stepping->from->db->collections_lock);
    return err;
}

armdb_err
adb_collection_claim(struct collection *collection, const armdb_collection_options *options)
{
    if (collection == collection->db->default_collection) /* its id is 0: it can't be replaced */
        return adb_fail(ARMDB_UNSUPPORTED, "open collection",
                        "schema_version is %" PRIu32 ", but the default collection has none",
                        options->schema_version);
    if (collection->is_open)
        return adb_fail(ARMDB_BUSY, "open collection",
                        "collection \"%.100s\" is open, and has to come to schema version %" PRIu32
                        ", from %" PRIu32,
                        collection->name, options->schema_version, collection->schema_version);
    ADB_TRY(check_steps(collection, options));
    collection->is_migrating = true;
    return ARMDB_OK;
}

armdb_err
adb_collection_migrate(struct collection **collection, const armdb_collection_options *options)
{
    struct db *db = (*collection)->db;
    armdb_err err = ARMDB_OK;
    while (err == ARMDB_OK && (*collection)->schema_version < options->schema_version) {
        const uint32_t from = (*collection)->schema_version;
        struct stepping stepping = {
            .schema = options->schema,
            .step = find_step(options->schema, from),
            .from = *collection,
            .progress = {.from = from, .to = options->schema_version},
        };
        err = do_step(&stepping);
        if (err == ARMDB_OK) {
            *collection = stepping.to;
            stepping.progress.is_done = 1;
            tell(&stepping);
        }
    }
    adb_mutex_lock(&db->collections_lock);
    (*collection)->is_migrating = false;
    (*collection)->is_open = err == ARMDB_OK;
    adb_mutex_unlock(&db->collections_lock);
    return err;
}
