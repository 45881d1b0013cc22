#include "shard/compact_policy.h"

/* The log is worked on in pieces of such a part of what is live in it, but of so many bytes at
 * least: a pass takes as much space as it copies before it gives any back. */
#define PIECE_PART_INV 16
#define PIECE_BYTES_MIN (UINT64_C(4) << 20)

/* What a copy has beside records; and the part of a file that MARKs may take, which it leaves
 * out. */
#define COPY_BYTES_BESIDE 128
#define MARKS_PART_INV 100

/* How much more garbage there is than that at which compaction begins, when writers begin to wait
 * for it; and when they wait for TOLL_NS for each MiB. */
#define TOLL_BEGIN 1.0625
#define TOLL_FULL 1.25
#define TOLL_NS 8000000.0
#define TOLL_NS_MAX 100000000.0

enum {
    FEW_FILES = 64,      /* so many are never too many */
    SMALL_PART_INV = 32, /* a file with less than such a part of a piece is small */
    LARGE_PIECES = 4     /* a newest file of so many pieces is too large, whatever is in it */
};

/* ------------------------------------------------------------------- garbage */

/* What a file means for the tombstones behind it: floor, once it is passed. */
static uint64_t
pass(uint64_t floor, const struct compact_file *file)
{
    return file->dead_bytes > 0 && file->as_of < floor ? file->as_of : floor;
}

uint64_t
adb_compact_tombstone_floor(const struct compact_file *files, uint32_t n_older)
{
    uint64_t floor = UINT64_MAX;
    for (uint32_t i = 0; i < n_older; i++)
        floor = pass(floor, &files[i]);
    return floor;
}

uint64_t
adb_compact_find_garbage(struct compact_file *files, uint32_t n_files)
{
    uint64_t floor = UINT64_MAX;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < n_files; i++) {
        struct compact_file *file = &files[i];
        bool are_needed = file->last_sequence > floor;
        file->garbage = file->dead_bytes + file->group_bytes +
                        (are_needed ? 0 : file->tombstone_bytes);
        sum += file->garbage;
        floor = pass(floor, file);
    }
    return sum;
}

uint64_t
adb_compact_copy_bytes(const struct compact_file *files, uint32_t count)
{
    uint64_t bytes = COPY_BYTES_BESIDE;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t left = files[i].bytes - files[i].garbage;
        uint64_t marks = files[i].bytes / MARKS_PART_INV;
        bytes += left > marks ? left - marks : 0;
    }
    return bytes;
}

/* -------------------------------------------------------------------- totals */

struct totals {
    uint64_t bytes;
    uint64_t garbage;
    uint64_t needed_tombstones;
    /* Of the files that may be compacted, the one with the largest part of garbage; n_files if none
     * has any. */
    uint32_t worst;
    uint64_t piece; /* bytes */
};

/* Whether a / b > c / d. */
static bool
is_larger_part(uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    return (double)a * (double)d > (double)c * (double)b;
}

static bool
is_at_least(uint64_t part, uint64_t whole, uint32_t percent)
{
    return part > 0 && part >= whole / 100 * percent;
}

/* So much garbage makes a file worth copying if there is a reason to copy at all. */
static uint32_t
half(const struct compact_rule *rule)
{
    return rule->percent / 2 + 1;
}

static bool
may_run(const struct compact_file *file, const struct compact_rule *rule)
{
    return !file->is_unfit && (rule->room == 0 || adb_compact_copy_bytes(file, 1) <= rule->room) &&
           (rule->thorough_up_to == 0 || file->as_of <= rule->thorough_up_to);
}

static uint64_t
piece_of(uint64_t live_bytes, const struct compact_rule *rule)
{
    uint64_t least = rule->max_file_bytes / 4 < PIECE_BYTES_MIN ? rule->max_file_bytes / 4
                                                                : PIECE_BYTES_MIN;
    uint64_t piece = live_bytes / PIECE_PART_INV;
    if (piece < least)
        piece = least;
    return piece < rule->max_file_bytes ? piece : rule->max_file_bytes;
}

static struct totals
add_up(struct compact_file *files, uint32_t n_files, const struct compact_rule *rule)
{
    struct totals totals = {.worst = n_files};
    totals.garbage = adb_compact_find_garbage(files, n_files);
    for (uint32_t i = 0; i < n_files; i++) {
        const struct compact_file *file = &files[i];
        totals.bytes += file->bytes;
        totals.needed_tombstones += file->dead_bytes + file->group_bytes + file->tombstone_bytes -
                                    file->garbage;
        if (i + 1 < n_files && file->garbage > 0 && may_run(file, rule) &&
            (totals.worst == n_files ||
             is_larger_part(file->garbage, file->bytes, files[totals.worst].garbage,
                            files[totals.worst].bytes)))
            totals.worst = i;
    }
    totals.piece = piece_of(totals.bytes - totals.garbage, rule);
    return totals;
}

/* ---------------------------------------------------------------------- runs */

/* A run that grows over its neighbours. */
struct run {
    const struct compact_file *files;
    uint32_t n_sealed;
    uint64_t limit; /* of what is left of them together */
    uint32_t first;
    uint32_t count;
    uint64_t live;
};

/* How much of `bytes` may be left in a run: its copy has more than that. */
static uint64_t
within(const struct compact_rule *rule, uint64_t bytes)
{
    if (rule->room == 0)
        return bytes;
    uint64_t room = rule->room > COPY_BYTES_BESIDE ? rule->room - COPY_BYTES_BESIDE : 0;
    return bytes < room ? bytes : room;
}

static struct run
begin_run(const struct compact_file *files, uint32_t n_files, uint32_t first, uint64_t limit)
{
    return (struct run){files, n_files - 1, limit,
                        first, 1,           files[first].bytes - files[first].garbage};
}

/* Takes the file at `i`, a neighbour of the run, if it has enough garbage, or next to nothing else,
 * and there is room. */
static bool
take(struct run *run, uint32_t i, uint32_t percent)
{
    const struct compact_file *file = &run->files[i];
    uint64_t live = file->bytes - file->garbage;
    if (file->is_unfit || run->live + live > run->limit ||
        (percent > 0 && live > run->limit / SMALL_PART_INV &&
         !is_at_least(file->garbage, file->bytes, percent)))
        return false;
    run->live += live;
    run->count++;
    if (i < run->first)
        run->first = i;
    return true;
}

static struct compact_choice
grow(struct run run, uint32_t percent)
{
    while (run.first > 0 && take(&run, run.first - 1, percent)) {
    }
    while (run.first + run.count < run.n_sealed && take(&run, run.first + run.count, percent)) {
    }
    return (struct compact_choice){COMPACT_RUN, run.first, run.count};
}

/* ------------------------------------------------------------------- choices */

/* Of the files because of which later ones must keep tombstones, the one that knows of the fewest
 * deletions: each in its turn, however fast they get dead values. */
static struct compact_choice
free_tombstones(const struct compact_file *files, uint32_t n_files, const struct totals *totals,
                const struct compact_rule *rule)
{
    uint64_t last = 0;
    uint32_t chosen = n_files;
    for (uint32_t i = 1; i < n_files; i++) {
        if (files[i].tombstone_bytes > 0)
            last = files[i].last_sequence;
    }
    for (uint32_t i = 0; i + 1 < n_files; i++) {
        const struct compact_file *file = &files[i];
        if (file->dead_bytes > 0 && may_run(file, rule) && file->as_of < last) {
            last = file->as_of;
            chosen = i;
        }
    }
    if (chosen == n_files)
        return (struct compact_choice){COMPACT_NOTHING, 0, 0};
    return grow(begin_run(files, n_files, chosen, within(rule, totals->piece)), half(rule));
}

/* Makes one of the two neighbours that have the least in them, and of those beside them. */
static struct compact_choice
merge(const struct compact_file *files, uint32_t n_files, const struct totals *totals)
{
    struct run best = {.live = UINT64_MAX};
    for (uint32_t i = 0; i + 2 < n_files; i++) {
        struct run run = begin_run(files, n_files, i, totals->piece);
        if (!files[i].is_unfit && take(&run, i + 1, 0) && run.live < best.live)
            best = run;
    }
    if (best.live == UINT64_MAX)
        return (struct compact_choice){COMPACT_NOTHING, 0, 0};
    return grow(best, 0);
}

/* Whether the newest file is to be compacted apart from what comes. */
static bool
is_worth_sealing(const struct compact_file *newest, const struct totals *totals,
                 const struct compact_rule *rule)
{
    bool has_garbage = is_at_least(totals->garbage, totals->bytes, half(rule));
    return rule->room == 0 && newest->bytes >= (has_garbage ? 1 : LARGE_PIECES) * totals->piece;
}

static struct compact_choice
choose_worst(const struct compact_file *files, uint32_t n_files, const struct totals *totals,
             const struct compact_rule *rule, uint64_t limit, uint32_t percent)
{
    if (totals->worst == n_files ||
        !is_at_least(files[totals->worst].garbage, files[totals->worst].bytes, percent))
        return (struct compact_choice){COMPACT_NOTHING, 0, 0};
    return grow(begin_run(files, n_files, totals->worst, within(rule, limit)), half(rule));
}

static struct compact_choice
choose_thoroughly(const struct compact_file *files, uint32_t n_files, const struct totals *totals,
                  const struct compact_rule *rule)
{
    const struct compact_file *newest = &files[n_files - 1];
    uint64_t base = n_files > 1 ? files[n_files - 2].last_sequence : 0;
    if (rule->room == 0 && base < rule->thorough_up_to &&
        is_at_least(newest->garbage, newest->bytes, rule->percent))
        return (struct compact_choice){COMPACT_SEAL, n_files - 1, 1};
    return choose_worst(files, n_files, totals, rule, rule->max_file_bytes, rule->percent);
}

bool
adb_compact_is_worth_looking(uint64_t bytes, uint64_t garbage, uint64_t newest_bytes,
                             uint32_t n_files, const struct compact_rule *rule)
{
    return is_at_least(garbage, bytes, half(rule)) || n_files > FEW_FILES ||
           newest_bytes >= LARGE_PIECES * piece_of(bytes - garbage, rule);
}

struct compact_choice
adb_compact_choose(struct compact_file *files, uint32_t n_files, const struct compact_rule *rule)
{
    struct compact_choice choice = {COMPACT_NOTHING, 0, 0};
    if (n_files == 0)
        return choice;
    struct totals totals = add_up(files, n_files, rule);
    if (rule->thorough_up_to != 0)
        return choose_thoroughly(files, n_files, &totals, rule);
    if (is_worth_sealing(&files[n_files - 1], &totals, rule))
        return (struct compact_choice){COMPACT_SEAL, n_files - 1, 1};
    if (is_at_least(totals.garbage, totals.bytes, rule->percent))
        choice = choose_worst(files, n_files, &totals, rule, totals.piece, half(rule));
    if (choice.what == COMPACT_NOTHING &&
        is_at_least(totals.needed_tombstones, totals.bytes, half(rule)))
        choice = free_tombstones(files, n_files, &totals, rule);
    if (choice.what == COMPACT_NOTHING && n_files > FEW_FILES && rule->room == 0 &&
        totals.bytes / n_files < totals.piece / 2)
        choice = merge(files, n_files, &totals);
    return choice;
}

uint64_t
adb_compact_toll_ns(uint64_t bytes, uint64_t garbage, uint32_t percent)
{
    double times = bytes > 0 ? (double)garbage / (double)bytes * 100 / percent : 0;
    double excess = (times - TOLL_BEGIN) / (TOLL_FULL - TOLL_BEGIN);
    if (excess <= 0)
        return 0;
    double toll_ns = excess * excess * TOLL_NS;
    return (uint64_t)(toll_ns < TOLL_NS_MAX ? toll_ns : TOLL_NS_MAX);
}
