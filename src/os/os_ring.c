/*
 * os_ring.c: many reads at once, by io_uring.
 *
 * A few rings for the whole process, made when they are first wanted and kept until it ends. Who
 * has a batch takes a free one, hands over its reads, and waits for all: so nothing is under way in
 * a ring that nobody has. Where there is no ring to be had (the kernel has none, or does not let
 * us, or all are taken) the reads are made one after the other; the system is told of those that go
 * through its page cache beforehand.
 *
 * A ring's memory is shared with the kernel, and after a fork with the parent: a child gives all of
 * them up, and makes its own.
 *
 * Plain system calls: what is needed of liburing is three of these and the page below.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/err.h"
#include "os/os_posix_private.h"

enum { RINGS = 8, ENTRIES = 64 };

enum ring_state {
    RING_NONE, /* not made */
    RING_FREE,
    RING_TAKEN
};

/* Its fields belong to who has taken it. */
struct ring {
    _Atomic(enum ring_state) state;
    int fd;
    size_t bytes; /* of both queues, in one mapping */
    unsigned char *queues;
    struct io_uring_sqe *sqes;
    struct io_uring_params params;
};

static struct ring rings[RINGS];
static _Atomic(bool) is_refused; /* there will never be one */

/* ------------------------------------------------------------------------- life */

static void
ring_end(struct ring *ring)
{
    if (ring->sqes != NULL)
        ADB_ASSERT(munmap(ring->sqes, ENTRIES * sizeof *ring->sqes) == 0);
    if (ring->queues != NULL)
        ADB_ASSERT(munmap(ring->queues, ring->bytes) == 0);
    (void)close(ring->fd);
    ring->sqes = NULL;
    ring->queues = NULL;
}

static void *
map_part(int fd, size_t bytes, off_t which)
{
    void *part = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, which);
    return part == MAP_FAILED ? NULL : part;
}

static bool
ring_begin(struct ring *ring)
{
    struct io_uring_params *params = &ring->params;
    memset(params, 0, sizeof *params);
    ring->fd = (int)syscall(SYS_io_uring_setup, ENTRIES, params);
    if (ring->fd < 0) {
        if (errno == ENOSYS || errno == EPERM || errno == EACCES || errno == EINVAL)
            atomic_store_explicit(&is_refused, true, memory_order_relaxed);
        return false;
    }
    size_t sq_bytes = params->sq_off.array + params->sq_entries * sizeof(uint32_t);
    ring->bytes = params->cq_off.cqes + params->cq_entries * sizeof(struct io_uring_cqe);
    if (ring->bytes < sq_bytes)
        ring->bytes = sq_bytes;
    /* The second came with plain reads, Linux 5.6. */
    const uint32_t needed = IORING_FEAT_SINGLE_MMAP | IORING_FEAT_RW_CUR_POS;
    if ((params->features & needed) != needed) {
        atomic_store_explicit(&is_refused, true, memory_order_relaxed);
    } else {
        ring->queues = (unsigned char *)map_part(ring->fd, ring->bytes, IORING_OFF_SQ_RING);
        ring->sqes = (struct io_uring_sqe *)map_part(ring->fd, ENTRIES * sizeof *ring->sqes,
                                                     IORING_OFF_SQES);
    }
    if (ring->queues != NULL && ring->sqes != NULL)
        return true;
    ring_end(ring);
    return false;
}

static bool
change_state(struct ring *ring, enum ring_state from, enum ring_state to)
{
    /* Acquire: what the last one who had it left. */
    return atomic_compare_exchange_strong_explicit(&ring->state, &from, to, memory_order_acquire,
                                                   memory_order_relaxed);
}

static void
ring_give(struct ring *ring, enum ring_state state)
{
    atomic_store_explicit(&ring->state, state, memory_order_release);
}

/* A ring for the caller alone; NULL if there is none. */
static struct ring *
ring_take(void)
{
    for (int i = 0; i < RINGS; i++) {
        if (change_state(&rings[i], RING_FREE, RING_TAKEN))
            return &rings[i];
    }
    for (int i = 0; i < RINGS && !atomic_load_explicit(&is_refused, memory_order_relaxed); i++) {
        if (!change_state(&rings[i], RING_NONE, RING_TAKEN))
            continue;
        if (ring_begin(&rings[i]))
            return &rings[i];
        ring_give(&rings[i], RING_NONE);
        break;
    }
    return NULL;
}

/* In a child just forked, which has no other threads: whoever had a ring is not here. */
static void
give_up_all(void)
{
    for (int i = 0; i < RINGS; i++) {
        if (rings[i].sqes != NULL)
            ring_end(&rings[i]);
        ring_give(&rings[i], RING_NONE);
    }
}

void
adb_posix_batch_init(void)
{
    ADB_ASSERT(pthread_atfork(NULL, NULL, give_up_all) == 0);
}

bool
adb_posix_has_batches(struct adb_os *os)
{
    (void)os;
    struct ring *ring = ring_take();
    if (ring != NULL)
        ring_give(ring, RING_FREE);
    return ring != NULL;
}

/* ------------------------------------------------------------------------ reads */

static _Atomic(uint32_t) *
word_at(const struct ring *ring, uint32_t offset)
{
    return (_Atomic(uint32_t) *)(void *)(ring->queues + offset);
}

/* Reads of one batch on their way. */
struct passage {
    struct ring *ring;
    struct adb_file_read_op *reads;
    uint32_t n_handed_in; /* to the ring */
    uint32_t n_under_way; /* of these */
};

/* Puts a read where the kernel takes it from, behind the last one. */
static void
hand_in(struct passage *passage)
{
    struct ring *ring = passage->ring;
    const struct adb_file_read_op *read = &passage->reads[passage->n_handed_in];
    _Atomic(uint32_t) *tail = word_at(ring, ring->params.sq_off.tail);
    uint32_t at = atomic_load_explicit(tail, memory_order_relaxed);
    uint32_t slot = at & (ring->params.sq_entries - 1);
    struct io_uring_sqe *sqe = &ring->sqes[slot];
    memset(sqe, 0, sizeof *sqe);
    sqe->opcode = IORING_OP_READ;
    sqe->fd = posix_file_of(read->file)->fd;
    sqe->off = read->offset;
    sqe->addr = (uintptr_t)read->to;
    sqe->len = (uint32_t)read->bytes;
    sqe->user_data = passage->n_handed_in++;
    atomic_store_explicit(word_at(ring, ring->params.sq_off.array) + slot, slot,
                          memory_order_relaxed);
    /* Release: the entry. */
    atomic_store_explicit(tail, at + 1, memory_order_release);
}

/* Notes what has come back. */
static void
collect(struct passage *passage)
{
    const struct ring *ring = passage->ring;
    const struct io_uring_cqe *cqes =
        (const struct io_uring_cqe *)(const void *)(ring->queues + ring->params.cq_off.cqes);
    _Atomic(uint32_t) *head = word_at(ring, ring->params.cq_off.head);
    uint32_t at = atomic_load_explicit(head, memory_order_relaxed);
    /* Acquire: the entries up to it, and the bytes that they stand for. */
    uint32_t end = atomic_load_explicit(word_at(ring, ring->params.cq_off.tail),
                                        memory_order_acquire);
    for (; at != end; at++, passage->n_under_way--) {
        const struct io_uring_cqe *cqe = &cqes[at & (ring->params.cq_entries - 1)];
        if (cqe->res > 0)
            passage->reads[cqe->user_data].got = (size_t)cqe->res;
    }
    atomic_store_explicit(head, at, memory_order_release);
}

/* Lets the kernel take what was handed in, and waits for something to come back. Says whether it
 * has taken all. */
static bool
enter(const struct passage *passage, uint32_t n_new, uint32_t n_wait)
{
    long taken;
    do {
        taken = syscall(SYS_io_uring_enter, passage->ring->fd, n_new, n_wait,
                        IORING_ENTER_GETEVENTS, NULL, 0);
    } while (taken < 0 && errno == EINTR);
    /* What is under way writes to memory: there is no going on without it. */
    ADB_ASSERT(taken >= 0 || errno == EAGAIN || errno == EBUSY || errno == ENOMEM);
    return taken >= 0 && (uint32_t)taken == n_new;
}

/* Takes back what the kernel has not taken: it is short of memory. Who made these reads makes them
 * again, one by one. */
static uint32_t
take_back(const struct passage *passage)
{
    const struct ring *ring = passage->ring;
    _Atomic(uint32_t) *tail = word_at(ring, ring->params.sq_off.tail);
    uint32_t head = atomic_load_explicit(word_at(ring, ring->params.sq_off.head),
                                         memory_order_acquire);
    uint32_t n = atomic_load_explicit(tail, memory_order_relaxed) - head;
    atomic_store_explicit(tail, head, memory_order_release);
    return n;
}

static void
read_by_ring(struct ring *ring, struct adb_file_read_op *reads, uint32_t n)
{
    struct passage passage = {.ring = ring, .reads = reads};
    do {
        uint32_t n_new = 0;
        for (; passage.n_handed_in < n && passage.n_under_way < ENTRIES; n_new++) {
            hand_in(&passage);
            passage.n_under_way++;
        }
        if (!enter(&passage, n_new, passage.n_under_way))
            passage.n_under_way -= take_back(&passage);
        collect(&passage);
    } while (passage.n_under_way > 0 || passage.n_handed_in < n);
}

static void
read_one_by_one(struct adb_file_read_op *reads, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        const struct posix_file *file = posix_file_of(reads[i].file);
        if (!file->is_direct)
            (void)posix_fadvise(file->fd, (off_t)reads[i].offset, (off_t)reads[i].bytes,
                                POSIX_FADV_WILLNEED);
    }
    for (uint32_t i = 0; i < n; i++)
        adb_os_read_batch(reads[i].file->os, &reads[i], 1);
}

void
adb_posix_read_batch(struct adb_os *os, struct adb_file_read_op *reads, uint32_t n)
{
    (void)os;
    struct ring *ring = ring_take();
    for (uint32_t i = 0; i < n; i++)
        reads[i].got = 0;
    if (ring == NULL) {
        read_one_by_one(reads, n);
        return;
    }
    read_by_ring(ring, reads, n);
    ring_give(ring, RING_FREE);
}
