# What the library needs beside libc; global, so that a project that contains this one can link it.
# The tests look for theirs in tests/CMakeLists.txt.

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED GLOBAL)
find_package(PkgConfig REQUIRED)

# Read-copy-update: who may still read what was unpublished (src/os/rcu.h).
pkg_check_modules(URCU_BP REQUIRED IMPORTED_TARGET GLOBAL liburcu-bp)

# Hashing of keys to shards. Used from its header alone (XXH_INLINE_ALL): nothing is linked.
find_path(ARMDB_XXHASH_INCLUDE_DIR xxhash.h)
mark_as_advanced(ARMDB_XXHASH_INCLUDE_DIR)
if(NOT ARMDB_XXHASH_INCLUDE_DIR)
    message(FATAL_ERROR "xxhash.h was not found: `make deps` installs it (libxxhash-dev)")
endif()
add_library(armdb_xxhash INTERFACE)
target_include_directories(armdb_xxhash SYSTEM INTERFACE ${ARMDB_XXHASH_INCLUDE_DIR})
