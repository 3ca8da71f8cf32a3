/* SPDX-License-Identifier: BSD-2-Clause */
/* Id maps of user namespaces. */
#include "container/userns.h"

#include "container/child.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

static char *map_text(const struct id_maps *m)
{
    size_t room = m->n * 36 + 1, used = 0;
    char *text = calloc(1, room);
    for (size_t i = 0; text && i < m->n; i++)
        used += (size_t)snprintf(text + used, room - used, "%u %u %u\n", m->map[i].container,
                                 m->map[i].host, m->map[i].size);
    return text;
}

static bool is_self(const struct id_maps *m, u32 id)
{
    return m->n == 1 && m->map[0].size == 1 && m->map[0].host == id;
}

/* newuidmap PID inside outside count ... */
static int run_helper(const char *program, pid_t pid, const struct id_maps *m, struct err *e)
{
    char **argv = calloc(m->n * 3 + 3, sizeof *argv);
    char *numbers = calloc(m->n * 3 + 1, 12);
    if (!argv || !numbers) {
        free(argv);
        free(numbers);
        return err_set(e, -ENOMEM, "out of memory");
    }
    size_t k = 0;
    argv[k++] = (char *)program;
    argv[k++] = numbers;
    snprintf(numbers, 12, "%d", (int)pid);
    for (size_t i = 0; i < m->n * 3; i++) {
        const struct id_map *q = &m->map[i / 3];
        char *at = numbers + (i + 1) * 12;
        snprintf(at, 12, "%u", i % 3 == 0 ? q->container : i % 3 == 1 ? q->host : q->size);
        argv[k++] = at;
    }
    pid_t child = fork();
    if (!child) {
        execvp(program, argv);
        child_exit(127);
    }
    int status = 0, r = 0;
    if (child < 0)
        r = fail(e, "fork");
    else if (waitpid(child, &status, 0) < 0 || status)
        r = err_set(e, -EPERM, "`%s` failed to map ids%s", program,
                    WIFEXITED(status) && WEXITSTATUS(status) == 127 ? ": it is not installed" : "");
    free(argv);
    free(numbers);
    return r;
}

static int write_map(pid_t pid, const char *file, const struct id_maps *m, struct err *e)
{
    char path[48];
    auto_c_free char *text = map_text(m);
    if (!text)
        return err_set(e, -ENOMEM, "out of memory");
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    return file_write(AT_FDCWD, path, text, e);
}

int userns_map(pid_t pid, const struct id_maps *uids, const struct id_maps *gids, struct err *e)
{
    int r = write_map(pid, "uid_map", uids, e);
    if (r == -EPERM && !is_self(uids, geteuid()))
        r = run_helper("newuidmap", pid, uids, e);
    if (r)
        return r;
    r = write_map(pid, "gid_map", gids, e);
    if (r == -EPERM && !is_self(gids, getegid()))
        r = run_helper("newgidmap", pid, gids, e);
    if (r == -EPERM) {
        /* One's own group alone may be mapped once setgroups is given up [user_namespaces(7)]. */
        char path[48];
        snprintf(path, sizeof path, "/proc/%d/setgroups", (int)pid);
        if (!(r = file_write(AT_FDCWD, path, "deny", e)))
            r = write_map(pid, "gid_map", gids, e);
    }
    return r;
}

int userns_open(const struct id_maps *uids, const struct id_maps *gids, struct err *e)
{
    int hold[2];
    if (pipe2(hold, O_CLOEXEC))
        return fail(e, "pipe");
    pid_t child = (pid_t)fork();
    if (!child) {
        char c;
        close(hold[1]);
        if (unshare(CLONE_NEWUSER))
            child_exit(1);
        kill(getpid(), SIGSTOP); /* says that the namespace is there */
        (void)!read(hold[0], &c, 1);
        child_exit(0);
    }
    int fd = -1, status = 0;
    int r = child < 0 ? fail(e, "fork") : 0;
    if (!r && (waitpid(child, &status, WUNTRACED) < 0 || !WIFSTOPPED(status)))
        r = err_set(e, -EPERM, "create a user namespace for an id-mapped mount");
    else if (!r && !(r = userns_map(child, uids, gids, e))) {
        char path[48];
        snprintf(path, sizeof path, "/proc/%d/ns/user", (int)child);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            r = fail(e, "open `%s`", path);
    }
    close(hold[0]);
    close(hold[1]);
    if (child > 0) {
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
    }
    return r ? r : fd;
}

i64 userns_host_id(const struct id_maps *maps, u32 id)
{
    for (size_t i = 0; i < maps->n; i++)
        if (id >= maps->map[i].container && id - maps->map[i].container < maps->map[i].size)
            return (i64)maps->map[i].host + (id - maps->map[i].container);
    return -1;
}
