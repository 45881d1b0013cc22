#include "armdb/armdb.h"
#include "db/value.h"

void
armdb_value_ref(const armdb_value *value, armdb_value *copy_out)
{
    adb_value_ref(value, copy_out);
}

void
armdb_value_release(armdb_value *value)
{
    if (value != NULL)
        adb_value_release(value);
}
