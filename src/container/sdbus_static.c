/* SPDX-License-Identifier: BSD-2-Clause */
/* In a static program: nothing can be loaded, and who needs it runs `doppel oci` instead. */
#include "container/sdbus.h"

bool sdbus_loadable(void)
{
    return false;
}

int sdbus_connect(struct sdbus *b, bool user, struct err *e)
{
    *b = (struct sdbus){0};
    return err_set(e, -ENOTSUP, "this program is static and cannot load libsystemd");
}

void sdbus_close(struct sdbus *b)
{
}

int sdbus_call(struct sdbus *b, sd_bus_message *m, sd_bus_message **reply, struct err *e)
{
    return err_set(e, -ENOTSUP, "this program is static and cannot load libsystemd");
}
