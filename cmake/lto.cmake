# Link-time optimisation, where the compiler can do it (ARMDB_LTO). Objects are "fat": they hold
# ordinary code beside the intermediate one, so that libarmdb.a links with any compiler.

set(ARMDB_LTO_COMPILE "")
set(ARMDB_LTO_LINK "")

if(ARMDB_LTO AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
    include(CheckCSourceCompiles)
    set(CMAKE_REQUIRED_FLAGS "-flto=auto -ffat-lto-objects")
    check_c_source_compiles("int main(void) { return 0; }" ARMDB_LTO_WORKS)
    unset(CMAKE_REQUIRED_FLAGS)
    if(ARMDB_LTO_WORKS)
        set(ARMDB_LTO_COMPILE -flto=auto -ffat-lto-objects)
        set(ARMDB_LTO_LINK -flto=auto)
    endif()
endif()

function(armdb_set_lto target)
    target_compile_options(${target} PRIVATE ${ARMDB_LTO_COMPILE})
    target_link_options(${target} PRIVATE ${ARMDB_LTO_LINK})
endfunction()
