/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of mount options. */
#include "container/mount_options.h"

#include <linux/mount.h>
#include <string.h>

/* <sys/mount.h> and <linux/mount.h> of Debian 12 do not go together. */
enum {
    MS_RDONLY_ = 1,
    MS_NOSUID_ = 2,
    MS_NODEV_ = 4,
    MS_NOEXEC_ = 8,
    MS_SYNCHRONOUS_ = 16,
    MS_REMOUNT_ = 32,
    MS_MANDLOCK_ = 64,
    MS_DIRSYNC_ = 128,
    MS_NOSYMFOLLOW_ = 256,
    MS_NOATIME_ = 1024,
    MS_NODIRATIME_ = 2048,
    MS_BIND_ = 4096,
    MS_REC_ = 16384,
    MS_SILENT_ = 32768,
    MS_UNBINDABLE_ = 1 << 17,
    MS_PRIVATE_ = 1 << 18,
    MS_SLAVE_ = 1 << 19,
    MS_SHARED_ = 1 << 20,
    MS_RELATIME_ = 1 << 21,
    MS_I_VERSION_ = 1 << 23,
    MS_STRICTATIME_ = 1 << 24,
    MS_LAZYTIME_ = 1 << 25,
};

struct option {
    const char *name;
    unsigned long flag;
    bool clear;
    u64 attr; /* the same for mount_setattr */
};

#define ATIME MOUNT_ATTR__ATIME
static const struct option options[] = {
    {"async", MS_SYNCHRONOUS_, true, 0},
    {"atime", MS_NOATIME_, true, MOUNT_ATTR_NOATIME},
    {"bind", MS_BIND_, false, 0},
    {"defaults", 0, false, 0},
    {"dev", MS_NODEV_, true, MOUNT_ATTR_NODEV},
    {"diratime", MS_NODIRATIME_, true, MOUNT_ATTR_NODIRATIME},
    {"dirsync", MS_DIRSYNC_, false, 0},
    {"exec", MS_NOEXEC_, true, MOUNT_ATTR_NOEXEC},
    {"iversion", MS_I_VERSION_, false, 0},
    {"lazytime", MS_LAZYTIME_, false, 0},
    {"loud", MS_SILENT_, true, 0},
    {"mand", MS_MANDLOCK_, false, 0},
    {"noatime", MS_NOATIME_, false, MOUNT_ATTR_NOATIME},
    {"nodev", MS_NODEV_, false, MOUNT_ATTR_NODEV},
    {"nodiratime", MS_NODIRATIME_, false, MOUNT_ATTR_NODIRATIME},
    {"noexec", MS_NOEXEC_, false, MOUNT_ATTR_NOEXEC},
    {"noiversion", MS_I_VERSION_, true, 0},
    {"nolazytime", MS_LAZYTIME_, true, 0},
    {"nomand", MS_MANDLOCK_, true, 0},
    {"norelatime", MS_RELATIME_, true, 0},
    {"nostrictatime", MS_STRICTATIME_, true, MOUNT_ATTR_STRICTATIME},
    {"nosuid", MS_NOSUID_, false, MOUNT_ATTR_NOSUID},
    {"nosymfollow", MS_NOSYMFOLLOW_, false, MOUNT_ATTR_NOSYMFOLLOW},
    {"rbind", MS_BIND_ | MS_REC_, false, 0},
    {"relatime", MS_RELATIME_, false, 0},
    {"remount", MS_REMOUNT_, false, 0},
    {"ro", MS_RDONLY_, false, MOUNT_ATTR_RDONLY},
    {"rw", MS_RDONLY_, true, MOUNT_ATTR_RDONLY},
    {"silent", MS_SILENT_, false, 0},
    {"strictatime", MS_STRICTATIME_, false, MOUNT_ATTR_STRICTATIME},
    {"suid", MS_NOSUID_, true, MOUNT_ATTR_NOSUID},
    {"symfollow", MS_NOSYMFOLLOW_, true, MOUNT_ATTR_NOSYMFOLLOW},
    {"sync", MS_SYNCHRONOUS_, false, 0},
};

static const struct option recursive[] = {
    {"ratime", 0, true, MOUNT_ATTR_NOATIME},
    {"rdev", 0, true, MOUNT_ATTR_NODEV},
    {"rdiratime", 0, true, MOUNT_ATTR_NODIRATIME},
    {"rexec", 0, true, MOUNT_ATTR_NOEXEC},
    {"rnoatime", 0, false, MOUNT_ATTR_NOATIME},
    {"rnodev", 0, false, MOUNT_ATTR_NODEV},
    {"rnodiratime", 0, false, MOUNT_ATTR_NODIRATIME},
    {"rnoexec", 0, false, MOUNT_ATTR_NOEXEC},
    {"rnorelatime", 0, true, MOUNT_ATTR_RELATIME},
    {"rnostrictatime", 0, true, MOUNT_ATTR_STRICTATIME},
    {"rnosuid", 0, false, MOUNT_ATTR_NOSUID},
    {"rnosymfollow", 0, false, MOUNT_ATTR_NOSYMFOLLOW},
    {"rrelatime", 0, false, MOUNT_ATTR_RELATIME},
    {"rro", 0, false, MOUNT_ATTR_RDONLY},
    {"rrw", 0, true, MOUNT_ATTR_RDONLY},
    {"rstrictatime", 0, false, MOUNT_ATTR_STRICTATIME},
    {"rsuid", 0, true, MOUNT_ATTR_NOSUID},
    {"rsymfollow", 0, true, MOUNT_ATTR_NOSYMFOLLOW},
};

static const struct option propagation[] = {
    {"private", MS_PRIVATE_, false, 0},       {"rprivate", MS_PRIVATE_ | MS_REC_, false, 0},
    {"shared", MS_SHARED_, false, 0},         {"rshared", MS_SHARED_ | MS_REC_, false, 0},
    {"slave", MS_SLAVE_, false, 0},           {"rslave", MS_SLAVE_ | MS_REC_, false, 0},
    {"unbindable", MS_UNBINDABLE_, false, 0}, {"runbindable", MS_UNBINDABLE_ | MS_REC_, false, 0},
};

static const char *const special[] = {"tmpcopyup", "idmap", "ridmap", "src-nofollow",
                                      "dest-nofollow"};

const char *mount_option_name(unsigned i)
{
    if (i < ARRAY_LEN(options))
        return options[i].name;
    i -= ARRAY_LEN(options);
    if (i < ARRAY_LEN(recursive))
        return recursive[i].name;
    i -= ARRAY_LEN(recursive);
    if (i < ARRAY_LEN(propagation))
        return propagation[i].name;
    i -= ARRAY_LEN(propagation);
    return i < ARRAY_LEN(special) ? special[i] : NULL;
}

static const struct option *find(const struct option *table, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(table[i].name, name))
            return &table[i];
    return NULL;
}

/* The access-time modes are one field of several values, not bits: setting one clears the field
 * [mount_setattr(2)]. Relative time is the field's zero. */
static void set_attr(u64 *set, u64 *clear, const struct option *o)
{
    if (o->attr & ATIME || !strcmp(o->name, "rrelatime")) {
        *clear |= ATIME;
        *set &= ~(u64)ATIME;
        if (!o->clear)
            *set |= o->attr;
    } else if (o->clear) {
        *clear |= o->attr;
        *set &= ~o->attr;
    } else {
        *set |= o->attr;
        *clear &= ~o->attr;
    }
}

static bool take_special(const char *name, struct mount_options *out)
{
    bool *const flags[] = {&out->tmpcopyup, &out->idmap, &out->ridmap, &out->source_nofollow,
                           &out->destination_nofollow};
    for (size_t i = 0; i < ARRAY_LEN(special); i++)
        if (!strcmp(name, special[i]))
            return *flags[i] = true;
    return false;
}

int mount_options_parse(const char *const *list, struct mount_options *out, struct err *e)
{
    *out = (struct mount_options){0};
    size_t used = 0;
    for (; list && *list; list++) {
        const struct option *o;
        if ((o = find(options, ARRAY_LEN(options), *list))) {
            if (o->clear)
                out->flags &= ~o->flag;
            else
                out->flags |= o->flag;
            set_attr(&out->attr_set, &out->attr_clear, o);
        } else if ((o = find(recursive, ARRAY_LEN(recursive), *list))) {
            set_attr(&out->rec_set, &out->rec_clear, o);
        } else if ((o = find(propagation, ARRAY_LEN(propagation), *list))) {
            if (out->propagations == ARRAY_LEN(out->propagation))
                return err_set(e, -EINVAL, "mount: too many propagation options");
            out->propagation[out->propagations++] = o->flag;
        } else if (!take_special(*list, out)) {
            size_t n = strlen(*list);
            if (used + n + 2 > sizeof out->data)
                return err_set(e, -E2BIG, "mount: the options are too long");
            if (used)
                out->data[used++] = ',';
            memcpy(out->data + used, *list, n + 1);
            used += n;
        }
    }
    out->bind = out->flags & MS_BIND_;
    out->recursive = out->bind && out->flags & MS_REC_;
    out->idmap |= out->ridmap;
    return 0;
}
