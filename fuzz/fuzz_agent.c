/* SPDX-License-Identifier: BSD-2-Clause */
/* What a hostile guest may write to the agent's control port, and what a hostile monitor may send
 * as a START. */
#include <stdlib.h>
#include <string.h>

#include "machine/agent.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned reports;

static void on_exited(void *ctx, int status)
{
    if (status < 0 || status > 255 || ++reports > 1)
        abort();
}

static void on_failed(void *ctx, const char *why)
{
    if (!*why || ++reports > 1)
        abort();
}

static void stop(void *ctx)
{
    os_loop_stop(ctx);
}

static size_t room(void *ctx)
{
    return 100;
}

static void take(void *ctx, const u8 *data, size_t n)
{
}

static void nothing(void *ctx)
{
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct chardev_events events = {room, take, nothing, nothing};
    static const struct chardev_ops ops = {0};
    struct chardev null = {.ops = &ops};
    struct machine_port ports[AGENT_PORTS];
    struct agent_message m = {AGENT_START, (u32)size, data};
    struct agent_start s;
    char *argv[] = {"prog", NULL};
    struct agent_config c = {.arguments = argv,
                             .in = &null,
                             .out = &null,
                             .error = &null,
                             .exited = on_exited,
                             .failed = on_failed};
    struct os_loop *loop;
    struct agent *a;
    agent_start_valid(&m, &s);
    reports = 0;
    if (os_loop_create(&loop, NULL) || agent_create(&a, loop, &c, NULL))
        abort();
    agent_ports(a, ports);
    chardev_connect(ports[0].backend, &events, NULL);
    if (chardev_write(ports[0].backend, data, size) > size)
        abort();
    if (size && data[0] & 1) {
        chardev_close_output(ports[2].backend);
        chardev_close_output(ports[3].backend);
    }
    if (os_loop_post(loop, stop, loop) || os_loop_run(loop))
        abort();
    os_loop_destroy(loop);
    agent_destroy(a);
    return 0;
}
