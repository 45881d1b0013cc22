# Instrumented builds, chosen by ARMDB_SANITIZE: "" (none), address (with undefined), thread,
# fuzzer (address, undefined and libFuzzer's hooks), coverage. Everything that is linked together
# must be instrumented alike, so each target gets the flags by armdb_set_instrumentation().

set(ARMDB_INSTRUMENTATION "")
set(ARMDB_INSTRUMENTATION_LINK "")

if(ARMDB_SANITIZE STREQUAL "address")
    set(ARMDB_INSTRUMENTATION
        -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
    set(ARMDB_INSTRUMENTATION_LINK ${ARMDB_INSTRUMENTATION})
elseif(ARMDB_SANITIZE STREQUAL "thread")
    set(ARMDB_INSTRUMENTATION -fsanitize=thread -fno-omit-frame-pointer)
    set(ARMDB_INSTRUMENTATION_LINK ${ARMDB_INSTRUMENTATION})
elseif(ARMDB_SANITIZE STREQUAL "fuzzer")
    # fuzzer-no-link: the hooks without a main(); the fuzz programs add -fsanitize=fuzzer.
    set(ARMDB_INSTRUMENTATION
        -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
        -fno-omit-frame-pointer)
    set(ARMDB_INSTRUMENTATION_LINK ${ARMDB_INSTRUMENTATION})
elseif(ARMDB_SANITIZE STREQUAL "coverage")
    # Atomic counters: threads would lose counts, or make them negative.
    set(ARMDB_INSTRUMENTATION --coverage -fprofile-update=atomic)
    set(ARMDB_INSTRUMENTATION_LINK --coverage)
elseif(NOT ARMDB_SANITIZE STREQUAL "")
    message(FATAL_ERROR "ARMDB_SANITIZE is '${ARMDB_SANITIZE}'; known are address, thread, fuzzer "
                        "and coverage")
endif()

function(armdb_set_instrumentation target)
    target_compile_options(${target} PRIVATE ${ARMDB_INSTRUMENTATION})
    target_link_options(${target} PRIVATE ${ARMDB_INSTRUMENTATION_LINK})
endfunction()

# ThreadSanitizer of gcc 12 stops at start where the kernel spreads addresses too far. Without
# address randomisation it never does; not every container may switch that off, so it is tried.
set(ARMDB_TEST_LAUNCHER "")
if(ARMDB_SANITIZE STREQUAL "thread")
    find_program(ARMDB_SETARCH setarch)
    mark_as_advanced(ARMDB_SETARCH)
    if(ARMDB_SETARCH)
        execute_process(COMMAND ${ARMDB_SETARCH} -R true RESULT_VARIABLE result OUTPUT_QUIET
                        ERROR_QUIET)
        if(result EQUAL 0)
            set(ARMDB_TEST_LAUNCHER ${ARMDB_SETARCH} -R)
        endif()
    endif()
endif()
