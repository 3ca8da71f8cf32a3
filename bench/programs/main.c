/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs benchmark programs by name and prints their times: the same binary natively and in guests.
 *
 *   programs --list                    the names
 *   programs --serve                   takes the lines below from standard input
 *   programs run NAME MS SAMPLES       one program, iterations chosen so that a sample takes MS
 *   programs exec NAME MS SAMPLES COMMAND...      the same for a command
 *
 * Each sample is a line "begin NAME", then a line "result NAME ITERATIONS NANOSECONDS CPU CHECK"
 * with the time by the clock and the processor time; the end of a program a line "end NAME STATUS
 * NANOSECONDS" with ok, unsupported or failed and the time of everything, which the driver compares
 * with its own clock: a guest whose clock goes wrong is found out. */
#include "bench.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { MAX_WORDS = 64, MAX_LINE = 2048 };

static const struct bench *const tables[] = {
    bench_integer, bench_calls,     bench_bytecode, bench_sort,   bench_chase,   bench_sieve,
    bench_hash,    bench_digest,    bench_float,    bench_copy,   bench_strings, bench_syscalls,
    bench_memory,  bench_processes, bench_threads,  bench_timers, NULL,
};

void bench_fail(const char *what)
{
    fprintf(stderr, "programs: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Processor time of this process and the children it waited for. */
static uint64_t used(void)
{
    struct rusage u;
    uint64_t ns = 0;
    for (int who = RUSAGE_CHILDREN; who <= RUSAGE_SELF; who++)
        if (!getrusage(who, &u))
            ns += (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000000 +
                  (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000;
    return ns;
}

static const struct bench *find(const char *name)
{
    for (unsigned t = 0; tables[t]; t++)
        for (const struct bench *b = tables[t]; b->name; b++)
            if (!strcmp(b->name, name))
                return b;
    return NULL;
}

static void list(void)
{
    for (unsigned t = 0; tables[t]; t++)
        for (const struct bench *b = tables[t]; b->name; b++)
            puts(b->name);
}

static char *const *command; /* of `exec` */

static uint64_t run_command(uint64_t n)
{
    uint64_t check = 0;
    while (n--) {
        int status = command_run(command, &check);
        if (status != 0) {
            fprintf(stderr, "programs: %s ended with %d\n", command[0], status);
            exit(1);
        }
    }
    return check;
}

static uint64_t time_of(bench_run *run, uint64_t n)
{
    uint64_t begun = now();
    run(n);
    return now() - begun + 1;
}

/* Iterations for a sample of about `target` nanoseconds, from shorter trials. The first call sets
 * things up and warms caches, and gives the value to compare. A trial that seems long enough is
 * repeated: one pause of the machine would make samples of a few iterations. */
static uint64_t calibrate(bench_run *run, uint64_t target, uint64_t *check)
{
    enum { LONG = 20 }; /* samples */
    uint64_t first = now();
    *check = run(1);
    if (now() - first >= LONG * target)
        return 1; /* so long that a trial would say no more */
    for (uint64_t n = 1;;) {
        uint64_t took = time_of(run, n);
        if (took >= target / 8 && took < LONG * target) {
            uint64_t again = time_of(run, n);
            took = again < took ? again : took;
        }
        if (took >= target / 8) {
            double wanted = (double)n * (double)target / (double)took;
            return wanted < 1 ? 1 : (uint64_t)wanted;
        }
        n *= took < target / 128 ? 8 : 2;
    }
}

static void measure(const char *name, bench_run *run, uint64_t ms, uint64_t samples)
{
    uint64_t check, n = calibrate(run, ms * 1000000, &check);
    while (samples--) {
        printf("begin %s\n", name);
        fflush(stdout);
        uint64_t cpu = used(), begun = now();
        run(n);
        uint64_t took = now() - begun;
        printf("result %s %llu %llu %llu %016llx\n", name, (unsigned long long)n,
               (unsigned long long)took, (unsigned long long)(used() - cpu),
               (unsigned long long)check);
        fflush(stdout);
    }
}

/* In a process of its own, so that nothing a program leaves behind reaches the next one. */
static const char *in_child(const char *name, bench_run *run, uint64_t ms, uint64_t samples)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid < 0)
        return "failed";
    if (pid == 0) {
        measure(name, run, ms, samples);
        exit(0);
    }
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return "failed";
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? "ok" : "failed";
}

static bool execute(int count, char **word)
{
    bool exec = count > 4 && !strcmp(word[0], "exec");
    if (!exec && !(count == 4 && !strcmp(word[0], "run")))
        return false;
    uint64_t begun = now(), ms = strtoull(word[2], NULL, 10), samples = strtoull(word[3], NULL, 10);
    const char *status;
    if (exec) {
        command = word + 4;
        status =
            access(word[4], X_OK) ? "unsupported" : in_child(word[1], run_command, ms, samples);
    } else {
        const struct bench *b = find(word[1]);
        if (!b || (b->supported && !b->supported()))
            status = b ? "unsupported" : "unknown";
        else
            status = in_child(b->name, b->run, ms, samples);
    }
    printf("end %s %s %llu\n", word[1], status, (unsigned long long)(now() - begun));
    fflush(stdout);
    return true;
}

/* The first line tells the time since the kernel began: how long the boot took by its clock. */
static int serve(void)
{
    struct termios t;
    if (!tcgetattr(0, &t)) {
        t.c_lflag &= ~(tcflag_t)ECHO;
        t.c_oflag &= ~(tcflag_t)OPOST;
        tcsetattr(0, TCSANOW, &t);
    }
    printf("ready %llu\n", (unsigned long long)now());
    fflush(stdout);
    char line[MAX_LINE];
    while (fgets(line, sizeof line, stdin)) {
        char *word[MAX_WORDS + 1];
        int count = 0;
        for (char *w = strtok(line, " \r\n"); w && count < MAX_WORDS; w = strtok(NULL, " \r\n"))
            word[count++] = w;
        word[count] = NULL;
        if (count == 1 && !strcmp(word[0], "quit"))
            return 0;
        if (count && !execute(count, word))
            printf("end %s unknown 0\n", word[0]), fflush(stdout);
    }
    return 0;
}

int main(int argc, char **argv)
{
    static char *const environment[] = {"PATH=/usr/bin:/bin", "HOME=/tmp",        "LC_ALL=C",
                                        "TMPDIR=/tmp",        "PYTHONHASHSEED=0", NULL};
    extern char **environ;
    environ = (char **)environment; /* the same for every command on every machine */
    if (argc == 2 && !strcmp(argv[1], "--list"))
        return list(), 0;
    if (argc == 2 && !strcmp(argv[1], "--serve"))
        return serve();
    if (argc > 1 && execute(argc - 1, argv + 1))
        return 0;
    fprintf(stderr, "usage: programs --list | --serve | run NAME MS SAMPLES | "
                    "exec NAME MS SAMPLES COMMAND...\n");
    return 2;
}
