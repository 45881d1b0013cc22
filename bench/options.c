#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
    "usage: bench [OPTION...]\n"
    "  --list              name engines and workloads, and end\n"
    "  --engines A,B       only these engines\n"
    "  --workloads A,B     only these workloads\n"
    "  --profile NAME      quick (the default) or full: sets what is not given below\n"
    "  --keys N            keys of the main database          (1000000; 10000000)\n"
    "  --value-bytes N     bytes of a value, 8..65536         (100, then 8, 1024 and 20480)\n"
    "  --threads A,B       numbers of threads, up to 128      (1,2; durable puts 1,8,16,64)\n"
    "  --seconds S         how long each workload runs        (0.1; 0.5)\n"
    "  --repeats N         how often all is run               (3; 3)\n"
    "  --cache-mib N       cache of each engine that has one  (twice the data, at least 64)\n"
    "  --directory DIR     where to make the scratch directory (beside this program)\n"
    "  --json FILE         write the figures there\n"
    "  --commit NAME       what is measured, for the figures\n"
    "  --plugin LIBRARY    more engines\n"
    "  --warm-mib N        memory to touch before each turn   (256)\n"
    "  --limit-seconds N   give a turn up after that          (300; 1800)\n";

enum option_code {
    OPTION_LIST = 1,
    OPTION_ENGINES,
    OPTION_WORKLOADS,
    OPTION_PROFILE,
    OPTION_KEYS,
    OPTION_VALUE_BYTES,
    OPTION_THREADS,
    OPTION_SECONDS,
    OPTION_REPEATS,
    OPTION_CACHE_MIB,
    OPTION_DIRECTORY,
    OPTION_JSON,
    OPTION_COMMIT,
    OPTION_PLUGIN,
    OPTION_WARM_MIB,
    OPTION_LIMIT_SECONDS,
    OPTION_HELP
};

static const struct option names[] = {
    {"list", no_argument, NULL, OPTION_LIST},
    {"engines", required_argument, NULL, OPTION_ENGINES},
    {"workloads", required_argument, NULL, OPTION_WORKLOADS},
    {"profile", required_argument, NULL, OPTION_PROFILE},
    {"keys", required_argument, NULL, OPTION_KEYS},
    {"value-bytes", required_argument, NULL, OPTION_VALUE_BYTES},
    {"threads", required_argument, NULL, OPTION_THREADS},
    {"seconds", required_argument, NULL, OPTION_SECONDS},
    {"repeats", required_argument, NULL, OPTION_REPEATS},
    {"cache-mib", required_argument, NULL, OPTION_CACHE_MIB},
    {"directory", required_argument, NULL, OPTION_DIRECTORY},
    {"json", required_argument, NULL, OPTION_JSON},
    {"commit", required_argument, NULL, OPTION_COMMIT},
    {"plugin", required_argument, NULL, OPTION_PLUGIN},
    {"warm-mib", required_argument, NULL, OPTION_WARM_MIB},
    {"limit-seconds", required_argument, NULL, OPTION_LIMIT_SECONDS},
    {"help", no_argument, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0},
};

static uint64_t
number(const char *text, uint64_t least, uint64_t most)
{
    char *end;
    const uint64_t n = strtoull(text, &end, 10);
    if (end == text || *end != 0 || n < least || n > most)
        bench_die("%s: a number from %llu to %llu is wanted", text, (unsigned long long)least,
                  (unsigned long long)most);
    return n;
}

static void
parse_threads(const char *text, struct bench_options *options)
{
    char one[16];
    size_t count = 0;
    while (*text != 0 && count < sizeof options->threads / sizeof options->threads[0]) {
        const size_t len = strcspn(text, ",");
        snprintf(one, sizeof one, "%.*s", (int)len, text);
        options->threads[count++] = (uint32_t)number(one, 1, BENCH_THREADS_MAX);
        text += len + (text[len] == ',');
    }
}

static void
parse_one(int code, const char *text, struct bench_options *options)
{
    switch (code) {
    case OPTION_LIST:
        options->is_list = true;
        break;
    case OPTION_ENGINES:
        options->engines = text;
        break;
    case OPTION_WORKLOADS:
        options->workloads = text;
        break;
    case OPTION_PROFILE:
        options->profile = text;
        break;
    case OPTION_KEYS:
        options->keys = number(text, 100, 1000000000);
        break;
    case OPTION_VALUE_BYTES:
        options->value_bytes = (uint32_t)number(text, 8, 65536);
        break;
    case OPTION_THREADS:
        parse_threads(text, options);
        break;
    case OPTION_SECONDS:
        options->seconds = strtod(text, NULL);
        break;
    case OPTION_REPEATS:
        options->repeats = (uint32_t)number(text, 1, 1000);
        break;
    case OPTION_CACHE_MIB:
        options->cache_bytes = number(text, 1, 1 << 20) << 20;
        break;
    case OPTION_DIRECTORY:
        options->directory = text;
        break;
    case OPTION_JSON:
        options->json = text;
        break;
    case OPTION_COMMIT:
        options->commit = text;
        break;
    case OPTION_PLUGIN:
        options->plugin = text;
        break;
    case OPTION_WARM_MIB:
        options->warm_mib = (uint32_t)number(text, 0, 1 << 20);
        break;
    case OPTION_LIMIT_SECONDS:
        options->limit_seconds = (uint32_t)number(text, 1, 86400);
        break;
    case OPTION_HELP:
        fputs(usage, stdout);
        exit(0);
    default:
        fputs(usage, stderr);
        exit(2);
    }
}

/* The directory of this program, so that nothing lands in one that may be memory. */
static const char *
own_directory(void)
{
    static char path[4096];
    const ssize_t len = readlink("/proc/self/exe", path, sizeof path - 1);
    char *slash = len > 0 ? strrchr(path, '/') : NULL;
    if (slash == NULL)
        return ".";
    *slash = 0;
    return path;
}

static void
fill_defaults(struct bench_options *options)
{
    const bool is_full = strcmp(options->profile, "full") == 0;
    if (!is_full && strcmp(options->profile, "quick") != 0)
        bench_die("%s: no such profile: quick or full", options->profile);
    if (options->keys == 0)
        options->keys = is_full ? 10000000 : 1000000;
    if (options->seconds <= 0)
        options->seconds = is_full ? 0.5 : 0.1;
    if (options->repeats == 0)
        options->repeats = 3;
    if (options->limit_seconds == 0)
        options->limit_seconds = is_full ? 1800 : 300;
    if (options->cache_bytes == 0) {
        const uint64_t value_bytes = options->value_bytes != 0 ? options->value_bytes : 100;
        options->cache_bytes = 2 * options->keys * (BENCH_KEY_BYTES + value_bytes);
        if (options->cache_bytes < 64 << 20)
            options->cache_bytes = 64 << 20;
    }
    if (options->directory == NULL)
        options->directory = own_directory();
}

void
bench_options_parse(int argc, char **argv, struct bench_options *options_out)
{
    int code;
    memset(options_out, 0, sizeof *options_out);
    options_out->profile = "quick";
    options_out->commit = "unknown";
    options_out->warm_mib = 256;
    while ((code = getopt_long(argc, argv, "", names, NULL)) != -1)
        parse_one(code, optarg, options_out);
    if (optind < argc) {
        fputs(usage, stderr);
        exit(2);
    }
    fill_defaults(options_out);
}

bool
bench_options_has(const char *list, const char *name)
{
    const size_t name_len = strlen(name);
    while (list != NULL && *list != 0) {
        const size_t len = strcspn(list, ",");
        if (len == name_len && memcmp(list, name, len) == 0)
            return true;
        list += len + (list[len] == ',');
    }
    return list == NULL;
}
