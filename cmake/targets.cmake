# How the targets of this project are made. Each gets everything here; nothing is set by directory.

# What every target of this project is compiled with.
function(armdb_set_defaults target)
    target_compile_features(${target} PRIVATE c_std_17)
    set_target_properties(${target} PROPERTIES C_EXTENSIONS OFF C_VISIBILITY_PRESET hidden
                                               POSITION_INDEPENDENT_CODE ON)
    target_compile_definitions(${target} PRIVATE _GNU_SOURCE $<$<BOOL:${ARMDB_PLANT}>:ARMDB_PLANT>)
    target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/include
                                                 ${PROJECT_BINARY_DIR}/include)
    armdb_set_warnings(${target})
    armdb_set_instrumentation(${target})
    armdb_set_lto(${target})
endfunction()

# armdb_layer(<layer> <file.c>...)
# One layer of the library: the object library armdb_<layer> of the files of src/<layer>/.
function(armdb_layer layer)
    list(TRANSFORM ARGN PREPEND ${layer}/ OUTPUT_VARIABLE sources)
    add_library(armdb_${layer} OBJECT ${sources})
    armdb_set_defaults(armdb_${layer})
    target_include_directories(armdb_${layer} PRIVATE ${PROJECT_SOURCE_DIR}/src)
endfunction()
