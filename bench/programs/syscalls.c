/* SPDX-License-Identifier: BSD-2-Clause */
/* Ways into the kernel and back: the shortest system call, two processes that pass a byte to and
 * fro through pipes, and reads of a file that is in the page cache. */
#include "bench.h"
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static uint64_t getppid_(uint64_t n)
{
    for (uint64_t i = 0; i < n * 10; i++)
        syscall(SYS_getppid);
    return 0;
}

static void echo_bytes(int in, int out)
{
    char c;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (read(in, &c, 1) == 1)
        if (write(out, &c, 1) != 1)
            break;
    _exit(0);
}

static uint64_t pipe_(uint64_t n)
{
    static int there[2], back[2];
    char c = 'x';
    if (!there[1]) {
        if (pipe(there) || pipe(back))
            bench_fail("pipe");
        pid_t pid = fork();
        if (pid < 0)
            bench_fail("fork");
        if (pid == 0) {
            close(there[1]);
            echo_bytes(there[0], back[1]);
        }
        close(there[0]);
    }
    while (n--)
        if (write(there[1], &c, 1) != 1 || read(back[0], &c, 1) != 1)
            bench_fail("pipe partner");
    return (uint64_t)c;
}

enum { FILE_SIZE = 1 << 20, CHUNK = 16384 };

static uint64_t file_read(uint64_t n)
{
    static int fd = -1;
    static char chunk[CHUNK];
    uint64_t sum = 0;
    if (fd < 0) {
        char name[] = "/tmp/bench-XXXXXX";
        fd = mkstemp(name);
        if (fd < 0)
            bench_fail("file in /tmp");
        unlink(name);
        memset(chunk, 7, sizeof chunk);
        for (unsigned i = 0; i < FILE_SIZE; i += CHUNK)
            if (write(fd, chunk, CHUNK) != CHUNK)
                bench_fail("write to /tmp");
    }
    for (uint64_t i = 0; i < n; i++) {
        if (pread(fd, chunk, CHUNK, (off_t)(i * CHUNK % FILE_SIZE)) != CHUNK)
            bench_fail("pread");
        sum += (unsigned char)chunk[i % CHUNK];
    }
    return sum;
}

const struct bench bench_syscalls[] = {
    {"getppid", getppid_, NULL}, {"pipe", pipe_, NULL}, {"file-read", file_read, NULL}, {0}};
