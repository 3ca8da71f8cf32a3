/* SPDX-License-Identifier: BSD-2-Clause */
/* In a static program: nothing can be loaded, and who needs it runs `doppel oci` instead. */
#include "container/criu.h"

int criu_checkpoint(const struct checkpoint *o, const struct config *c, const char *rootfs,
                    pid_t pid, const char *freezer, struct err *e)
{
    return err_set(e, -ENOTSUP, "this program is static and cannot load libcriu");
}

int criu_restore(const struct checkpoint *o, const struct config *c, const char *rootfs,
                 int console, pid_t *pid, struct err *e)
{
    return err_set(e, -ENOTSUP, "this program is static and cannot load libcriu");
}
