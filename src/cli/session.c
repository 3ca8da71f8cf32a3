/* SPDX-License-Identifier: BSD-2-Clause */
/* A machine at the user's terminal: builds it, connects the serial ports, confines the process,
 * waits for the end, and turns the end into a message and an exit status. */
#include "cli/run.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/command.h"
#include "cli/guest_command.h"
#include "host/chardev_fd.h"
#include "host/control.h"
#include "host/sandbox.h"
#include "host/terminal.h"
#include "machine/symbols.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct session {
    struct run_request *request;
    struct os_loop *loop;
    struct os_thread *io;
    struct signal_watch *signals;
    struct machine *machine;
    struct terminal_escape escape;
    struct guest_command command; /* when the request has one */
    u64 progress_ns;              /* when a slow step began to be shown; 0: nothing shown */
    u64 start_ns;
    int output_error;              /* errno of a broken standard output */
    bool terminal_output;          /* standard output is, or was, a terminal */
    int signal;                    /* that ended the machine */
    struct chardev *stdio;         /* the serial port on standard input and output */
    FILE *trace;                   /* NULL: no trace */
    struct control *control;       /* NULL: the machine has no name */
    struct os_timer *end_of_input; /* repeats Ctrl-D on it */
};

static void stop_machine(void *ctx)
{
    struct session *s = ctx;
    struct machine *m = __atomic_load_n(&s->machine, __ATOMIC_ACQUIRE);
    if (m)
        vm_request_end(machine_vm(m), VM_STOPPED, 0);
}

static size_t filter_keys(void *ctx, u8 *data, size_t n)
{
    struct session *s = ctx;
    enum terminal_key key;
    size_t left = terminal_filter(&s->escape, data, n, &key);
    if (key == TERMINAL_KEY_QUIT)
        stop_machine(s);
    else if (key == TERMINAL_KEY_HELP)
        fprintf(stderr, "\r\nCtrl-A x: end the machine   Ctrl-A Ctrl-A: send Ctrl-A\r\n");
    return left;
}

static void output_broken(void *ctx, int error)
{
    struct session *s = ctx;
    /* A terminal that went away fails with EIO, often before its SIGHUP arrives. */
    if (error == EIO && s->terminal_output)
        s->signal = SIGHUP;
    else
        s->output_error = error;
    stop_machine(s);
}

static void on_signal(void *ctx, int sig)
{
    struct session *s = ctx;
    if (s->request->command) {
        guest_command_signal(&s->command, sig);
        return;
    }
    if (sig == SIGWINCH)
        return;
    s->signal = sig;
    stop_machine(s);
}

/* Shows a slow step after half a second, on a terminal only. */
static void show_progress(void *ctx, const char *what, unsigned permille)
{
    struct session *s = ctx;
    u64 now = os_clock_ns();
    if (s->request->quiet || !terminal_is(STDERR_FILENO) || now - s->start_ns < 500000000)
        return;
    if (s->progress_ns && now - s->progress_ns < 100000000 && permille < 1000)
        return;
    s->progress_ns = now;
    fprintf(stderr, "\rdoppel: %s ... %u%%\033[K", what, permille / 10);
}

static void clear_progress(struct session *s)
{
    if (s->progress_ns)
        fprintf(stderr, "\r\033[K");
    s->progress_ns = 0;
}

/* The terminal went away without a signal for us, as when it is not our controlling one. */
static void hung_up(void *ctx)
{
    struct session *s = ctx;
    s->signal = SIGHUP;
    stop_machine(s);
}

/* A shell on a serial line knows the end of its input by Ctrl-D only. It is repeated, because every
 * program that reads the terminal before the shell does takes one. */
static void send_end_of_input(void *ctx)
{
    enum { CTRL_D = 4 };
    struct session *s = ctx;
    const struct chardev_events *ev = s->stdio->events;
    const u8 key = CTRL_D;
    if (ev && ev->can_receive && ev->can_receive(s->stdio->events_ctx))
        ev->receive(s->stdio->events_ctx, &key, 1);
    os_timer_arm(s->end_of_input, os_clock_ns() + 1000000000);
}

/* Standard input and output as a serial port. */
static int open_stdio(struct session *s, struct chardev **out, struct err *e)
{
    struct chardev_fd_config c = {
        .in = STDIN_FILENO, .out = STDOUT_FILENO, .broken = output_broken, .ctx = s};
    if (terminal_is(STDIN_FILENO)) {
        c.filter = filter_keys;
        c.ended = hung_up;
    } else if (s->request->own_guest) {
        c.ended = send_end_of_input;
        int err = os_timer_create(&s->end_of_input, s->loop, send_end_of_input, s, e);
        if (err)
            return err;
    }
    int err = chardev_fd_create(out, s->loop, &c, e);
    s->stdio = *out;
    return err;
}

static int open_serials(struct session *s, struct err *e)
{
    struct run_request *r = s->request;
    if (!r->serials)
        r->serial[r->serials++] = r->command ? "none" : "stdio";
    for (unsigned i = 0; i < r->serials; i++) {
        int err = 0;
        if (!strcmp(r->serial[i], "stdio"))
            err = open_stdio(s, &r->machine.serial[i], e);
        else if (strcmp(r->serial[i], "none") != 0)
            err = chardev_open(&r->machine.serial[i], s->loop, r->serial[i], e);
        if (err)
            return err;
    }
    return 0;
}

/* Back-ends have a loop of their own, beside the machine's for its timers: a slow terminal must not
 * delay an interrupt. */
static void *io_main(void *ctx)
{
    struct session *s = ctx;
    int err = os_loop_run(s->loop);
    if (err)
        log_error("run", "the event loop failed: %s", err_name(err));
    return NULL;
}

static void write_trace(void *ctx, const char *text)
{
    fprintf(ctx, "%s\n", text);
}

/* --trace: opened before the process is confined. */
static int open_trace(struct session *s, struct err *e)
{
    struct run_request *r = s->request;
    if (!r->trace || r->dry_run)
        return 0;
    s->trace = r->trace_file ? fopen(r->trace_file, "we") : stderr;
    if (!s->trace)
        return err_set(e, -errno, "opening %s: %s", r->trace_file, strerror(errno));
    r->machine.trace.line = write_trace;
    r->machine.trace.ctx = s->trace;
    return 0;
}

static int load_symbols(struct run_request *r, struct err *e)
{
    int err = r->symbols ? symbols_load(&r->symbol_table, r->symbols, e) : 0;
    if (r->symbol_table)
        r->machine.symbols = symbols_table(r->symbol_table);
    return err;
}

/* `doppel stat` asks. */
static char *answer_request(void *ctx, const char *request)
{
    struct session *s = ctx;
    struct machine *m = __atomic_load_n(&s->machine, __ATOMIC_ACQUIRE);
    if (!m || strcmp(request, "stat") != 0)
        return NULL;
    json_t *doc = stat_collect(m);
    char *dump = json_dumps(doc, JSON_COMPACT), *text = dump ? str_dup(dump) : NULL;
    free(dump);
    json_decref(doc);
    return text;
}

static int set_up(struct session *s, struct err *e)
{
    static const int taken[] = {SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGWINCH, 0};
    struct run_request *r = s->request;
    int err = os_loop_create(&s->loop, e);
    if (!err)
        err = signal_watch_create(&s->signals, s->loop, taken, on_signal, s, e);
    if (!err)
        err = open_trace(s, e);
    if (!err)
        err = load_symbols(r, e);
    if (!err && r->name && !r->dry_run)
        err = control_create(&s->control, s->loop, r->name, answer_request, s, e);
    if (!err)
        err = open_serials(s, e);
    if (!err && r->command) {
        s->command = (struct guest_command){
            .stop = stop_machine, .broken = output_broken, .hung_up = hung_up, .ctx = s};
        err = guest_command_open(&s->command, s->loop, r, filter_keys, e);
    }
    if (err)
        return err;
    r->machine.progress = show_progress;
    r->machine.progress_ctx = s;
    struct machine *m = NULL;
    err = machine_create(&m, &r->machine, e);
    clear_progress(s);
    __atomic_store_n(&s->machine, m, __ATOMIC_RELEASE);
    return err;
}

static void tear_down(struct session *s)
{
    if (s->io) {
        os_loop_stop(s->loop);
        os_thread_join(s->io);
    }
    control_destroy(s->control);
    terminal_restore();
    machine_destroy(s->machine);
    symbols_free(s->request->symbol_table);
    if (s->trace && s->trace != stderr)
        fclose(s->trace);
    for (unsigned i = 0; i < MACHINE_SERIALS; i++)
        chardev_destroy(s->request->machine.serial[i]);
    guest_command_close(&s->command);
    os_timer_destroy(s->end_of_input);
    signal_watch_destroy(s->signals);
    os_loop_destroy(s->loop);
}

static int status_of(struct session *s, enum vm_end why, int status, const struct err *e)
{
    if (s->output_error) {
        cli_note("writing to standard output: %s", strerror(s->output_error));
        return STATUS_FAILURE;
    }
    if (s->request->command && why != VM_FAILED && why != VM_CRASHED)
        return guest_command_status(&s->command, why == VM_STOPPED);
    switch (why) {
    case VM_POWEROFF:
    case VM_RESET: return 0;
    case VM_EXITED: return status & 0xff;
    case VM_STOPPED:
        if (s->signal) {
            cli_note("ended by signal %s", strsignal(s->signal));
            return 128 + s->signal;
        }
        if (!s->request->quiet)
            fprintf(stderr, "\ndoppel: ended by the user\n");
        return 0;
    case VM_CRASHED:
        cli_note("the guest crashed: triple fault (an exception it could not deliver)");
        return STATUS_FAILURE;
    case VM_FAILED: cli_report(e); return STATUS_FAILURE;
    default: return STATUS_FAILURE;
    }
}

/* Everything is open and every thread is there: from here on the process needs little. */
static int confine(struct session *s, struct err *e)
{
    int err = sandbox_enter(!strcmp(machine_vm(s->machine)->engine->name, "kvm"), e);
    if (err != -ENOTSUP)
        return err;
    log_info("run", "%s", e->text);
    e->code = 0;
    return 0;
}

static int run_machine(struct session *s, struct err *e)
{
    struct run_request *r = s->request;
    int guest_status = 0;
    if (r->dry_run) {
        dry_run_print(s->machine, r);
        return 0;
    }
    if (!r->quiet && !r->command)
        cli_note("%s; %s%s", machine_engine_reason(s->machine),
                 machine_boot_description(s->machine),
                 terminal_is(STDIN_FILENO) ? "; Ctrl-A x ends it" : "");
    int err = r->command && !s->command.terminal ? 0 : terminal_raw(STDIN_FILENO, e);
    struct vm *vm = machine_vm(s->machine);
    if (!err)
        err = os_thread_create(&s->io, "terminal", io_main, s, e);
    if (!err) {
        /* No instruction of the guest runs before the process is confined. */
        vm_pause(vm);
        err = vm_start(vm, e);
    }
    if (!err && !r->no_sandbox)
        err = confine(s, e);
    if (err)
        return err;
    vm_resume(vm);
    enum vm_end why = vm_wait(vm, &guest_status, e);
    terminal_restore();
    int status = status_of(s, why, guest_status, e);
    if (r->stat) {
        json_t *doc = stat_collect(s->machine);
        stat_print(doc, r->json, stderr);
        json_decref(doc);
    }
    return status;
}

int session_run(struct run_request *r)
{
    struct session s = {
        .request = r, .terminal_output = terminal_is(STDOUT_FILENO), .start_ns = os_clock_ns()};
    struct err e = {0};
    int status = set_up(&s, &e);
    if (!status)
        status = run_machine(&s, &e);
    if (status < 0) {
        terminal_restore();
        cli_hint_cure(&e, status);
        cli_report(&e);
        status = r->command ? STATUS_MONITOR : STATUS_FAILURE;
    }
    tear_down(&s);
    return status;
}
