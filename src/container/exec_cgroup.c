/* SPDX-License-Identifier: BSD-2-Clause */
#include "container/exec_cgroup.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Per hierarchy the path to join. */
struct choice {
    char path[CGROUP_HIERARCHIES][1024];
};

/* The container's own group; in version 2, where a container with groups of its own (systemd in it)
 * has its processes in leaves only, the one its init is in. */
static int choose_own(const struct cgroup_host *host, const struct state *s, struct choice *c,
                      struct err *e)
{
    char file[48], *save = NULL;
    auto_c_free char *text = NULL;
    const char *v2 = s->cgroup;
    snprintf(file, sizeof file, "/proc/%d/cgroup", (int)s->pid);
    int r = file_read(AT_FDCWD, file, 65536, &text, e);
    if (r)
        return r;
    for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
        if (!strncmp(l, "0::", 3) && !strncmp(l + 3, s->cgroup, strlen(s->cgroup)))
            v2 = l + 3;
    for (unsigned i = 0; i < host->n; i++)
        snprintf(c->path[i], sizeof c->path[i], "%s", host->h[i].v2 ? v2 : s->cgroup);
    return 0;
}

static bool leads_up(const char *path)
{
    for (const char *p = path; *p; p += strcspn(p, "/")) {
        p += strspn(p, "/");
        if (!strncmp(p, "..", 2) && (!p[2] || p[2] == '/'))
            return true;
    }
    return false;
}

/* One --cgroup. Without controllers it is for all hierarchies. */
static int choose(const struct cgroup_host *host, const struct state *s, const char *wanted,
                  struct choice *c, struct err *e)
{
    char names[256] = "", *save = NULL;
    const char *colon = strchr(wanted, ':'), *path = colon ? colon + 1 : wanted;
    if (colon && (size_t)(colon - wanted) >= sizeof names)
        return err_set(e, -EINVAL, "exec: control group `%s` is too long", wanted);
    if (colon)
        memcpy(names, wanted, (size_t)(colon - wanted));
    if (leads_up(path))
        return err_set(e, -EINVAL, "exec: bad control group: %s is not a sub cgroup path", path);
    char full[1024];
    path += strspn(path, "/");
    if ((size_t)snprintf(full, sizeof full, "%s%s%s", s->cgroup, *path ? "/" : "", path) >=
        sizeof full)
        return err_set(e, -ENAMETOOLONG, "exec: control group `%.64s...` is too long", path);
    for (unsigned i = 0; !colon && i < host->n; i++)
        strcpy(c->path[i], full);
    for (char *n = colon ? strtok_r(names, ",", &save) : NULL; n; n = strtok_r(NULL, ",", &save)) {
        const struct cgroup_hierarchy *h = cgroup_find(host, n);
        if (!h)
            return err_set(e, -EINVAL, "exec: unknown controller %s in --cgroup", n);
        strcpy(c->path[h - host->h], full);
    }
    return 0;
}

static int open_one(const struct cgroup_hierarchy *h, const char *path, bool may_lack,
                    struct cgroup_doors *d, struct err *e)
{
    char full[1536];
    snprintf(full, sizeof full, "%s%s/cgroup.procs", h->mount, path);
    if (!may_lack && access(full, F_OK) && errno == ENOENT)
        return err_set(e, -ENOENT,
                       "exec: adding pid to control group: open %s: no such file or directory",
                       full);
    struct cgroup_host one = {.n = 1, .pure_v2 = h->v2};
    one.h[0] = *h;
    return cgroup_doors_open(&one, path, h->v2, may_lack, d, e);
}

int exec_cgroup_open(const struct state *s, const char *const *wanted, struct cgroup_doors *d,
                     struct err *e)
{
    const struct cgroup_host *host;
    struct choice c;
    int r;
    if ((r = cgroup_host_read(&host, e)) || (r = choose_own(host, s, &c, e)))
        return r;
    for (const char *const *w = wanted; w && *w; w++)
        if ((r = choose(host, s, *w, &c, e)))
            return r;
    for (unsigned i = 0; i < host->n && !r; i++)
        r = open_one(&host->h[i], c.path[i], !is_host_root(), d, e);
    return r;
}
