/*
 * value.h: the counted blocks behind long armdb_values.
 *
 * A block outlives its database if the caller keeps it, so the account of bytes handed out is
 * counted too: by the database, and by each block. Threads: any.
 */
#ifndef ADB_DB_VALUE_H
#define ADB_DB_VALUE_H

#include <stdatomic.h>

#include "armdb/error.h"
#include "armdb/types.h"
#include "base/attr.h"

/** What is out: bytes of blocks, and objects. */
struct value_account {
    _Atomic(uint64_t) bytes;
    _Atomic(uint64_t) references;
    _Atomic(uint64_t) objects;      /* decoded values (db_object.h) */
    _Atomic(uint64_t) object_bytes; /* of these */
};

/** NULL when memory is out. Give it back with adb_value_account_unref(). */
struct value_account *adb_value_account_new(void);
void adb_value_account_unref(struct value_account *account);

/**
 * Makes room for `len` bytes in an empty handle.
 *
 * @param to_out  where to put the bytes.
 * Returns:  ARMDB_OK; ARMDB_NO_MEMORY (raised; the handle is empty).
 */
ADB_MUST_USE armdb_err adb_value_new(struct value_account *account, uint32_t len,
                                     armdb_value *value_out, void **to_out);

void adb_value_ref(const armdb_value *value, armdb_value *copy_out);
void adb_value_release(armdb_value *value);

#endif
