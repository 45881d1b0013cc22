#include "collections.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "report.h"

static int
read_all(struct collections *list, const struct session *session)
{
    size_t count;
    armdb_err err = armdb_collection_list(session->db, NULL, 0, &count);
    if (err != ARMDB_OK)
        return report_library(err, session->path);
    list->infos = (armdb_collection_info *)calloc(count, sizeof *list->infos);
    if (list->infos == NULL)
        return report(STATUS_IO, "no memory for a list of %zu collections", count);
    err = armdb_collection_list(session->db, list->infos, count, &list->count);
    return err == ARMDB_OK ? STATUS_DONE : report_library(err, session->path);
}

static int
read_one(struct collections *list, const struct session *session)
{
    list->infos = (armdb_collection_info *)calloc(1, sizeof *list->infos);
    if (list->infos == NULL)
        return report(STATUS_IO, "no memory for the name of a collection");
    armdb_err err = armdb_collection_get_info(session->collection, list->infos);
    if (err != ARMDB_OK)
        return report_library(err, session->path);
    list->count = 1;
    return STATUS_DONE;
}

int
collections_read(struct collections *list, const struct session *session, const struct args *args)
{
    *list = (struct collections){NULL, 0};
    return args->is_set[OPTION_COLLECTION] ? read_one(list, session) : read_all(list, session);
}

void
collections_fini(struct collections *list)
{
    free(list->infos);
    *list = (struct collections){NULL, 0};
}

const char *
collections_key_size(const armdb_collection_info *info, char *text)
{
    if (info->key_bytes == ARMDB_KEY_VARIABLE)
        return "variable";
    snprintf(text, COLLECTIONS_TEXT_BYTES, "%" PRIu32, info->key_bytes);
    return text;
}

const char *
collections_value(const armdb_collection_info *info, char *text)
{
    if (info->value_bytes == ARMDB_VALUE_VARIABLE)
        return "var";
    if (info->value_bytes == ARMDB_VALUE_OBJECT)
        return "object";
    snprintf(text, COLLECTIONS_TEXT_BYTES, "const:%" PRIu32, info->value_bytes);
    return text;
}

const char *
collections_order(const armdb_collection_info *info)
{
    if (info->order == ARMDB_UNORDERED)
        return "map";
    return info->order == ARMDB_DESCENDING ? "desc" : "asc";
}
