#include "api/handle.h"

armdb_err
armdb_cursor_open(armdb_collection *collection, const armdb_cursor_options *options,
                  armdb_cursor **cursor_out)
{
    struct cursor *cursor;
    API_NEED(cursor_out, "open cursor");
    *cursor_out = NULL;
    API_OBJECT(struct collection, inner, collection, HANDLE_COLLECTION, "open cursor");
    ADB_TRY(adb_cursor_open(inner, options, &cursor));
    *cursor_out = (armdb_cursor *)adb_handle_new(sizeof **cursor_out, HANDLE_CURSOR, cursor);
    if (*cursor_out == NULL) {
        adb_cursor_close(cursor);
        return adb_fail(ARMDB_NO_MEMORY, "open cursor", "no memory for a handle");
    }
    return ARMDB_OK;
}

/* The cursor behind a handle; NULL (refused) if there is none. */
static struct cursor *
cursor_of(const armdb_cursor *handle)
{
    struct cursor *cursor = (struct cursor *)adb_handle_object((const struct adb_handle *)handle,
                                                               HANDLE_CURSOR);
    if (ADB_UNLIKELY(cursor == NULL))
        ADB_IGNORE(adb_handle_refuse(handle, "cursor"));
    return cursor;
}

void
armdb_cursor_close(armdb_cursor *handle)
{
    struct cursor *cursor = handle == NULL ? NULL : cursor_of(handle);
    if (cursor == NULL)
        return;
    adb_cursor_close(cursor);
    adb_handle_end(&handle->handle);
}

static armdb_err
move(armdb_cursor *handle, enum cursor_move how)
{
    API_OBJECT(struct cursor, cursor, handle, HANDLE_CURSOR, "cursor");
    return adb_cursor_move(cursor, how);
}

armdb_err
armdb_cursor_next(armdb_cursor *cursor)
{
    return move(cursor, CURSOR_NEXT);
}

armdb_err
armdb_cursor_prev(armdb_cursor *cursor)
{
    return move(cursor, CURSOR_PREV);
}

armdb_err
armdb_cursor_first(armdb_cursor *cursor)
{
    return move(cursor, CURSOR_FIRST);
}

armdb_err
armdb_cursor_last(armdb_cursor *cursor)
{
    return move(cursor, CURSOR_LAST);
}

armdb_err
armdb_cursor_seek(armdb_cursor *handle, armdb_slice key)
{
    API_OBJECT(struct cursor, cursor, handle, HANDLE_CURSOR, "seek");
    ADB_TRY(adb_check_slice("seek", "key", key));
    return adb_cursor_seek(cursor, key);
}

armdb_slice
armdb_cursor_key(const armdb_cursor *handle)
{
    const struct cursor *cursor = cursor_of(handle);
    return cursor == NULL ? (armdb_slice){NULL, 0} : adb_cursor_key(cursor);
}

armdb_slice
armdb_cursor_value(const armdb_cursor *handle)
{
    const struct cursor *cursor = cursor_of(handle);
    return cursor == NULL ? (armdb_slice){NULL, 0} : adb_cursor_value(cursor);
}

size_t
armdb_cursor_value_len(const armdb_cursor *handle)
{
    const struct cursor *cursor = cursor_of(handle);
    return cursor == NULL ? 0 : adb_cursor_value_len(cursor);
}

armdb_err
armdb_warm_up(armdb_collection *collection, const armdb_cursor_options *range,
              armdb_warm_up_fn on_progress, void *context)
{
    API_OBJECT_OUTSIDE(struct collection, inner, collection, HANDLE_COLLECTION, "warm up");
    return adb_db_warm_up(inner, range, on_progress, context);
}
