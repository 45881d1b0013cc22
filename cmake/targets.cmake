# How the targets of this project are made. Each gets everything here; nothing is set by directory.

# What every target of this project is compiled with.
function(armdb_set_defaults target)
    target_compile_features(${target} PRIVATE c_std_17)
    set_target_properties(${target} PROPERTIES C_EXTENSIONS OFF C_VISIBILITY_PRESET hidden
                                               POSITION_INDEPENDENT_CODE ON)
    target_compile_definitions(${target} PRIVATE _GNU_SOURCE)
    target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/include
                                                 ${PROJECT_BINARY_DIR}/include)
    armdb_set_warnings(${target})
    armdb_set_instrumentation(${target})
    armdb_set_lto(${target})
endfunction()

# TEMPORARY, while the tree is being written: files that are listed but not there yet are left out.
function(armdb_drop_missing list_name)
    set(found "")
    foreach(file IN LISTS ${list_name})
        if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${file})
            list(APPEND found ${file})
        else()
            message(WARNING "not there yet: ${CMAKE_CURRENT_SOURCE_DIR}/${file}")
        endif()
    endforeach()
    set(${list_name} "${found}" PARENT_SCOPE)
endfunction()

# armdb_layer(<layer> <file.c>...)
# One layer of the library: the object library armdb_<layer> of the files of src/<layer>/.
function(armdb_layer layer)
    list(TRANSFORM ARGN PREPEND ${layer}/ OUTPUT_VARIABLE sources)
    armdb_drop_missing(sources)
    if(NOT sources)
        file(TOUCH ${PROJECT_BINARY_DIR}/empty.c)
        set(sources ${PROJECT_BINARY_DIR}/empty.c)
    endif()
    add_library(armdb_${layer} OBJECT ${sources})
    armdb_set_defaults(armdb_${layer})
    target_include_directories(armdb_${layer} PRIVATE ${PROJECT_SOURCE_DIR}/src)
    target_link_libraries(armdb_${layer} PRIVATE Threads::Threads PkgConfig::URCU_BP
                                                 armdb_xxhash)
endfunction()
