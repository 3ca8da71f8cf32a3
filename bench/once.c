/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs a program once and prints what it took: microseconds from start to exit, microseconds of CPU
 * of it and its children, and KiB of the largest of them at its largest. Small, since a program's
 * peak begins with that of who starts it. */
#include <spawn.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long since(const struct timespec *a, const struct timespec *b)
{
    return (b->tv_sec - a->tv_sec) * 1000000 + (b->tv_nsec - a->tv_nsec) / 1000;
}

int main(int argc, char **argv)
{
    struct timespec start, end;
    struct rusage used;
    pid_t pid;
    int status;
    if (argc < 2)
        return 2;
    clock_gettime(CLOCK_MONOTONIC, &start);
    if (posix_spawnp(&pid, argv[1], NULL, NULL, argv + 1, environ) ||
        wait4(pid, &status, 0, &used) < 0)
        return 1;
    clock_gettime(CLOCK_MONOTONIC, &end);
    long cpu = (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000 + used.ru_utime.tv_usec +
               used.ru_stime.tv_usec;
    printf("%ld %ld %ld\n", since(&start, &end), cpu, used.ru_maxrss);
    return status ? 1 : 0;
}
