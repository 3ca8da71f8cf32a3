/* SPDX-License-Identifier: BSD-2-Clause */
/* CVE-2019-5736: a container whose program is /proc/self/exe executes this very file, can open it
 * there and write to it later, when nobody runs it. So whatever enters a container first executes
 * itself again from a read-only mount of the file or, unprivileged, from a sealed copy. */
#include "container/mounts.h"
#include "container/runtime.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

enum { SEALS = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE };

static bool is_protected(int self)
{
    struct statvfs fs;
    int seals = fcntl(self, F_GET_SEALS);
    if (seals >= 0 && (seals & SEALS) == SEALS)
        return true;
    return !fstatvfs(self, &fs) && fs.f_flag & ST_RDONLY;
}

/* A mount of the file alone, attached nowhere: nobody can make it writable again. */
static int read_only_mount(int self)
{
    auto_close int tree = mount_clone(self, "", false, false, NULL);
    if (tree < 0 || mount_change(tree, false, MOUNT_ATTR_RDONLY, 0, 0, NULL))
        return -1;
    return steal_fd(&tree);
}

static int sealed_copy(int self)
{
    struct stat st;
    auto_close int fd = memfd_create("doppel-oci", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0 || fstat(self, &st))
        return -1;
    for (off_t left = st.st_size; left > 0;) {
        ssize_t n = sendfile(fd, self, NULL, (size_t)left);
        if (n <= 0)
            return -1;
        left -= n;
    }
    if (fchmod(fd, 0555) || fcntl(fd, F_ADD_SEALS, SEALS))
        return -1;
    return steal_fd(&fd);
}

int self_protect(char **argv, struct err *e)
{
    auto_close int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    if (self < 0)
        return fail(e, "open /proc/self/exe");
    if (is_protected(self)) {
        prctl(PR_SET_NAME, "doppel-oci"); /* execveat names the process after its descriptor */
        return 0;
    }
    auto_close int copy = read_only_mount(self);
    if (copy < 0)
        copy = sealed_copy(self);
    if (copy < 0)
        return fail(e, "protect the runtime's binary");
    fexecve(copy, argv, environ);
    return fail(e, "execute the protected copy of the runtime");
}
