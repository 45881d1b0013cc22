/* consumer.c: a program as a user writes it, built against the installed library. */
#include <stdio.h>
#include <string.h>

#include <armdb/armdb.h>

int
main(int argc, char **argv)
{
    armdb_db *db;
    char value[16];
    size_t len;
    if (argc != 2 || strcmp(armdb_version(), ARMDB_VERSION_STRING) != 0)
        return 1;
    if (armdb_open(argv[1], NULL, &db) != ARMDB_OK)
        return 2;
    if (armdb_put(armdb_default(db), armdb_str("key"), armdb_str("value"), NULL) != ARMDB_OK)
        return 3;
    if (armdb_get(armdb_default(db), armdb_str("key"), value, sizeof value, &len) != ARMDB_OK)
        return 4;
    if (len != 5 || memcmp(value, "value", 5) != 0 || armdb_close(db) != ARMDB_OK)
        return 5;
    printf("ok, version %s\n", armdb_version());
    return 0;
}
