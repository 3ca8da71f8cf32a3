/* SPDX-License-Identifier: BSD-2-Clause */
/* Serving the process that sets itself up inside the namespaces. */
#include "container/supervise.h"

#include "container/mount_source.h"
#include "container/netdevice.h"
#include "container/userns.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

/* Mapping the ids of a mount takes rights over its file system, which are ours. */
static int map_source(struct supervision *s, const struct config *c, int index, int source,
                      struct err *e)
{
    auto_close int tree = mount_source_map(c, index, s->pid, source, e);
    int r = tree < 0 ? tree : channel_send_fds(s->channel, MSG_GO, 0, NULL, &tree, 1);
    return tree >= 0 && r ? err_set(e, r, "talk to the container's process: %s", err_name(r)) : r;
}

/* One message; what every phase answers the same way is answered here. */
static int next(struct supervision *s, const struct config *c, struct packet *p, struct err *e)
{
    int fds[CHANNEL_FDS];
    unsigned n = CHANNEL_FDS;
    int r = channel_receive_fds(s->channel, p, fds, &n);
    if (r)
        return err_set(e, r, "talk to the container's process: %s", err_name(r));
    if (p->type == MSG_MAP_SOURCE) {
        r = n == 1 ? map_source(s, c, p->value, fds[0], e)
                   : err_set(e, -EPROTO, "the container's process sent no source of a mount");
        while (n)
            close(fds[--n]);
        return r ? r : next(s, c, p, e);
    }
    while (n)
        close(fds[--n]);
    if (p->type == MSG_ERROR)
        return err_set(e, p->value, "%s", p->text);
    if (p->type == MSG_MAP_IDS) {
        if ((r = userns_map(s->pid ? s->pid : s->helper, &c->uids, &c->gids, e)) ||
            (r = channel_send(s->channel, MSG_GO, 0, NULL)))
            return r;
        return next(s, c, p, e);
    }
    if (p->type == MSG_NETWORK) {
        if ((r = netdevice_move(c->net_devices, s->pid, e)) ||
            (r = channel_send(s->channel, MSG_GO, 0, NULL)))
            return r;
        return next(s, c, p, e);
    }
    return 0;
}

/* Directly started in a new user namespace, it asks for its maps before all else. */
static int map_at_once(struct supervision *s, const struct config *c, struct err *e)
{
    struct packet p;
    int r = channel_receive(s->channel, &p);
    if (!r && p.type == MSG_ERROR)
        return err_set(e, p.value, "%s", p.text);
    if (r || p.type != MSG_MAP_IDS)
        return err_set(e, r ? r : -ECONNRESET, "the container's process died");
    if ((r = userns_map(s->pid, &c->uids, &c->gids, e)) ||
        (r = channel_send(s->channel, MSG_GO, 0, NULL)))
        return r;
    return 0;
}

int supervise_start(struct supervision *s, const struct config *c, struct err *e)
{
    int ends[2];
    int r = channel_open(ends, e);
    if (r)
        return r;
    s->channel = ends[0];
    s->spawn->inner->channel = ends[1];
    bool indirect;
    pid_t child;
    s->spawn->runtime_end = ends[0];
    r = spawn_start(s->spawn, &child, &indirect, e);
    close(ends[1]);
    if (r)
        return r;
    struct packet p;
    if (!indirect) {
        s->pid = child;
        return s->spawn->inner->map_ids ? map_at_once(s, c, e) : 0;
    }
    s->helper = child;
    if ((r = next(s, c, &p, e)))
        return r;
    if (p.type != MSG_PID)
        return err_set(e, -ECONNRESET, "the process that makes the namespaces died");
    s->pid = p.value;
    waitpid(s->helper, NULL, 0);
    s->helper = 0;
    return 0;
}

int supervise_finish(struct supervision *s, const struct config *c, const int *fds, unsigned n,
                     const struct supervision_calls *calls, void *ctx, enum message *how,
                     struct err *e)
{
    struct packet p;
    int r = channel_send_fds(s->channel, MSG_GO, s->pid, s->cgroup, fds, n);
    if (r && r != -EPIPE)
        return err_set(e, r, "talk to the container's process: %s", err_name(r));
    for (;;) {
        if ((r = next(s, c, &p, e)))
            return r;
        if (p.type == MSG_HOOKS) {
            if ((r = calls->hooks(ctx, e)))
                return r;
            (void)!channel_send(s->channel, MSG_GO, 0, NULL);
        } else if (p.type == MSG_PREPARED) {
            if ((r = calls->prepared(ctx, e)))
                return r;
        } else if (p.type == MSG_READY || p.type == MSG_EOF) {
            *how = (enum message)p.type;
            return 0;
        } else {
            return err_set(e, -EPROTO, "unexpected message from the container's process");
        }
    }
}

int supervise_explain(struct supervision *s, int r, struct err *e)
{
    struct pollfd p = {.fd = s->channel, .events = POLLIN};
    struct packet k;
    while (s->channel >= 0 && poll(&p, 1, 0) > 0 && !channel_receive(s->channel, &k) &&
           k.type != MSG_EOF)
        if (k.type == MSG_ERROR)
            return err_set(e, k.value, "%s", k.text);
    return r;
}

void supervise_abandon(struct supervision *s)
{
    if (s->helper > 0) {
        kill(s->helper, SIGKILL);
        waitpid(s->helper, NULL, 0);
    }
    if (s->pid > 0) {
        kill(s->pid, SIGKILL);
        waitpid(s->pid, NULL, 0);
    }
    s->helper = s->pid = 0;
}

int write_pid_file(const char *path, pid_t pid, struct err *e)
{
    char text[16], temporary[4096];
    if (!path)
        return 0;
    int n = snprintf(text, sizeof text, "%d", (int)pid);
    if ((size_t)snprintf(temporary, sizeof temporary, "%s.%d", path, (int)getpid()) >=
        sizeof temporary)
        return err_set(e, -ENAMETOOLONG, "the name of the pid file is too long");
    auto_close int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    int r = fd < 0 ? -errno : write_all(fd, text, (size_t)n);
    if (!r && rename(temporary, path)) /* whoever waits for it never sees half of it */
        r = -errno;
    if (r)
        unlink(temporary);
    return r ? err_set(e, r, "write the pid file `%s`: %s", path, err_name(r)) : 0;
}

int connect_to(const char *path, struct err *e)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    auto_close int place = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0 || place < 0)
        return fail(e, "open the socket `%s`", path);
    /* Through the descriptor: sun_path is too short for many real paths. */
    snprintf(a.sun_path, sizeof a.sun_path, "/proc/self/fd/%d", place);
    if (connect(fd, (struct sockaddr *)&a, sizeof a))
        return fail(e, "connect to the socket `%s`", path);
    return steal_fd(&fd);
}

int send_pidfd(const char *path, pid_t pid, struct err *e)
{
    if (!path)
        return 0;
    auto_close int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0)
        return fail(e, "pidfd_open");
    auto_close int socket = connect_to(path, e);
    return socket < 0 ? socket : fd_send(socket, fd, "pidfd", e);
}
