#include "support/tmpdir.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

char *
tmpdir_make(void)
{
    const char *parent = getenv("TMPDIR");
    if (parent == NULL || *parent == '\0')
        parent = "/tmp";
    size_t bytes = strlen(parent) + sizeof "/armdb-test-XXXXXX";
    char *path = (char *)malloc(bytes);
    if (path == NULL)
        abort();
    snprintf(path, bytes, "%s/armdb-test-XXXXXX", parent);
    if (mkdtemp(path) == NULL) {
        perror(path);
        abort();
    }
    return path;
}

static int
remove_one(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info;
    (void)type;
    (void)walk;
    if (remove(path) != 0)
        perror(path);
    return 0;
}

void
tmpdir_remove(char *path)
{
    if (path == NULL)
        return;
    (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(path);
}
