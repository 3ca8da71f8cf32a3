/* SPDX-License-Identifier: BSD-2-Clause */
/* What a benchmark program is: a function that does its work N times, found by name. */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Does the work `n` times; the result depends on all of it, and for n == 1 it is the same on every
 * machine: the driver compares it between machines. Set-up that is not the work belongs into
 * static state made at the first call, which is never timed. */
typedef uint64_t bench_run(uint64_t n);

struct bench {
    const char *name;
    bench_run *run;
    bool (*supported)(void); /* the processor has what it needs; NULL: any has */
};

/* Each file of programs has one table, ended by an entry without a name. */
extern const struct bench bench_integer[], bench_calls[], bench_bytecode[], bench_sort[],
    bench_chase[], bench_sieve[], bench_hash[], bench_digest[], bench_float[], bench_copy[],
    bench_strings[], bench_syscalls[], bench_memory[], bench_processes[], bench_threads[],
    bench_timers[];

/* A generator for inputs: the same numbers on every machine. */
static inline uint64_t bench_random(uint64_t *state)
{
    uint64_t x = *state;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return *state = x;
}

/* The value exists as far as the compiler knows, and memory may have been read. */
#define BENCH_KEEP(value) __asm__ volatile("" : "+r"(value) : : "memory")

/* Runs a command once with its output read by us: the exit status, or -errno; the digest of what
 * it wrote goes to *check. */
int command_run(char *const argv[], uint64_t *check);

/* Ends the program with a message: a benchmark that cannot do its work has no time to report. */
_Noreturn void bench_fail(const char *what);

#endif
