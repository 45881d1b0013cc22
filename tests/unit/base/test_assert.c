/* Assertions: a failed one prints what and where, and ends the process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"

enum { TEXT_BYTES = 512 };

static void
fail_assert(void)
{
    int two = 2;
    ADB_ASSERT(two == 3);
}

static void
fail_debug_assert(void)
{
    int two = 2;
    (void)two;
    ADB_DEBUG_ASSERT(two == 4);
}

static void
reach_unreachable(void)
{
    ADB_UNREACHABLE();
}

/* Runs `body` in a child; returns its wait status and what it wrote to standard error. */
static int
run_in_child(void (*body)(void), char text_out[TEXT_BYTES])
{
    int pipe_ends[2];
    assert_int_equal(pipe(pipe_ends), 0);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const struct rlimit no_core = {0, 0};
        (void)setrlimit(RLIMIT_CORE, &no_core);
        signal(SIGABRT, SIG_DFL);
        dup2(pipe_ends[1], STDERR_FILENO);
        body();
        _exit(0);
    }
    close(pipe_ends[1]);
    size_t len = 0;
    for (;;) {
        ssize_t got = read(pipe_ends[0], text_out + len, TEXT_BYTES - 1 - len);
        if (got <= 0)
            break;
        len += (size_t)got;
    }
    text_out[len] = '\0';
    close(pipe_ends[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void
test_assert__false__aborts_and_says_where(void **state)
{
    (void)state;
    char text[TEXT_BYTES];
    int status = run_in_child(fail_assert, text);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_non_null(strstr(text, "armdb: assertion failed: two == 3"));
    assert_non_null(strstr(text, "test_assert.c:"));
}

static void
test_assert__unreachable__aborts(void **state)
{
    (void)state;
    char text[TEXT_BYTES];
    int status = run_in_child(reach_unreachable, text);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_non_null(strstr(text, "unreachable"));
}

static void
test_assert__debug_only__depends_on_build(void **state)
{
    (void)state;
    char text[TEXT_BYTES];
    int status = run_in_child(fail_debug_assert, text);
#ifdef NDEBUG
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
#else
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_non_null(strstr(text, "two == 4"));
#endif
}

static void
test_assert__true__evaluates_once(void **state)
{
    (void)state;
    int evaluated = 0;
    ADB_ASSERT(++evaluated == 1);
    assert_int_equal(evaluated, 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_assert__false__aborts_and_says_where),
        cmocka_unit_test(test_assert__unreachable__aborts),
        cmocka_unit_test(test_assert__debug_only__depends_on_build),
        cmocka_unit_test(test_assert__true__evaluates_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
