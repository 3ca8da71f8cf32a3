/* SPDX-License-Identifier: BSD-2-Clause */
/* Running hooks. */
#include "container/hooks.h"

#include "base/log.h"
#include "container/child.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static int wait_hook(pid_t child, const struct hook *h, struct err *e)
{
    if (h->timeout) {
        auto_close int fd = (int)syscall(SYS_pidfd_open, child, 0);
        struct pollfd p = {.fd = fd, .events = POLLIN};
        u64 ms = MIN(h->timeout * 1000, (u64)INT32_MAX);
        int r = fd < 0 ? -1 : poll(&p, 1, (int)ms);
        if (r <= 0) {
            kill(child, SIGKILL);
            waitpid(child, NULL, 0);
            return err_set(e, -ETIMEDOUT, "hook `%s` did not end within %llu s", h->path,
                           (unsigned long long)h->timeout);
        }
    }
    int status;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return fail(e, "wait for hook `%s`", h->path);
    if (WIFEXITED(status) && !WEXITSTATUS(status))
        return 0;
    if (WIFSIGNALED(status))
        return err_set(
            e, -ECANCELED, "hook `%s` was killed by signal %d: %s", h->path, WTERMSIG(status),
            WTERMSIG(status) == SIGSYS ? "bad system call" : strsignal(WTERMSIG(status)));
    return err_set(e, -ECANCELED, "hook `%s` failed with status %d", h->path, WEXITSTATUS(status));
}

/* What a failed hook has said belongs to the reason; what a good one says interests nobody. */
static void quote_output(int out, struct err *e)
{
    char text[200];
    off_t size = lseek(out, 0, SEEK_END);
    ssize_t n = size > 0 ? pread(out, text, sizeof text - 1, MAX(size - 199, 0)) : 0;
    while (n > 0 && text[n - 1] == '\n')
        n--;
    if (n <= 0 || !e)
        return;
    text[n] = '\0';
    char reason[sizeof e->text];
    snprintf(reason, sizeof reason, "%s", e->text);
    err_set(e, e->code, "%s: %s", reason, text);
}

/* env is for a hook that names none of its own. */
static int run_one(const struct hook *h, const char *text, const char **env, struct err *e)
{
    const char *only_path[] = {h->path, NULL};
    auto_close int in = memfd_create("state", MFD_CLOEXEC);
    auto_close int out = memfd_create("output", MFD_CLOEXEC);
    if (in < 0 || out < 0)
        return fail(e, "memfd_create");
    int r = write_all(in, text, strlen(text));
    if (r || lseek(in, 0, SEEK_SET))
        return err_set(e, r ? r : -EIO, "write the state for hook `%s`", h->path);
    pid_t child = fork();
    if (child < 0)
        return fail(e, "fork");
    if (!child) {
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        signal(SIGPIPE, SIG_DFL);
        dup2(in, 0);
        dup2(out, 1);
        dup2(out, 2);
        execve(h->path, (char *const *)(h->args && h->args[0] ? h->args : only_path),
               (char *const *)(h->env ? h->env : env));
        child_exit(127);
    }
    r = wait_hook(child, h, e);
    if (r)
        quote_output(out, e);
    return r;
}

int hooks_run(const struct config *c, enum hook_kind kind, json_t *state, const char **env,
              struct err *e)
{
    const struct hooks *list = &c->hooks[kind];
    if (!list->n)
        return 0;
    auto_c_free char *text = json_dumps(state, JSON_COMPACT);
    if (!text)
        return err_set(e, -ENOMEM, "hooks: out of memory");
    for (size_t i = 0; i < list->n; i++)
        if (run_one(&list->hook[i], text, env ? env : (const char **)environ, e))
            return err_wrap(e, "error running %s hook #%zu", hook_names[kind], i);
    return 0;
}

void hooks_run_all(const struct config *c, enum hook_kind kind, json_t *state)
{
    const struct hooks *list = &c->hooks[kind];
    auto_c_free char *text = list->n ? json_dumps(state, JSON_COMPACT) : NULL;
    for (size_t i = 0; text && i < list->n; i++) {
        struct err e;
        if (run_one(&list->hook[i], text, (const char **)environ, &e))
            log_warn("oci", "error running %s hook #%zu: %s", hook_names[kind], i, e.text);
    }
}
