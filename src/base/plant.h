/*
 * plant.h: bugs that are planted on purpose, so that the soak can show that it finds them
 * (docs/testing.md). Only a build with ARMDB_PLANT has them, and one of them in force at a time; in
 * all others nothing of this is left.
 */
#ifndef ADB_BASE_PLANT_H
#define ADB_BASE_PLANT_H

#include <stdbool.h>

/** Named by what the engine then does. tests/sim/mutants.c says where and what for each. */
enum adb_plant {
    PLANT_NONE,
    PLANT_SYNC_SKIPPED,
    PLANT_SYNC_RETRIED,
    PLANT_SYNC_NOTED_FIRST,
    PLANT_CUT_UNSYNCED,
    PLANT_CUT_LEFT_OUT,
    PLANT_NAME_UNSYNCED,
    PLANT_RENAMED_FIRST,
    PLANT_REFUSED_STAYS,
    PLANT_PUBLISHED_FIRST,
    PLANT_MARK_TOO_FAR,
    PLANT_BUFFER_FORGOTTEN,
    PLANT_BUFFER_IN_PART,
    PLANT_CHECKSUM_OF_READS,
    PLANT_CHECKSUM_OF_SCANS,
    PLANT_CHECKSUM_OF_HINTS,
    PLANT_HINT_STALE,
    PLANT_ERROR_IS_ABSENCE,
    PLANT_TOMBSTONE_DROPPED,
    PLANT_OLD_VALUE_WINS,
    PLANT_COPY_TOO_EARLY,
    PLANT_KEY_NOT_MOVED,
    PLANT_SLOT_TWICE,
    PLANT_DEAD_FORGOTTEN,
    PLANT_DEAD_COPY_FORGOTTEN,
    PLANT_EXPIRED_EARLY,
    PLANT_EXPIRED_SHOWN,
    PLANT_CHANGE_UNTOLD,
    PLANT_COUNT
};

#ifdef ARMDB_PLANT
/** The one in force: defined by the program that plants, before it uses the library. */
extern enum adb_plant adb_planted;
#define ADB_PLANTED(bug) (adb_planted == (bug))
#else
#define ADB_PLANTED(bug) false
#endif

#endif
