#include "process.h"

#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/statfs.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

/* The number after `name` in a file of /proc; 0 if it is not there. */
static uint64_t
proc_number(const char *path, const char *name)
{
    char line[256];
    uint64_t number = 0;
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return 0;
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, name, strlen(name)) == 0) {
            number = strtoull(line + strlen(name), NULL, 10);
            break;
        }
    }
    (void)fclose(file);
    return number;
}

uint64_t
bench_resident_bytes(void)
{
    return proc_number("/proc/self/status", "RssAnon:") * 1024;
}

uint64_t
bench_written_bytes(void)
{
    return proc_number("/proc/self/io", "write_bytes:");
}

uint64_t
bench_read_bytes(void)
{
    return proc_number("/proc/self/io", "read_bytes:");
}

static uint64_t directory_bytes;

static int
add_file(const char *path, const struct stat *info, int type, struct FTW *where)
{
    (void)path;
    (void)where;
    if (type == FTW_F)
        directory_bytes += (uint64_t)info->st_blocks * 512;
    return 0;
}

static int
remove_file(const char *path, const struct stat *info, int type, struct FTW *where)
{
    (void)info;
    (void)type;
    (void)where;
    (void)remove(path);
    return 0;
}

uint64_t
bench_directory_bytes(const char *path)
{
    directory_bytes = 0;
    (void)nftw(path, add_file, 16, FTW_PHYS);
    return directory_bytes;
}

void
bench_directory_remove(const char *path)
{
    (void)nftw(path, remove_file, 16, FTW_PHYS | FTW_DEPTH);
}

void
bench_memory_warm(size_t bytes)
{
    unsigned char *memory;
    if (bytes == 0)
        return;
    memory = (unsigned char *)mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (memory == MAP_FAILED)
        bench_die("no memory to warm");
    (void)munmap(memory, bytes);
}

static void
describe_cpu(char *cpu, size_t capacity)
{
    char line[256];
    FILE *file = fopen("/proc/cpuinfo", "r");
    snprintf(cpu, capacity, "unknown");
    if (file == NULL)
        return;
    while (fgets(line, sizeof line, file) != NULL) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) == 0 && colon != NULL) {
            snprintf(cpu, capacity, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
            break;
        }
    }
    (void)fclose(file);
}

static void
describe_file_system(const char *path, struct bench_machine *machine)
{
    static const struct {
        int64_t magic;
        const char *name;
        bool is_memory;
    } known[] = {{0xEF53, "ext4", false},        {0x58465342, "xfs", false},
                 {0x9123683E, "btrfs", false},   {0x01021994, "tmpfs", true},
                 {0x794c7630, "overlay", false}, {0xF2F52010, "f2fs", false}};
    struct statfs info;
    if (statfs(path, &info) != 0)
        bench_die("%s: not a directory that can be used", path);
    snprintf(machine->file_system, sizeof machine->file_system, "type %" PRIx64,
             (uint64_t)info.f_type);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (known[i].magic == (int64_t)info.f_type) {
            snprintf(machine->file_system, sizeof machine->file_system, "%s", known[i].name);
            machine->is_memory_file_system = known[i].is_memory;
        }
    }
}

void
bench_machine_describe(const char *scratch, struct bench_machine *machine_out)
{
    struct utsname name;
    struct tm utc;
    const time_t now = time(NULL);
    memset(machine_out, 0, sizeof *machine_out);
    describe_cpu(machine_out->cpu, sizeof machine_out->cpu);
    describe_file_system(scratch, machine_out);
    (void)uname(&name);
    /* Without what a distribution or a host adds to the version. */
    snprintf(machine_out->kernel, sizeof machine_out->kernel, "%s %.*s", name.sysname,
             (int)strcspn(name.release, "-"), name.release);
    (void)gmtime_r(&now, &utc);
    (void)strftime(machine_out->date, sizeof machine_out->date, "%Y-%m-%dT%H:%M:%SZ", &utc);
    machine_out->memory_bytes = proc_number("/proc/meminfo", "MemTotal:") * 1024;
    machine_out->cpus = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN);
}
