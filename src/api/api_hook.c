#include "api/handle.h"

armdb_err
armdb_hook_set(armdb_collection *collection, const armdb_hook *hook)
{
    API_OBJECT_OUTSIDE(struct collection, inner, collection, HANDLE_COLLECTION, "set hook");
    return adb_collection_set_hook(inner, collection, hook);
}
