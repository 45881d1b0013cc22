#include "args.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "escape.h"
#include "report.h"
#include "utf8.h"

enum kind { KIND_FLAG, KIND_TEXT, KIND_NAME, KIND_NUMBER, KIND_DURATION, KIND_CHOICE, KIND_VALUES };

struct option_spec {
    const char *name;
    const char *metavar; /* of a choice: the words, with | between them */
    const char *help;
    enum kind kind;
    uint64_t min; /* of a number; of a choice: the number of its first word */
    uint64_t max; /* of a number; of a duration in ms */
};

static const struct option_spec SPECS[OPTION_COUNT] = {
    [OPTION_COLLECTION] = {"--collection", "NAME",
                           "the collection that is meant (default: the one called default)",
                           KIND_NAME, 0, 0},
    [OPTION_SHARDS] = {"--shards", "N",
                       "logs of the database, 1..256 (default: one for each CPU, at most 16)",
                       KIND_NUMBER, 1, ARMDB_SHARDS_MAX},
    [OPTION_KEY_SIZE] = {"--key-size", "N",
                         "bytes of each key, 1..256 (default: keys of any length, 1..1024)",
                         KIND_NUMBER, 1, ARMDB_FIXED_KEY_MAX},
    [OPTION_ORDER] = {"--order", "asc|desc|map",
                      "order of the keys (default: asc); map: none, found by their hash",
                      KIND_CHOICE, ARMDB_ASCENDING, 0},
    [OPTION_VALUE] = {"--value", "var|object|const:N",
                      "values of any length (default), or of N bytes, 1..256, kept in memory",
                      KIND_VALUES, 1, ARMDB_CONST_VALUE_MAX},
    [OPTION_SCHEMA] = {"--schema", "N",
                       "schema version of the collection, 1..65535 (default: none)", KIND_NUMBER, 1,
                       ARMDB_SCHEMA_VERSION_MAX},
    [OPTION_ESCAPED] = {"--escaped", "",
                        "keys, values and bounds here are written with escapes, \\xNN", KIND_FLAG,
                        0, 0},
    [OPTION_RAW] = {"--raw", "", "the bytes of the value alone, as they are", KIND_FLAG, 0, 0},
    [OPTION_PREFIX] = {"--prefix", "P", "only keys that begin with P", KIND_TEXT, 0, 0},
    [OPTION_FROM] = {"--from", "K", "begin at K, included", KIND_TEXT, 0, 0},
    [OPTION_TO] = {"--to", "K", "end before K, excluded", KIND_TEXT, 0, 0},
    [OPTION_REVERSE] = {"--reverse", "", "from the last key of these to the first", KIND_FLAG, 0,
                        0},
    [OPTION_LIMIT] = {"--limit", "N", "at most N records (default: all)", KIND_NUMBER, 0,
                      UINT64_MAX},
    [OPTION_KEYS] = {"--keys", "", "keys alone; no value is read", KIND_FLAG, 0, 0},
    [OPTION_FORMAT] = {"--format", "tsv|jsonl", "form of the records (default: tsv)", KIND_CHOICE,
                       FORMAT_TSV, 0},
    [OPTION_DURABILITY] = {"--durability", "buffered|written|synced",
                           "where the bytes are when a write counts as done", KIND_CHOICE,
                           ARMDB_BUFFERED, 0},
    [OPTION_TTL] = {"--ttl", "DURATION",
                    "the key is gone after that: a number and ms, s, m, h or d (default: never)",
                    KIND_DURATION, 1, UINT64_C(1000000000000000)},
    [OPTION_ABSENT] = {"--absent", "", "the key must not be there, in place of EXPECTED", KIND_FLAG,
                       0, 0},
    [OPTION_DELETE] = {"--delete", "", "remove the key, in place of VALUE", KIND_FLAG, 0, 0},
    [OPTION_EXPIRES_AT] = {"--expires-at", "MS",
                           "the key is gone at that time, in milliseconds since the epoch",
                           KIND_NUMBER, 1, UINT64_MAX},
    [OPTION_ACKNOWLEDGE] = {"--acknowledge", "N",
                            "after each N, make them survive a kill, then print their number",
                            KIND_NUMBER, 1, UINT64_MAX},
    [OPTION_GETS] = {"--gets", "N", "how many to time, 1..10000000 (default: 100000)", KIND_NUMBER,
                     1, 10000000},
    [OPTION_PERCENT] = {"--percent", "N",
                        "of a data file that must be garbage, 1..100 (default: 1)", KIND_NUMBER, 1,
                        100},
    [OPTION_FILES] = {"--files", "", "each data file, too", KIND_FLAG, 0, 0},
    [OPTION_OPEN] = {"--open", "", "open the database, and check what is in memory too", KIND_FLAG,
                     0, 0},
    [OPTION_JSON] = {"--json", "", "as one JSON object", KIND_FLAG, 0, 0},
};

/* ---------------------------------------------------------------------- values */

/* The number that a text begins with. Returns what follows it; NULL if there is none, or one that
 * is too large. */
static const char *
read_number(const char *text, uint64_t *number_out)
{
    const char *at = text;
    *number_out = 0;
    for (; *at >= '0' && *at <= '9'; at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        if (*number_out > (UINT64_MAX - digit) / 10)
            return NULL;
        *number_out = *number_out * 10 + digit;
    }
    return at > text ? at : NULL;
}

static bool
take_number(const struct option_spec *spec, const char *text, uint64_t *number_out)
{
    const char *end = read_number(text, number_out);
    if (end != NULL && *end == '\0' && *number_out >= spec->min && *number_out <= spec->max)
        return true;
    (void)report(STATUS_USAGE, "%s is '%s', allowed are whole numbers %" PRIu64 "..%" PRIu64,
                 spec->name, text, spec->min, spec->max);
    return false;
}

/* A number and a unit; in milliseconds. */
static bool
take_duration(const struct option_spec *spec, const char *text, uint64_t *ms_out)
{
    static const struct {
        const char *name;
        uint64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    uint64_t number;
    const char *unit = read_number(text, &number);
    for (size_t i = 0; unit != NULL && i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(unit, units[i].name) != 0 || number < spec->min ||
            number > spec->max / units[i].ms)
            continue;
        *ms_out = number * units[i].ms;
        return true;
    }
    (void)report(STATUS_USAGE,
                 "%s is '%s', allowed are whole numbers with a unit, 1ms..%" PRIu64
                 "d: ms, s, m, h or d",
                 spec->name, text, spec->max / 86400000);
    return false;
}

static bool
take_choice(const struct option_spec *spec, const char *text, uint64_t *number_out)
{
    const char *word = spec->metavar;
    for (uint64_t i = 0; *word != '\0'; i++) {
        size_t len = strcspn(word, "|");
        if (strlen(text) == len && memcmp(text, word, len) == 0) {
            *number_out = spec->min + i;
            return true;
        }
        word += len + (word[len] == '|' ? 1 : 0);
    }
    (void)report(STATUS_USAGE, "%s is '%s', allowed is %s", spec->name, text, spec->metavar);
    return false;
}

/* `var`, `object`, or `const:` and a number; gives a value_bytes of armdb_collection_options. */
static bool
take_values(const struct option_spec *spec, const char *text, uint64_t *number_out)
{
    if (strcmp(text, "var") == 0) {
        *number_out = ARMDB_VALUE_VARIABLE;
        return true;
    }
    if (strcmp(text, "object") == 0) {
        *number_out = ARMDB_VALUE_OBJECT;
        return true;
    }
    if (strncmp(text, "const:", 6) == 0)
        return take_number(spec, text + 6, number_out);
    (void)report(STATUS_USAGE,
                 "%s is '%s', allowed are var, object and const:%" PRIu64 " .. const:%" PRIu64,
                 spec->name, text, spec->min, spec->max);
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
    case KIND_DURATION:
        return take_duration(spec, text, &args->number[option]);
    case KIND_CHOICE:
        return take_choice(spec, text, &args->number[option]);
    case KIND_VALUES:
        return take_values(spec, text, &args->number[option]);
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
