/* SPDX-License-Identifier: BSD-2-Clause */
/* See control.h. Clients are the user's own processes, but no answer may block or grow: a request
 * is a short line, few are served at a time, and an answer that finds no room in the socket is cut.
 */
#include "host/control.h"

#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { CLIENTS_MAX = 4, REQUEST_MAX = 64, NAME_LONGEST = 48, ANSWER_MAX = 16 << 20 };

struct client {
    struct control *control;
    struct os_watch *watch;
    int fd; /* -1: free */
    char request[REQUEST_MAX];
    size_t have;
};

struct control {
    struct os_loop *loop;
    struct os_watch *watch;
    int fd;
    control_answer_fn answer;
    void *ctx;
    struct client client[CLIENTS_MAX];
};

/* --- Names --- */

static int check_name(const char *name, struct err *e)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t n = strlen(name);
    if (n && n <= NAME_LONGEST && name[0] != '.' && strspn(name, allowed) == n)
        return 0;
    err_set(e, -EINVAL, "'%s' is no name for a machine", name);
    err_hint(e, "up to %d letters, digits, and . _ - but no . in front", NAME_LONGEST);
    return -EINVAL;
}

static int folder_path(char *path, size_t size)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    size_t n = runtime && runtime[0] == '/'
                   ? str_format(path, size, "%s/doppel", runtime)
                   : str_format(path, size, "/tmp/doppel-%u", (unsigned)getuid());
    return n + 1 < size ? 0 : -ENAMETOOLONG;
}

/* In /tmp somebody else may have been there first: only a folder that is ours alone will do. */
static int make_folder(const char *path, struct err *e)
{
    struct stat st;
    if (mkdir(path, 0700) && errno != EEXIST)
        return err_set(e, -errno, "making %s: %s", path, strerror(errno));
    if (lstat(path, &st))
        return err_set(e, -errno, "looking at %s: %s", path, strerror(errno));
    if (!S_ISDIR(st.st_mode) || st.st_uid != getuid() || (st.st_mode & 077)) {
        err_set(e, -EPERM, "%s is not a folder that is yours alone", path);
        err_hint(e, "remove it, or set XDG_RUNTIME_DIR");
        return -EPERM;
    }
    return 0;
}

static int address_of(struct sockaddr_un *a, const char *name, bool make, struct err *e)
{
    char folder[sizeof a->sun_path];
    int r = check_name(name, e);
    if (r)
        return r;
    *a = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (folder_path(folder, sizeof folder) ||
        str_format(a->sun_path, sizeof a->sun_path, "%s/%s", folder, name) + 1 >=
            sizeof a->sun_path)
        return err_set(e, -ENAMETOOLONG, "the path of the socket of '%s' is too long", name);
    return make ? make_folder(folder, e) : 0;
}

static int open_socket(struct err *e)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return fd >= 0 ? fd : err_set(e, -errno, "making a socket: %s", strerror(errno));
}

/* --- The machine's side --- */

static void drop_client(struct client *k)
{
    if (k->fd < 0)
        return;
    os_watch_destroy(k->watch);
    close(k->fd);
    *k = (struct client){.control = k->control, .fd = -1};
}

static void answer_client(struct client *k)
{
    struct control *c = k->control;
    auto_free char *text = c->answer(c->ctx, k->request);
    if (text) {
        ssize_t n = write(k->fd, text, strlen(text));
        (void)n; /* a client that went away, or asks faster than it reads, has none */
    }
    drop_client(k);
}

/* syscalls: read write close */
static void client_ready(void *ctx, unsigned events)
{
    struct client *k = ctx;
    ssize_t n = read(k->fd, k->request + k->have, sizeof k->request - 1 - k->have);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0)
        k->have += (size_t)n;
    k->request[k->have] = '\0';
    char *end = strchr(k->request, '\n');
    if (end) {
        *end = '\0';
        answer_client(k);
    } else if (n <= 0 || k->have == sizeof k->request - 1) {
        drop_client(k);
    }
}

/* syscalls: accept4 */
static void somebody_connects(void *ctx, unsigned events)
{
    struct control *c = ctx;
    int fd = accept4(c->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    for (unsigned i = 0; i < CLIENTS_MAX; i++) {
        struct client *k = &c->client[i];
        if (k->fd >= 0)
            continue;
        k->fd = fd;
        if (os_watch_create(&k->watch, c->loop, fd, OS_READ, client_ready, k, NULL)) {
            k->fd = -1;
            break;
        }
        return;
    }
    close(fd);
}

/* Nobody is at the other end of a socket that a process left behind. */
static bool is_stale(const struct sockaddr_un *a)
{
    int fd = open_socket(NULL);
    if (fd < 0)
        return false;
    bool stale = connect(fd, (const struct sockaddr *)a, sizeof *a) && errno == ECONNREFUSED;
    close(fd);
    return stale;
}

static int listen_at(int fd, const struct sockaddr_un *a, const char *name, struct err *e)
{
    int r = bind(fd, (const struct sockaddr *)a, sizeof *a);
    if (r && errno == EADDRINUSE && is_stale(a)) {
        unlink(a->sun_path);
        r = bind(fd, (const struct sockaddr *)a, sizeof *a);
    }
    if (r && errno == EADDRINUSE) {
        err_set(e, -EEXIST, "a machine called '%s' is running", name);
        err_hint(e, "choose another --name");
        return -EEXIST;
    }
    if (r || listen(fd, CLIENTS_MAX))
        return err_set(e, -errno, "listening at %s: %s", a->sun_path, strerror(errno));
    return 0;
}

int control_create(struct control **out, struct os_loop *l, const char *name,
                   control_answer_fn answer, void *ctx, struct err *e)
{
    struct sockaddr_un a;
    int r = address_of(&a, name, true, e);
    if (r)
        return r;
    struct control *c = mem_alloc(sizeof *c);
    if (!c)
        return err_set(e, -ENOMEM, "naming the machine: out of memory");
    *c = (struct control){.loop = l, .answer = answer, .ctx = ctx};
    for (unsigned i = 0; i < CLIENTS_MAX; i++)
        c->client[i] = (struct client){.control = c, .fd = -1};
    c->fd = r = open_socket(e);
    if (r >= 0)
        r = listen_at(c->fd, &a, name, e);
    if (r >= 0)
        r = os_watch_create(&c->watch, l, c->fd, OS_READ, somebody_connects, c, e);
    if (r < 0) {
        control_destroy(c);
        return r;
    }
    *out = c;
    return 0;
}

void control_destroy(struct control *c)
{
    if (!c)
        return;
    os_watch_destroy(c->watch);
    for (unsigned i = 0; i < CLIENTS_MAX; i++)
        drop_client(&c->client[i]);
    if (c->fd >= 0)
        close(c->fd);
    mem_free(c);
}

/* --- The client's side --- */

static int read_all(int fd, char **answer, struct err *e)
{
    size_t have = 0, size = 0;
    char *text = NULL;
    for (;;) {
        if (have + 1 >= size) {
            size = size ? 2 * size : 65536;
            char *more = size <= ANSWER_MAX ? mem_resize(text, size) : NULL;
            if (!more)
                break;
            text = more;
        }
        ssize_t n = read(fd, text + have, size - 1 - have);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            break;
        have += (size_t)n;
        if (n == 0 && have) {
            text[have] = '\0';
            *answer = text;
            return 0;
        }
        if (n == 0)
            break;
    }
    mem_free(text);
    return err_set(e, -EIO, "the machine did not answer");
}

int control_ask(const char *name, const char *request, char **answer, struct err *e)
{
    struct sockaddr_un a;
    char line[REQUEST_MAX];
    int r = address_of(&a, name, false, e);
    if (r)
        return r;
    int fd = open_socket(e);
    if (fd < 0)
        return fd;
    size_t n = str_format(line, sizeof line, "%s\n", request);
    if (connect(fd, (const struct sockaddr *)&a, sizeof a)) {
        r = errno == ECONNREFUSED || errno == ENOENT ? -ENOENT : -errno;
        if (errno == ECONNREFUSED)
            unlink(a.sun_path);
        err_set(e, r, r == -ENOENT ? "no machine called '%s' is running" : "reaching machine '%s'",
                name);
        if (r == -ENOENT)
            err_hint(e, "`doppel run --name NAME` gives a machine a name");
    } else if (write(fd, line, n) != (ssize_t)n) {
        r = err_set(e, -errno, "asking machine '%s': %s", name, strerror(errno));
    } else {
        r = read_all(fd, answer, e);
    }
    close(fd);
    return r;
}
