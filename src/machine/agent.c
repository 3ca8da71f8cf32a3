/* SPDX-License-Identifier: BSD-2-Clause */
/* The monitor's side of the agent protocol. The guest writes to the control port on a vCPU's
 * thread, under the console's lock: there bytes are only stored. Reading them, answering and
 * telling the owner happens in pump(), on the event loop's thread. */
#include "machine/agent.h"

#include "base/mem.h"
#include "base/str.h"

#include <errno.h>

enum { INPUT_MAX = sizeof(struct agent_header) + AGENT_REPLY_MAX, EARLY_SIGNALS = 8 };

/* A stream of the command: what the console does to it goes to the owner's back-end; the end of
 * the guest's output is noted. */
struct stream {
    struct chardev dev; /* first */
    struct agent *agent;
    struct chardev *under;
    bool closed; /* under agent->lock */
};

struct agent {
    struct os_loop *loop;
    struct agent_config config;
    struct chardev control;
    struct stream in, out, error;

    struct os_mutex lock; /* everything below */
    bool posted;          /* pump is on its way */
    bool refused;         /* the guest's control stream made no sense */
    bool greeted, reported;
    bool have_status;
    u32 status;
    u8 input[INPUT_MAX]; /* from the guest, not yet understood */
    size_t input_size;
    u8 *output; /* to the guest */
    size_t output_size, output_sent;
    u8 *start; /* the START message */
    size_t start_size;
    u32 early_signal[EARLY_SIGNALS];
    unsigned early_signals;
};

static void pump(void *ctx);

/* Under a->lock. Without memory for a post the next event pumps. */
static void pump_soon(struct agent *a)
{
    if (!a->posted)
        a->posted = !os_loop_post(a->loop, pump, a);
}

/* ---- streams ---- */

static struct stream *stream_of(struct chardev *c)
{
    return container_of(c, struct stream, dev);
}

static size_t stream_write(struct chardev *c, const u8 *data, size_t n)
{
    return chardev_write(stream_of(c)->under, data, n);
}

static void stream_accept(struct chardev *c)
{
    struct stream *s = stream_of(c);
    if (!s->under)
        return;
    if (s->under->events != c->events)
        chardev_connect(s->under, c->events, c->events_ctx);
    else
        chardev_accept(s->under);
}

static void stream_close_output(struct chardev *c)
{
    struct stream *s = stream_of(c);
    chardev_close_output(s->under);
    with_lock(&s->agent->lock);
    s->closed = true;
    pump_soon(s->agent);
}

static const struct chardev_ops stream_ops = {
    .write = stream_write,
    .accept = stream_accept,
    .close_output = stream_close_output,
};

static void stream_init(struct stream *s, struct agent *a, struct chardev *under)
{
    *s = (struct stream){.dev.ops = &stream_ops, .agent = a, .under = under};
}

/* ---- to the guest ---- */

/* Appends to what the guest is to read. Under a->lock. */
static int put(struct agent *a, const void *bytes, size_t n)
{
    u8 *grown = mem_resize(a->output, a->output_size + n);
    if (!grown)
        return -ENOMEM;
    mem_copy(grown + a->output_size, bytes, n);
    a->output = grown;
    a->output_size += n;
    pump_soon(a);
    return 0;
}

static void put_message(struct agent *a, u32 type, const void *payload, u32 n)
{
    u8 m[sizeof(struct agent_header) + 16];
    struct agent_header h = {type, n};
    mem_copy(m, &h, sizeof h);
    mem_copy(m + sizeof h, payload, n);
    /* Out of memory: a signal or size that is lost, as on a line that is. */
    (void)!put(a, m, sizeof h + n);
}

static void send_output(struct agent *a)
{
    const struct chardev_events *ev = a->control.events;
    u8 piece[512];
    for (;;) {
        size_t n = ev ? ev->can_receive(a->control.events_ctx) : 0;
        if (!n)
            return;
        {
            with_lock(&a->lock);
            n = MIN(n, sizeof piece);
            n = MIN(n, a->output_size - a->output_sent);
            mem_copy(piece, a->output + a->output_sent, n);
            a->output_sent += n;
            if (a->output_sent == a->output_size)
                a->output_sent = a->output_size = 0;
        }
        if (!n)
            return;
        ev->receive(a->control.events_ctx, piece, n);
    }
}

/* ---- from the guest ---- */

static int greet(struct agent *a)
{
    a->greeted = true;
    int rc = put(a, a->start, a->start_size);
    for (unsigned i = 0; i < a->early_signals; i++)
        put_message(a, AGENT_SIGNAL, &a->early_signal[i], 4);
    return rc;
}

/* Under a->lock. Text, when the command could not be run, goes to `why`. */
static void understand(struct agent *a, const struct agent_message *m, char *why, size_t size)
{
    switch (m->type) {
    case AGENT_HELLO:
        if (a->greeted)
            break;
        if (agent_message_u32(m) != AGENT_VERSION)
            str_format(why, size,
                       "the guest's agent speaks version %u, not %d: rebuild the "
                       "initramfs",
                       agent_message_u32(m), AGENT_VERSION);
        else if (greet(a))
            str_format(why, size, "out of memory");
        break;
    case AGENT_EXIT:
        a->have_status = true;
        a->status = agent_message_u32(m) & 0xff;
        break;
    case AGENT_FAILED:
        str_format(why, size, "%s: %s", a->config.arguments[0],
                   err_name((int)agent_message_u32(m)));
        break;
    default: break;
    }
}

static void read_input(struct agent *a, char *why, size_t size)
{
    struct agent_message m;
    long n;
    while ((n = agent_message_parse(a->input, a->input_size, AGENT_REPLY_MAX, &m)) > 0) {
        understand(a, &m, why, size);
        a->input_size -= (size_t)n;
        for (size_t i = 0; i < a->input_size; i++) /* overlapping: mem_copy is not for it */
            a->input[i] = a->input[(size_t)n + i];
    }
    if (n < 0 && !a->refused) {
        a->refused = true;
        str_format(why, size, "the guest's agent talks nonsense");
    }
}

static void pump(void *ctx)
{
    struct agent *a = ctx;
    char why[256] = "";
    bool exited = false;
    {
        with_lock(&a->lock);
        a->posted = false;
        read_input(a, why, sizeof why);
        if (a->reported)
            why[0] = '\0';
        if (!a->reported && a->have_status && a->out.closed && a->error.closed)
            exited = true;
        if (exited || why[0]) {
            a->reported = true;
            put_message(a, AGENT_BYE, why, 0);
        }
    }
    /* A full input buffer made the console's write come back short: there is room again. */
    if (a->control.events && a->control.events->writable)
        a->control.events->writable(a->control.events_ctx);
    send_output(a);
    if (exited)
        a->config.exited(a->config.ctx, (int)a->status);
    else if (why[0])
        a->config.failed(a->config.ctx, why);
}

static struct agent *agent_of(struct chardev *c)
{
    return container_of(c, struct agent, control);
}

static size_t control_write(struct chardev *c, const u8 *data, size_t n)
{
    struct agent *a = agent_of(c);
    with_lock(&a->lock);
    if (a->refused)
        return n;
    n = MIN(n, sizeof a->input - a->input_size);
    mem_copy(a->input + a->input_size, data, n);
    a->input_size += n;
    pump_soon(a);
    return n;
}

static void control_accept(struct chardev *c)
{
    struct agent *a = agent_of(c);
    with_lock(&a->lock);
    if (a->output_size)
        pump_soon(a);
}

static const struct chardev_ops control_ops = {
    .write = control_write,
    .accept = control_accept,
};

/* ---- for the owner ---- */

static u32 count_strings(char *const *s, size_t *bytes)
{
    u32 n = 0;
    for (; s && s[n]; n++)
        *bytes += str_length(s[n]) + 1;
    return n;
}

static u8 *copy_strings(u8 *to, char *const *s)
{
    for (; s && *s; s++) {
        size_t n = str_length(*s) + 1;
        mem_copy(to, *s, n);
        to += n;
    }
    return to;
}

static int make_start(struct agent *a, struct err *e)
{
    const struct agent_config *c = &a->config;
    size_t bytes = sizeof(struct agent_start);
    struct agent_start s = {
        .flags = c->terminal ? AGENT_START_TERMINAL : 0,
        .window = {c->columns, c->rows},
        .arguments = count_strings(c->arguments, &bytes),
        .environment = count_strings(c->environment, &bytes),
    };
    if (bytes > AGENT_PAYLOAD_MAX || s.arguments + s.environment > AGENT_STRINGS_MAX)
        return err_set(e, -E2BIG, "running %s in the guest: its arguments: more than %d bytes",
                       c->arguments[0], AGENT_PAYLOAD_MAX);
    struct agent_header h = {AGENT_START, (u32)bytes};
    a->start_size = sizeof h + bytes;
    a->start = mem_alloc(a->start_size);
    if (!a->start)
        return err_set(e, -ENOMEM, "running %s in the guest: out of memory", c->arguments[0]);
    mem_copy(a->start, &h, sizeof h);
    mem_copy(a->start + sizeof h, &s, sizeof s);
    copy_strings(copy_strings(a->start + sizeof h + sizeof s, c->arguments), c->environment);
    return 0;
}

int agent_create(struct agent **out, struct os_loop *loop, const struct agent_config *c,
                 struct err *e)
{
    struct agent *a = mem_alloc(sizeof *a);
    if (!a)
        return err_set(e, -ENOMEM, "running a command in the guest: out of memory");
    a->loop = loop;
    a->config = *c;
    a->control.ops = &control_ops;
    stream_init(&a->in, a, c->in);
    stream_init(&a->out, a, c->out);
    stream_init(&a->error, a, c->error);
    int rc = make_start(a, e);
    if (rc) {
        agent_destroy(a);
        return rc;
    }
    *out = a;
    return 0;
}

void agent_destroy(struct agent *a)
{
    if (!a)
        return;
    mem_free(a->start);
    mem_free(a->output);
    mem_free(a);
}

void agent_ports(struct agent *a, struct machine_port ports[AGENT_PORTS])
{
    ports[0] = (struct machine_port){AGENT_PORT_CONTROL, &a->control};
    ports[1] = (struct machine_port){AGENT_PORT_STDIN, &a->in.dev};
    ports[2] = (struct machine_port){AGENT_PORT_STDOUT, &a->out.dev};
    ports[3] = (struct machine_port){AGENT_PORT_STDERR, &a->error.dev};
}

bool agent_is_there(struct agent *a)
{
    with_lock(&a->lock);
    return a->greeted;
}

void agent_signal(struct agent *a, int number)
{
    u32 n = (u32)number;
    with_lock(&a->lock);
    if (a->greeted)
        put_message(a, AGENT_SIGNAL, &n, sizeof n);
    else if (a->early_signals < EARLY_SIGNALS)
        a->early_signal[a->early_signals++] = n;
}

void agent_resize(struct agent *a, u16 columns, u16 rows)
{
    struct agent_window w = {columns, rows};
    with_lock(&a->lock);
    if (a->greeted)
        put_message(a, AGENT_WINDOW, &w, sizeof w);
    else
        mem_copy(a->start + sizeof(struct agent_header) + offsetof(struct agent_start, window), &w,
                 sizeof w);
}

_Static_assert(sizeof(struct agent_header) == 8 && INPUT_MAX == 8 + AGENT_REPLY_MAX,
               "one whole message fits");
