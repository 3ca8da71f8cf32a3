/* SPDX-License-Identifier: BSD-2-Clause */
/* host/sandbox: what a confined process can still do, and what it can't. Each case runs in a child,
 * for a filter stays for good. */
#include "../cmocka_all.h"

#include "base/os.h"
#include "host/sandbox.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CONFINED_OK = 0, UNEXPECTED = 1, NOT_HERE = 77 };

/* Runs fn confined; its exit status, or 128 + the signal that ended it. */
static int confined(int (*fn)(void))
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        struct err e = {0};
        int null = open("/dev/null", O_WRONLY);
        dup2(null, 2); /* the handler's message */
        int err = sandbox_enter(false, &e);
        _exit(err == -ENOTSUP ? NOT_HERE : err ? UNEXPECTED : fn());
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    int code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    if (code == NOT_HERE)
        skip();
    return code;
}

static int works(void)
{
    int p[2] = {0, 0};
    char c = 'x';
    void *memory = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    free(malloc(10 << 20));
    bool ok = memory != MAP_FAILED && !munmap(memory, 1 << 20) && os_clock_ns() &&
              write(2, &c, 1) == 1 && !os_random(p, sizeof p);
    return ok ? CONFINED_OK : UNEXPECTED;
}

static int opens_a_file(void)
{
    return open("/etc/passwd", O_RDONLY) < 0 && errno == EPERM ? CONFINED_OK : UNEXPECTED;
}

static int makes_a_socket(void)
{
    return socket(AF_INET, SOCK_STREAM, 0) < 0 && errno == EPERM ? CONFINED_OK : UNEXPECTED;
}

static int starts_a_process(void)
{
    return fork() < 0 ? CONFINED_OK : UNEXPECTED;
}

static int runs_a_program(void)
{
    execl("/bin/true", "true", NULL);
    return UNEXPECTED;
}

static int maps_code(void)
{
    (void)mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return UNEXPECTED;
}

static int makes_data_code(void)
{
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(p, 4096, PROT_READ | PROT_EXEC);
    return UNEXPECTED;
}

static struct os_code made;

/* mov eax, 39 (getpid, which is allowed elsewhere); syscall; ret */
static int calls_from_made_code(void)
{
    ((void (*)(void))(uintptr_t)made.rx)();
    return UNEXPECTED;
}

static void code_made_before_makes_no_calls(void **state)
{
    static const u8 text[] = {0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xc3};
    struct err e = {0};
    assert_int_equal(os_code_create(&made, 4096, &e), 0);
    memcpy(made.rw, text, sizeof text);
    ((void (*)(void))(uintptr_t)made.rx)(); /* it does when not confined */
    assert_int_equal(confined(calls_from_made_code), 128 + SIGSYS);
    memcpy(made.rw, "\xc3", 1); /* ret */
    assert_int_equal(confined(calls_from_made_code), UNEXPECTED);
    os_code_destroy(&made);
}

static int signals_another(void)
{
    kill(getppid(), 0);
    return UNEXPECTED;
}

static void running_a_machine_works(void **state)
{
    assert_int_equal(confined(works), CONFINED_OK);
}

static void files_sockets_processes_fail(void **state)
{
    assert_int_equal(confined(opens_a_file), CONFINED_OK);
    assert_int_equal(confined(makes_a_socket), CONFINED_OK);
    assert_int_equal(confined(starts_a_process), CONFINED_OK);
}

static void programs_code_and_signals_end_it(void **state)
{
    assert_int_equal(confined(runs_a_program), 128 + SIGSYS);
    assert_int_equal(confined(maps_code), 128 + SIGSYS);
    assert_int_equal(confined(makes_data_code), 128 + SIGSYS);
    assert_int_equal(confined(signals_another), 128 + SIGSYS);
}

static int worker_pipe[2];

/* A thread that was there before: it is confined as well. */
static void *worker(void *ctx)
{
    char c;
    if (read(worker_pipe[0], &c, 1) == 1 && open("/etc/passwd", O_RDONLY) < 0 && errno == EPERM)
        _exit(CONFINED_OK);
    _exit(UNEXPECTED);
}

static void every_thread_is_confined(void **state)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        struct err e = {0};
        struct os_thread *t;
        char c = 'x';
        if (pipe(worker_pipe) || os_thread_create(&t, "worker", worker, NULL, &e))
            _exit(UNEXPECTED);
        int err = sandbox_enter(false, &e);
        if (err)
            _exit(err == -ENOTSUP ? NOT_HERE : UNEXPECTED);
        if (write(worker_pipe[1], &c, 1) != 1)
            _exit(UNEXPECTED);
        os_thread_join(t);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == NOT_HERE)
        skip();
    assert_int_equal(WEXITSTATUS(status), CONFINED_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(running_a_machine_works),
        cmocka_unit_test(files_sockets_processes_fail),
        cmocka_unit_test(programs_code_and_signals_end_it),
        cmocka_unit_test(code_made_before_makes_no_calls),
        cmocka_unit_test(every_thread_is_confined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
