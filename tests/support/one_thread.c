/*
 * one_thread.c: what programs call in place of pthread_create() that say they have one thread
 * (ONE_THREAD in tests/CMakeLists.txt). They are left out of the build with ThreadSanitizer, so it
 * must stay true.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*start)(void *), void *context);

int
__wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *),
                      void *context)
{
    (void)thread, (void)attributes, (void)start, (void)context;
    fprintf(stderr, "a test that is ONE_THREAD in tests/CMakeLists.txt starts a thread\n");
    abort();
}
