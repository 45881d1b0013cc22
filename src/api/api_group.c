#include "api/handle.h"

struct armdb_group {
    struct adb_handle handle;
};

/* What a group calls. */
struct callback {
    armdb_group_fn fn;
    void *context;
    armdb_group *group;
};

static armdb_err
call(void *context, struct group *group)
{
    const struct callback *callback = (const struct callback *)context;
    callback->group->handle.object = group;
    armdb_err err = callback->fn(callback->context, callback->group);
    callback->group->handle.object = NULL; /* hooks are told before the call of the group is over */
    return err;
}

armdb_err
armdb_group_run(armdb_collection *collection, armdb_slice key, armdb_group_fn fn, void *context,
                const armdb_write_options *options)
{
    struct callback callback = {.fn = fn, .context = context};
    adb_db_ticket_clear(options);
    API_OBJECT_OUTSIDE(struct collection, inner, collection, HANDLE_COLLECTION, "group");
    ADB_TRY(adb_check_slice("group", "key", key));
    API_NEED(fn, "group");
    callback.group = (armdb_group *)adb_handle_new(sizeof *callback.group, HANDLE_GROUP, NULL);
    if (callback.group == NULL)
        return adb_fail(ARMDB_NO_MEMORY, "group", "no memory for a group");
    armdb_err err = adb_db_group_run(
        &(struct group_call){.collection = inner, .key = key, .fn = call, .context = &callback},
        options);
    adb_handle_end(&callback.group->handle);
    return err;
}

/* The objects behind two handles, and whether the slices can be. */
static armdb_err
enter(armdb_group *group, armdb_collection *collection, armdb_slice key, armdb_slice value,
      struct group **group_out, struct collection **collection_out)
{
    API_OBJECT(struct group, inner, group, HANDLE_GROUP, "group");
    API_OBJECT(struct collection, of, collection, HANDLE_COLLECTION, "group");
    *group_out = inner;
    *collection_out = of;
    ADB_TRY(adb_check_slice("group", "key", key));
    return adb_check_slice("group", "value", value);
}

static const armdb_slice nothing = {NULL, 0};

armdb_err
armdb_group_get(armdb_group *group, armdb_collection *collection, armdb_slice key, void *buffer,
                size_t capacity, size_t *len_out)
{
    struct group *inner = NULL;
    struct collection *of = NULL;
    armdb_read read = {.key = key, .buffer = buffer, .capacity = capacity};
    API_NEED(len_out, "group");
    *len_out = 0;
    ADB_TRY(enter(group, collection, key, nothing, &inner, &of));
    if (capacity > 0)
        API_NEED(buffer, "group");
    armdb_err err = adb_db_group_get(inner, of, &read);
    *len_out = read.len;
    return err;
}

armdb_err
armdb_group_get_value(armdb_group *group, armdb_collection *collection, armdb_slice key,
                      armdb_value *value_out)
{
    struct group *inner = NULL;
    struct collection *of = NULL;
    API_NEED(value_out, "group");
    memset(value_out, 0, sizeof *value_out);
    ADB_TRY(enter(group, collection, key, nothing, &inner, &of));
    return adb_db_group_get_value(inner, of, key, value_out);
}

armdb_err
armdb_group_contains(armdb_group *group, armdb_collection *collection, armdb_slice key,
                     bool *found_out)
{
    struct group *inner = NULL;
    struct collection *of = NULL;
    API_NEED(found_out, "group");
    *found_out = false;
    ADB_TRY(enter(group, collection, key, nothing, &inner, &of));
    return adb_db_group_contains(inner, of, key, found_out);
}

static armdb_err
write_one(armdb_group *group, armdb_collection *collection, enum shard_verb verb, armdb_slice key,
          armdb_slice value, const armdb_write_options *options)
{
    struct group *inner = NULL;
    struct collection *of = NULL;
    ADB_TRY(enter(group, collection, key, value, &inner, &of));
    return adb_db_group_write(inner, of, verb, key, value, options);
}

armdb_err
armdb_group_put(armdb_group *group, armdb_collection *collection, armdb_slice key,
                armdb_slice value, const armdb_write_options *options)
{
    return write_one(group, collection, SHARD_PUT, key, value, options);
}

armdb_err
armdb_group_insert(armdb_group *group, armdb_collection *collection, armdb_slice key,
                   armdb_slice value, const armdb_write_options *options)
{
    return write_one(group, collection, SHARD_INSERT, key, value, options);
}

armdb_err
armdb_group_delete(armdb_group *group, armdb_collection *collection, armdb_slice key)
{
    return write_one(group, collection, SHARD_DELETE, key, nothing, NULL);
}

armdb_err
armdb_group_add(armdb_group *group, armdb_collection *collection, armdb_slice key, int64_t delta,
                int64_t *sum_out)
{
    struct group *inner = NULL;
    struct collection *of = NULL;
    int64_t sum = 0;
    if (sum_out != NULL)
        *sum_out = 0;
    ADB_TRY(enter(group, collection, key, nothing, &inner, &of));
    ADB_TRY(adb_db_group_add(inner, of, key, delta, &sum));
    if (sum_out != NULL)
        *sum_out = sum;
    return ARMDB_OK;
}
