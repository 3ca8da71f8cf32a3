/* SPDX-License-Identifier: BSD-2-Clause */
/* Processes: fork, fork and exec, a shell, and commands for `exec` of main.c. */
#include "bench.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Beside this program on every machine. */
#define NULL_PROGRAM "/bench/null"
#define SHELL        "/bin/sh"
#define SHELL_SCRIPT "/bench/commands"

static int wait_for(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int command_run(char *const argv[], uint64_t *check)
{
    int out[2];
    extern char **environ;
    if (pipe2(out, O_CLOEXEC))
        return -errno;
    pid_t pid = fork();
    if (pid < 0)
        return -errno;
    if (pid == 0) {
        int in = open("/dev/null", O_RDONLY);
        if (in >= 0 && dup2(in, 0) == 0 && dup2(out[1], 1) == 1)
            execve(argv[0], argv, environ);
        _exit(127);
    }
    close(out[1]);
    static unsigned char chunk[65536];
    uint64_t h = 0xcbf29ce484222325u;
    ssize_t got;
    while ((got = read(out[0], chunk, sizeof chunk)) > 0)
        for (ssize_t i = 0; i < got; i++)
            h = (h ^ chunk[i]) * 0x100000001b3u;
    close(out[0]);
    *check = h;
    return wait_for(pid);
}

static uint64_t fork_(uint64_t n)
{
    while (n--) {
        pid_t pid = fork();
        if (pid == 0)
            _exit(0);
        if (pid < 0 || wait_for(pid))
            bench_fail("fork");
    }
    return 0;
}

static uint64_t exec(uint64_t n)
{
    char *const argv[] = {NULL_PROGRAM, NULL};
    extern char **environ;
    while (n--) {
        pid_t pid = fork();
        if (pid == 0) {
            execve(argv[0], argv, environ);
            _exit(127);
        }
        if (pid < 0 || wait_for(pid))
            bench_fail("exec of " NULL_PROGRAM);
    }
    return 0;
}

static uint64_t shell(uint64_t n)
{
    char *const argv[] = {SHELL, SHELL_SCRIPT, NULL};
    uint64_t check = 0;
    while (n--)
        if (command_run(argv, &check))
            bench_fail("shell script");
    return check;
}

static bool has_null(void)
{
    return access(NULL_PROGRAM, X_OK) == 0;
}

static bool has_shell(void)
{
    return access(SHELL, X_OK) == 0 && access(SHELL_SCRIPT, R_OK) == 0;
}

const struct bench bench_processes[] = {
    {"fork", fork_, NULL}, {"exec", exec, has_null}, {"shell", shell, has_shell}, {0}};
