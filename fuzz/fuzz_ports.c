/* SPDX-License-Identifier: BSD-2-Clause */
/* The devices of one port: exit, debug console, progress code, port 92h. The first byte says which.
 */
#include "device_fuzz.h"

#include "device/misc/debug_port.h"
#include "device/misc/exit_port.h"
#include "device/misc/post_port.h"
#include "device/misc/reset_port.h"

static void on_exit_status(void *ctx, int status)
{
}

static void on_reset(void *ctx)
{
}

static void plug_exit(struct device_fuzz *f, struct device *d)
{
    container_of(d, struct exit_port, dev)->exit = on_exit_status;
}
static void plug_debug(struct device_fuzz *f, struct device *d)
{
    container_of(d, struct debug_port, dev)->chardev = &f->chardev.chardev;
}
static void plug_nothing(struct device_fuzz *f, struct device *d)
{
}
static void plug_reset(struct device_fuzz *f, struct device *d)
{
    container_of(d, struct reset_port, dev)->reset = on_reset;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct device_fuzz ports[] = {
        {.type = &exit_port_type, .region_size = {EXIT_PORT_SIZE}, .plug = plug_exit},
        {.type = &debug_port_type, .region_size = {1}, .plug = plug_debug},
        {.type = &post_port_type, .region_size = {1}, .plug = plug_nothing},
        {.type = &reset_port_type, .region_size = {1}, .plug = plug_reset},
    };
    if (!size)
        return 0;
    return device_fuzz_run(&ports[data[0] % ARRAY_LEN(ports)], data + 1, size - 1);
}
