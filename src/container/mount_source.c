/* SPDX-License-Identifier: BSD-2-Clause */
/* Where bind mounts come from. */
#include "container/mount_source.h"

#include "container/channel.h"
#include "container/child.h"
#include "container/path.h"
#include "container/userns.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { MS_SLAVE_ = 1 << 19 }; /* as in mounts.c */

static bool is_bind(const struct mount_request *m, const struct mount_options *o)
{
    return o->bind || (m->type && (!strcmp(m->type, "bind") || !strcmp(m->type, "rbind")));
}

static bool has_parent_steps(const char *path)
{
    for (const char *p = path; (p = strstr(p, "/..")); p += 3)
        if (p[3] == '/' || !p[3])
            return true;
    return false;
}

/* Compared as directories, not as texts: a source may be relative, and either may lead through
 * links of the host. What follows is the image's and not looked at here. */
const char *mount_source_in_root(const char *rootfs, const char *source)
{
    struct stat root, here;
    char path[4096];
    size_t n = strlen(source);
    if (!rootfs || n >= sizeof path || stat(rootfs, &root))
        return NULL;
    for (size_t i = 1; i < n; i++) {
        if (source[i] != '/' || source[i - 1] == '/')
            continue;
        memcpy(path, source, i);
        path[i] = '\0';
        if (stat(path, &here))
            return NULL; /* nor can anything below it be looked at */
        const char *rest = source + i;
        if (here.st_dev == root.st_dev && here.st_ino == root.st_ino)
            return rest[strspn(rest, "/")] && !has_parent_steps(rest) ? rest : NULL;
    }
    return NULL;
}

/* A source relative to the bundle is relative to the working directory, which is the bundle. */
static int clone_named(const struct mount_request *m, const struct mount_options *o, struct err *e)
{
    if (!m->source)
        return err_set(e, -EINVAL, "mount `%s`: a bind mount needs a source", m->destination);
    return mount_clone(AT_FDCWD, m->source, o->recursive, o->source_nofollow, e);
}

/* The user namespace an entry's ids are mapped with: of its own mappings, of the container's, or
 * the one that the container joins. */
static int open_maps(const struct config *c, const struct mount_request *m, struct err *e)
{
    const struct id_maps *uids = m->uids.n ? &m->uids : &c->uids;
    const struct id_maps *gids = m->gids.n ? &m->gids : &c->gids;
    const char *joined = m->uids.n ? NULL : c->ns[NS_USER].path;
    if (joined) {
        int fd = open(joined, O_RDONLY | O_CLOEXEC);
        return fd < 0 ? fail(e, "open namespace `%s`", joined) : fd;
    }
    if (!uids->n || !gids->n)
        return err_set(e, -EINVAL,
                       "an id-mapped mount needs uidMappings and gidMappings, of its own or of the "
                       "container's user namespace");
    return userns_open(uids, gids, e);
}

/* A clone of a host's mount must not propagate back into it. */
static int clone_outside(const struct config *c, const struct mount_request *m,
                         const struct mount_options *o, bool idmap, struct err *e)
{
    auto_close int tree = clone_named(m, o, e);
    auto_close int maps = tree >= 0 && idmap ? open_maps(c, m, e) : -1;
    int r = tree < 0            ? tree
            : idmap && maps < 0 ? maps
                                : mount_change(tree, o->recursive, 0, 0, MS_SLAVE_, e);
    if (!r && idmap)
        r = mount_idmap(tree, o->ridmap, maps, e);
    return r ? r : steal_fd(&tree);
}

int mount_sources_prepare(struct config *c, const char *rootfs, bool privileged, int *fds,
                          struct err *e)
{
    for (size_t i = 0; i < c->mount_count; i++)
        fds[i] = -1;
    for (size_t i = 0; i < c->mount_count; i++) {
        struct mount_request *m = &c->mounts[i];
        struct mount_options o;
        int r = mount_options_parse(m->options, &o, e);
        bool idmap = !r && (o.idmap || m->uids.n), bind = !r && is_bind(m, &o);
        if (!r && idmap && !bind)
            r = err_set(e, -ENOTSUP, "only bind mounts can be id-mapped");
        else if (!r && idmap && !privileged)
            r = err_set(e, -EPERM, "id-mapped mounts need privileges");
        else if (bind && m->source)
            m->in_root = mount_source_in_root(rootfs, m->source);
        if (!r && bind && !m->in_root && (idmap || (privileged && c->ns[NS_USER].wanted)))
            r = fds[i] = clone_outside(c, m, &o, idmap, e);
        if (r < 0)
            return err_wrap(e, "mount `%s`", m->destination);
    }
    return 0;
}

/* The runtime serves questions only after it has made the groups. */
static int ask_for_map(const struct mounter *m, size_t index, int source, struct err *e)
{
    int tree = -1, r = inner_join_groups(m->inner, e);
    unsigned n = 1;
    struct packet p;
    if (r)
        return r;
    if ((r = channel_send_fds(m->inner->channel, MSG_MAP_SOURCE, (int)index, NULL, &source, 1)) ||
        (r = channel_receive_fds(m->inner->channel, &p, &tree, &n)))
        return err_set(e, r, "talk to the runtime: %s", err_name(r));
    return p.type == MSG_GO && n ? tree : err_set(e, -ECONNRESET, "the runtime has gone");
}

/* What an image has at the place of a source is resolved in the root: a link there does not choose
 * a file of the host. */
int mount_source_open(const struct mounter *m, size_t index, const struct mount_options *o,
                      struct err *e)
{
    const struct mount_request *q = &m->config->mounts[index];
    if (m->prepared && m->prepared[index] >= 0) {
        int tree = fcntl(m->prepared[index], F_DUPFD_CLOEXEC, 3);
        return tree < 0 ? fail(e, "duplicate a descriptor") : tree;
    }
    if (!q->in_root)
        return clone_named(q, o, e);
    auto_close int source = o->source_nofollow ? path_open_nofollow(m->root, q->in_root, O_PATH, e)
                                               : path_open(m->root, q->in_root, O_PATH, e);
    if (source < 0)
        return source;
    return o->idmap || q->uids.n ? ask_for_map(m, index, source, e)
                                 : mount_clone(source, "", o->recursive, false, e);
}

/* A mount can be cloned only in the namespace it is in. */
static int clone_inside(int namespace, int source, const struct mount_options *o, int maps,
                        struct err *e)
{
    if (setns(namespace, CLONE_NEWNS))
        return fail(e, "enter the container's mount namespace");
    auto_close int tree = mount_clone(source, "", o->recursive, false, e);
    int r = tree < 0 ? tree : mount_idmap(tree, o->ridmap, maps, e);
    return r ? r : steal_fd(&tree);
}

int mount_source_map(const struct config *c, int index, pid_t init, int source, struct err *e)
{
    struct mount_options o;
    struct packet p = {0};
    char path[48];
    int ends[2], r, tree = -1;
    unsigned n = 1;
    if (index < 0 || (size_t)index >= c->mount_count)
        return err_set(e, -EPROTO, "the container's process asked for a mount there is not");
    snprintf(path, sizeof path, "/proc/%d/ns/mnt", (int)init);
    auto_close int namespace = open(path, O_RDONLY | O_CLOEXEC);
    if (namespace < 0)
        return fail(e, "open `%s`", path);
    if ((r = mount_options_parse(c->mounts[index].options, &o, e)))
        return r;
    auto_close int maps = open_maps(c, &c->mounts[index], e);
    if (maps < 0)
        return maps;
    if ((r = channel_open(ends, e)))
        return r;
    pid_t child = fork();
    if (!child) {
        struct err why;
        r = clone_inside(namespace, source, &o, maps, &why);
        if (r < 0)
            (void)!channel_send(ends[1], MSG_ERROR, r, why.text);
        else
            (void)!channel_send_fds(ends[1], MSG_GO, 0, NULL, &r, 1);
        child_exit(0);
    }
    r = child < 0 ? fail(e, "fork") : 0;
    close(ends[1]);
    if (!r && (r = channel_receive_fds(ends[0], &p, &tree, &n)))
        err_set(e, r, "talk to a process of our own: %s", err_name(r));
    close(ends[0]);
    if (child > 0)
        waitpid(child, NULL, 0);
    if (!r && p.type == MSG_ERROR)
        r = err_set(e, p.value, "%s", p.text);
    else if (!r && (p.type != MSG_GO || !n))
        r = err_set(e, -ECONNRESET, "the process that maps the ids of a mount died");
    return r ? err_wrap(e, "mount `%s`", c->mounts[index].destination) : tree;
}
