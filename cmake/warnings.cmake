# The warnings of every target of this project; each target gets them by armdb_set_warnings().

set(ARMDB_WARNINGS
    -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith
    -Wundef -Wvla -Wformat=2 -Wimplicit-fallthrough -Wswitch-enum)

if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    list(APPEND ARMDB_WARNINGS -Wc++-compat -Wlogical-op -Wduplicated-cond)
elseif(CMAKE_C_COMPILER_ID MATCHES "Clang")
    list(APPEND ARMDB_WARNINGS -Wthread-safety -Wassign-enum)
endif()

if(ARMDB_WERROR)
    list(APPEND ARMDB_WARNINGS -Werror)
endif()

function(armdb_set_warnings target)
    target_compile_options(${target} PRIVATE ${ARMDB_WARNINGS})
endfunction()
