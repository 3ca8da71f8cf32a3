/* SPDX-License-Identifier: BSD-2-Clause */
/* A command in the guest behaves as one started here: `doppel run -- cat` in a pipe, with Ctrl-C,
 * with `| head`. On a terminal it gets one of its own, and ours passes every key. */
#include "cli/guest_command.h"

#include "base/str.h"
#include "cli/command.h"
#include "cli/console_tail.h"
#include "host/chardev_fd.h"
#include "host/terminal.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

enum { SIGNALS_BEFORE_STOP = 3, CONSOLE_LINES = 20 };

static void on_exited(void *ctx, int status)
{
    struct guest_command *g = ctx;
    g->ended = true;
    g->status = status;
    g->stop(g->ctx);
}

static void on_failed(void *ctx, const char *why)
{
    struct guest_command *g = ctx;
    g->ended = true;
    g->status = STATUS_MONITOR;
    str_format(g->why, sizeof g->why, "%s", why);
    g->stop(g->ctx);
}

/* Our reader left (`| head`): the command is told as a writer of that pipe would be. */
static void on_broken(void *ctx, int error)
{
    struct guest_command *g = ctx;
    if (error == EPIPE)
        agent_signal(g->agent, SIGPIPE);
    else if (error)
        g->broken(g->ctx, error);
}

static int open_streams(struct guest_command *g, struct os_loop *loop,
                        size_t (*filter)(void *ctx, u8 *data, size_t n), struct err *e)
{
    const struct chardev_fd_config in = {
        .in = STDIN_FILENO,
        .out = -1,
        .filter = g->terminal ? filter : NULL,
        .ended = g->terminal ? g->hung_up : NULL,
        .ctx = g->ctx,
    };
    const struct chardev_fd_config out = {
        .in = -1, .out = STDOUT_FILENO, .broken = on_broken, .ctx = g};
    const struct chardev_fd_config error = {.in = -1, .out = STDERR_FILENO};
    int rc = chardev_fd_create(&g->in, loop, &in, e);
    if (!rc)
        rc = chardev_fd_create(&g->out, loop, &out, e);
    return rc ? rc : chardev_fd_create(&g->error, loop, &error, e);
}

int guest_command_open(struct guest_command *g, struct os_loop *loop, struct run_request *r,
                       size_t (*filter)(void *ctx, u8 *data, size_t n), struct err *e)
{
    char term[64];
    char *environment[] = {term, NULL};
    struct agent_config c = {
        .arguments = r->command,
        .exited = on_exited,
        .failed = on_failed,
        .ctx = g,
    };
    g->terminal = terminal_is(STDIN_FILENO) && terminal_is(STDOUT_FILENO);
    if (g->terminal) {
        const char *name = getenv("TERM");
        str_format(term, sizeof term, "TERM=%s", name ? name : "linux");
        c.environment = environment;
        c.terminal = true;
        terminal_size(STDIN_FILENO, &c.columns, &c.rows);
    }
    int rc = open_streams(g, loop, filter, e);
    if (!rc && !r->machine.serial[0]) {
        rc = console_tail_create(&g->console, e);
        r->machine.serial[0] = g->console;
    }
    if (rc)
        return rc;
    c.in = g->in;
    c.out = g->out;
    c.error = g->error;
    rc = agent_create(&g->agent, loop, &c, e);
    if (rc)
        return rc;
    agent_ports(g->agent, r->machine.port + r->machine.ports);
    r->machine.ports += AGENT_PORTS;
    return 0;
}

void guest_command_close(struct guest_command *g)
{
    agent_destroy(g->agent);
    chardev_destroy(g->in);
    chardev_destroy(g->out);
    chardev_destroy(g->error);
}

void guest_command_signal(struct guest_command *g, int number)
{
    if (number == SIGWINCH) {
        u16 columns, rows;
        terminal_size(STDIN_FILENO, &columns, &rows);
        agent_resize(g->agent, columns, rows);
    } else if (!agent_is_there(g->agent)) {
        /* The guest still boots, or never will get there: the user wants it to end. */
        g->ended = true;
        g->status = 128 + number;
        g->stop(g->ctx);
    } else if (++g->signals < SIGNALS_BEFORE_STOP) {
        agent_signal(g->agent, number);
    } else {
        g->stop(g->ctx);
    }
}

int guest_command_status(const struct guest_command *g, bool by_user)
{
    if (g->ended && !g->why[0])
        return g->status;
    if (g->ended) {
        cli_note("running the command in the guest: %s", g->why);
    } else if (by_user) {
        cli_note("ended by the user");
    } else {
        cli_note("the guest ended before the command did");
        if (!g->console)
            cli_note("hint: --serial file:PATH keeps what it says on its console");
    }
    if (g->console && !by_user)
        console_tail_show(g->console, CONSOLE_LINES);
    return STATUS_MONITOR;
}
