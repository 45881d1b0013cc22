#include "args.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "escape.h"
#include "report.h"
#include "utf8.h"

enum kind { KIND_FLAG, KIND_TEXT, KIND_NAME, KIND_NUMBER, KIND_CHOICE };

struct option_spec {
    const char *name;
    enum kind kind;
    const char *metavar;
    const char *help;
    uint64_t min; /* of a number */
    uint64_t max;
    const char *choices[4]; /* of a choice, NULL behind the last; their numbers count from `min` */
};

static const struct option_spec SPECS[OPTION_COUNT] = {
    [OPTION_COLLECTION] = {"--collection",
                           KIND_NAME,
                           "NAME",
                           "the collection that is meant (default: the one called default)",
                           0,
                           0,
                           {NULL}},
    [OPTION_SHARDS] = {"--shards",
                       KIND_NUMBER,
                       "N",
                       "logs of the database, 1..256 (default: one for each CPU, at most 16)",
                       1,
                       ARMDB_SHARDS_MAX,
                       {NULL}},
    [OPTION_KEY_SIZE] = {"--key-size",
                         KIND_NUMBER,
                         "N",
                         "bytes of each key, 1..256 (default: keys of any length, 1..1024)",
                         1,
                         ARMDB_FIXED_KEY_MAX,
                         {NULL}},
    [OPTION_ORDER] = {"--order",
                      KIND_CHOICE,
                      "asc|desc",
                      "order of the keys (default: asc)",
                      ARMDB_ASCENDING,
                      0,
                      {"asc", "desc", NULL}},
    [OPTION_ESCAPED] = {"--escaped",
                        KIND_FLAG,
                        "",
                        "keys, values and bounds here are written with escapes, \\xNN",
                        0,
                        0,
                        {NULL}},
    [OPTION_RAW] =
        {"--raw", KIND_FLAG, "", "the bytes of the value alone, as they are", 0, 0, {NULL}},
    [OPTION_PREFIX] = {"--prefix", KIND_TEXT, "P", "only keys that begin with P", 0, 0, {NULL}},
    [OPTION_FROM] = {"--from", KIND_TEXT, "K", "begin at K, included", 0, 0, {NULL}},
    [OPTION_TO] = {"--to", KIND_TEXT, "K", "end before K, excluded", 0, 0, {NULL}},
    [OPTION_REVERSE] =
        {"--reverse", KIND_FLAG, "", "from the last key of these to the first", 0, 0, {NULL}},
    [OPTION_LIMIT] =
        {"--limit", KIND_NUMBER, "N", "at most N records (default: all)", 0, UINT64_MAX, {NULL}},
    [OPTION_KEYS] = {"--keys", KIND_FLAG, "", "keys alone; no value is read", 0, 0, {NULL}},
    [OPTION_FORMAT] = {"--format",
                       KIND_CHOICE,
                       "tsv|jsonl",
                       "form of the records (default: tsv)",
                       FORMAT_TSV,
                       0,
                       {"tsv", "jsonl", NULL}},
    [OPTION_DURABILITY] = {"--durability",
                           KIND_CHOICE,
                           "buffered|written|synced",
                           "where the bytes are when a write counts as done",
                           ARMDB_BUFFERED,
                           0,
                           {"buffered", "written", "synced", NULL}},
    [OPTION_ACKNOWLEDGE] = {"--acknowledge",
                            KIND_NUMBER,
                            "N",
                            "after each N records, make them survive a kill of the command, then "
                            "print how many do",
                            1,
                            UINT64_MAX,
                            {NULL}},
    [OPTION_GETS] = {"--gets",
                     KIND_NUMBER,
                     "N",
                     "how many to time, 1..10000000 (default: 100000)",
                     1,
                     10000000,
                     {NULL}},
    [OPTION_JSON] = {"--json", KIND_FLAG, "", "as one JSON object", 0, 0, {NULL}},
};

/* ---------------------------------------------------------------------- values */

static bool
take_number(const struct option_spec *spec, const char *text, uint64_t *number_out)
{
    uint64_t number = 0;
    const char *at = text;
    bool is_over = false;
    for (; *at >= '0' && *at <= '9'; at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        is_over = is_over || number > (UINT64_MAX - digit) / 10;
        number = number * 10 + digit;
    }
    *number_out = number;
    if (at > text && *at == '\0' && !is_over && number >= spec->min && number <= spec->max)
        return true;
    (void)report(STATUS_USAGE, "%s is '%s', allowed are whole numbers %" PRIu64 "..%" PRIu64,
                 spec->name, text, spec->min, spec->max);
    return false;
}

static bool
take_choice(const struct option_spec *spec, const char *text, uint64_t *number_out)
{
    for (uint64_t i = 0; spec->choices[i] != NULL; i++) {
        if (strcmp(spec->choices[i], text) == 0) {
            *number_out = spec->min + i;
            return true;
        }
    }
    (void)report(STATUS_USAGE, "%s is '%s', allowed is %s", spec->name, text, spec->metavar);
    return false;
}

/* The library checks names too, but only behind the creation of the database. */
static bool
take_name(const struct option_spec *spec, const char *text)
{
    size_t len = strlen(text);
    bool is_good = len >= 1 && len <= ARMDB_NAME_MAX &&
                   utf8_is_valid((const unsigned char *)text, len);
    for (size_t i = 0; i < len; i++)
        is_good = is_good && (unsigned char)text[i] >= 0x20 && text[i] != 0x7f;
    if (!is_good)
        (void)report(STATUS_USAGE,
                     "%s is '%.300s', allowed are 1..%u bytes of UTF-8 without "
                     "control characters",
                     spec->name, text, ARMDB_NAME_MAX);
    return is_good;
}

static bool
take_value(struct args *args, enum option option, char *text)
{
    const struct option_spec *spec = &SPECS[option];
    args->text[option] = text;
    switch (spec->kind) {
    case KIND_NUMBER:
        return take_number(spec, text, &args->number[option]);
    case KIND_CHOICE:
        return take_choice(spec, text, &args->number[option]);
    case KIND_NAME:
        return take_name(spec, text);
    case KIND_TEXT:
    case KIND_FLAG:
        break;
    }
    return true;
}

/* ----------------------------------------------------------------------- words */

struct words {
    int argc;
    char **argv;
    int at; /* the next one */
};

/* The option that a word (up to a =) names, or OPTION_COUNT. */
static enum option
find_option(uint32_t options, const char *word)
{
    size_t len = strcspn(word, "=");
    for (int i = 0; i < OPTION_COUNT; i++) {
        if ((options & OPTION_BIT(i)) != 0 && strlen(SPECS[i].name) == len &&
            memcmp(SPECS[i].name, word, len) == 0)
            return (enum option)i;
    }
    return OPTION_COUNT;
}

static bool
take_option(const struct args_syntax *syntax, struct words *words, char *word, struct args *args)
{
    enum option option = find_option(syntax->options, word);
    char *equals = strchr(word, '=');
    if (option == OPTION_COUNT) {
        (void)report(STATUS_USAGE,
                     "unknown option '%.*s': --help lists those there are (a word "
                     "that begins with - and is no option goes behind --)",
                     (int)strcspn(word, "="), word);
        return false;
    }
    const struct option_spec *spec = &SPECS[option];
    if (args->is_set[option]) {
        (void)report(STATUS_USAGE, "%s is given twice: leave one out", spec->name);
        return false;
    }
    args->is_set[option] = true;
    if (spec->kind == KIND_FLAG) {
        if (equals != NULL)
            (void)report(STATUS_USAGE,
                         "%s takes no value: leave out what is behind the =", spec->name);
        return equals == NULL;
    }
    if (equals != NULL)
        return take_value(args, option, equals + 1);
    if (words->at == words->argc) {
        (void)report(STATUS_USAGE, "%s needs a value: %s %s", spec->name, spec->name,
                     spec->metavar);
        return false;
    }
    return take_value(args, option, words->argv[words->at++]);
}

static bool
take_positional(const struct args_syntax *syntax, char *word, struct args *args)
{
    if (args->n_positionals == syntax->n_positionals) {
        (void)report(STATUS_USAGE, "one word too many: '%.300s' (expected: %s)", word,
                     syntax->positionals);
        return false;
    }
    args->positionals[args->n_positionals++] = word;
    return true;
}

enum args_result
args_parse(const struct args_syntax *syntax, int argc, char **argv, struct args *args_out)
{
    struct words words = {argc, argv, 0};
    bool is_literal = false; /* behind -- */
    *args_out = (struct args){0};
    while (words.at < words.argc) {
        char *word = words.argv[words.at++];
        bool is_option = !is_literal && word[0] == '-' && word[1] != '\0';
        if (is_option && strcmp(word, "--help") == 0)
            return ARGS_HELP;
        if (is_option && strcmp(word, "--version") == 0)
            return ARGS_VERSION;
        if (is_option && strcmp(word, "--") == 0)
            is_literal = true;
        else if (!(is_option ? take_option(syntax, &words, word, args_out)
                             : take_positional(syntax, word, args_out)))
            return ARGS_BAD;
    }
    if (args_out->n_positionals < syntax->n_required) {
        (void)report(STATUS_USAGE, "%d of the words %s are there: --help shows the usage",
                     args_out->n_positionals, syntax->positionals);
        return ARGS_BAD;
    }
    return ARGS_OK;
}

/* ------------------------------------------------------------------------ users */

void
args_print_options(uint32_t options)
{
    for (int i = 0; i < OPTION_COUNT; i++) {
        char left[64];
        if ((options & OPTION_BIT(i)) == 0)
            continue;
        snprintf(left, sizeof left, "%s %s", SPECS[i].name, SPECS[i].metavar);
        if (strlen(left) > 20)
            printf("  %s\n  %-20s  %s\n", left, "", SPECS[i].help);
        else
            printf("  %-20s  %s\n", left, SPECS[i].help);
    }
}

bool
args_bytes(const struct args *args, const char *name, char *text, armdb_slice *bytes_out)
{
    size_t len = strlen(text);
    size_t bad_at = 0;
    *bytes_out = (armdb_slice){text, len};
    if (!args->is_set[OPTION_ESCAPED])
        return true;
    if (!escape_undo((unsigned char *)text, &len, &bad_at)) {
        (void)report(STATUS_USAGE,
                     "%s, byte %zu: a backslash that is not followed by x and two "
                     "hexadecimal digits (write \\x5c for a backslash)",
                     name, bad_at + 1);
        return false;
    }
    bytes_out->len = len;
    return true;
}

const char *
args_collection(const struct args *args)
{
    return args->is_set[OPTION_COLLECTION] ? args->text[OPTION_COLLECTION] : "default";
}

armdb_durability
args_durability(const struct args *args, armdb_durability otherwise)
{
    return args->is_set[OPTION_DURABILITY] ? (armdb_durability)args->number[OPTION_DURABILITY]
                                           : otherwise;
}
