/* cmd_collection.c: create, collections, drop. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "collections.h"
#include "commands.h"
#include "report.h"
#include "session.h"

static armdb_collection_options
collection_options(const struct args *args)
{
    armdb_collection_options options = ARMDB_COLLECTION_OPTIONS_INIT;
    options.key_bytes = (uint32_t)args->number[OPTION_KEY_SIZE];
    options.order = (armdb_order)args->number[OPTION_ORDER];
    options.value_bytes = (uint32_t)args->number[OPTION_VALUE];
    options.schema_version = (uint32_t)args->number[OPTION_SCHEMA];
    return options;
}

int
cmd_create(const struct args *args)
{
    struct session session;
    armdb_options options = ARMDB_OPTIONS_INIT;
    const armdb_collection_options collection = collection_options(args);
    const char *name = args_collection(args);
    bool is_default = strcmp(name, "default") == 0;
    if (is_default && args->is_set[OPTION_SCHEMA])
        return report(STATUS_USAGE, "--schema is for a collection: name it: --collection NAME");
    options.shards = (uint32_t)args->number[OPTION_SHARDS];
    options.open_mode = is_default ? ARMDB_CREATE_NEW : ARMDB_OPEN_OR_CREATE;
    if (is_default)
        options.default_collection = collection;
    int status = session_open(&session, args, &options);
    if (status != STATUS_DONE)
        return status;
    if (!is_default) {
        armdb_err err = armdb_collection_create(session.db, name, &collection, &session.collection);
        if (err == ARMDB_EXISTS)
            status = report(STATUS_USAGE,
                            "%s: there is a collection \"%s\" already: choose another "
                            "name, or drop it first",
                            session.path, name);
        else if (err != ARMDB_OK)
            status = report_library(err, session.path);
    }
    return session_close(&session, status);
}

/* Names are UTF-8 without control characters: as they are, they can be given back. */
static void
print_collection(const armdb_collection_info *info)
{
    char key_size[COLLECTIONS_TEXT_BYTES], value[COLLECTIONS_TEXT_BYTES];
    printf("%s\t%" PRIu32 "\t%s\t%s\t%" PRIu64 "\t%s\n", info->name, info->id,
           collections_key_size(info, key_size), collections_order(info), info->keys,
           collections_value(info, value));
}

int
cmd_collections(const struct args *args)
{
    struct session session;
    struct collections list;
    int status = session_open_collection(&session, args);
    if (status != STATUS_DONE)
        return status;
    status = collections_read(&list, &session, args);
    for (size_t i = 0; i < list.count; i++)
        print_collection(&list.infos[i]);
    collections_fini(&list);
    return session_close(&session, status);
}

int
cmd_drop(const struct args *args)
{
    struct session session;
    armdb_options options = ARMDB_OPTIONS_INIT;
    options.open_mode = ARMDB_OPEN_EXISTING;
    if (!args->is_set[OPTION_COLLECTION])
        return report(STATUS_USAGE, "drop what? Name it: --collection NAME");
    int status = session_open(&session, args, &options);
    if (status != STATUS_DONE)
        return status;
    armdb_err err = armdb_collection_drop(session.db, args_collection(args));
    if (err != ARMDB_OK)
        status = report_library(err, session.path);
    return session_close(&session, status);
}
