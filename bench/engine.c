#include "engine.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ENGINES_MAX = 32 };

static const struct bench_engine *engines[ENGINES_MAX] = {
    &bench_armdb,      &bench_armdb_map,     &bench_armdb_const, &bench_armdb_object,
#ifdef BENCH_HAS_LMDB
    &bench_lmdb,       &bench_lmdb_writemap,
#endif
#ifdef BENCH_HAS_LEVELDB
    &bench_leveldb,
#endif
#ifdef BENCH_HAS_ROCKSDB
    &bench_rocksdb,    &bench_rocksdb_nolog,
#endif
#ifdef BENCH_HAS_TKRZW
    &bench_tkrzw_hash, &bench_tkrzw_tree,
#endif
    &bench_raw_loop,   &bench_raw_group,
};

static const char *const skipped[] = {
#ifndef BENCH_HAS_LMDB
    "lmdb, lmdb-writemap (Debian: liblmdb-dev)",
#endif
#ifndef BENCH_HAS_LEVELDB
    "leveldb (Debian: libleveldb-dev)",
#endif
#ifndef BENCH_HAS_ROCKSDB
    "rocksdb, rocksdb-nolog (Debian: librocksdb-dev)",
#endif
#ifndef BENCH_HAS_TKRZW
    "tkrzw-hash, tkrzw-tree (Debian: libtkrzw-dev)",
#endif
    NULL,
};

static const char *name_of_process = "bench";

void
bench_set_name(const char *name)
{
    name_of_process = name;
}

void
bench_die(const char *format, ...)
{
    va_list arguments;
    fprintf(stderr, "bench: %s: ", name_of_process);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "\n");
    /* Not exit(): other threads may be inside the engine. */
    _Exit(1);
}

void *
bench_new(size_t bytes)
{
    void *memory = calloc(1, bytes);
    if (memory == NULL)
        bench_die("out of memory");
    return memory;
}

const struct bench_engine *const *
bench_engines(size_t *count_out)
{
    size_t count = 0;
    while (count < ENGINES_MAX && engines[count] != NULL)
        count++;
    *count_out = count;
    return engines;
}

const struct bench_engine *
bench_engine_find(const char *name)
{
    size_t count;
    (void)bench_engines(&count);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(engines[i]->name, name) == 0)
            return engines[i];
    }
    return NULL;
}

const char *const *
bench_engines_skipped(void)
{
    return skipped;
}

bool
bench_engines_add(const char *library)
{
    typedef const struct bench_engine *const *(*list_fn)(void);
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    list_fn list = NULL;
    size_t count;
    if (handle != NULL) {
        void *symbol = dlsym(handle, "bench_plugin_engines");
        memcpy(&list, &symbol, sizeof list);
    }
    if (list == NULL) {
        fprintf(stderr, "bench: no engines from %s: %s\n", library, dlerror());
        return false;
    }
    (void)bench_engines(&count);
    for (const struct bench_engine *const *engine = list(); *engine != NULL; engine++) {
        if (count + 1 < ENGINES_MAX)
            engines[count++] = *engine;
    }
    return true;
}
