/* SPDX-License-Identifier: BSD-2-Clause */
/* The monitor's side of the agent protocol over scripted ports, then both sides together: the real
 * agent as a process of this host, its ports sockets. */
#include "../cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bits.h"
#include "host/chardev_fd.h"
#include "machine/agent.h"

enum { CONTROL, IN, OUT, ERROR };
enum { BUFFER = 1 << 20 };

/* The console's place: one end of a port. */
struct front {
    struct chardev *port;
    int fd; /* of the agent process; -1: scripted */
    struct os_watch *watch;
    size_t room;
    u8 got[1 << 12]; /* what came from the monitor (scripted) */
    size_t size;
    bool ended;
};

struct world {
    struct os_loop *loop;
    struct os_thread *thread; /* runs the loop */
    sem_t finished;           /* exited or failed */
    struct agent *agent;
    struct front front[AGENT_PORTS];
    struct chardev *stream[3];
    pid_t pid;
    int exits, fails, status;
    char why[256];
};

static void on_exited(void *ctx, int status)
{
    struct world *w = ctx;
    w->exits++;
    w->status = status;
    sem_post(&w->finished);
}

static void on_failed(void *ctx, const char *why)
{
    struct world *w = ctx;
    w->fails++;
    snprintf(w->why, sizeof w->why, "%s", why);
    sem_post(&w->finished);
}

static void *run_loop(void *ctx)
{
    os_loop_run(ctx);
    return NULL;
}

static void start_loop(struct world *w)
{
    memset(w, 0, sizeof *w);
    sem_init(&w->finished, 0, 0);
    assert_int_equal(os_loop_create(&w->loop, NULL), 0);
    assert_int_equal(os_thread_create(&w->thread, "loop", run_loop, w->loop, NULL), 0);
}

static void stop_loop(struct world *w)
{
    os_loop_stop(w->loop);
    os_thread_join(w->thread);
}

static void post_semaphore(void *ctx)
{
    sem_post(ctx);
}

/* Lets everything that was posted happen, and what that posts. */
static void settle(struct world *w)
{
    sem_t passed;
    sem_init(&passed, 0, 0);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(os_loop_post(w->loop, post_semaphore, &passed), 0);
        sem_wait(&passed);
    }
}

static void make_agent(struct world *w, const struct agent_config *given)
{
    struct agent_config c = *given;
    struct err e;
    c.exited = on_exited;
    c.failed = on_failed;
    c.ctx = w;
    if (agent_create(&w->agent, w->loop, &c, &e))
        fail_msg("%s", e.text);
    struct machine_port ports[AGENT_PORTS];
    agent_ports(w->agent, ports);
    for (unsigned i = 0; i < AGENT_PORTS; i++)
        w->front[i].port = ports[i].backend;
}

/* ---- scripted ports ---- */

static size_t scripted_room(void *ctx)
{
    return ((struct front *)ctx)->room;
}

static void scripted_receive(void *ctx, const u8 *data, size_t n)
{
    struct front *f = ctx;
    assert_true(n <= f->room && f->size + n <= sizeof f->got);
    memcpy(f->got + f->size, data, n);
    f->size += n;
    f->room -= n;
}

static void note_end(void *ctx)
{
    ((struct front *)ctx)->ended = true;
}

static void nothing(void *ctx)
{
}

static const struct chardev_events scripted_events = {scripted_room, scripted_receive, note_end,
                                                      nothing};

struct memory_stream {
    struct chardev dev;
    u8 bytes[64];
    size_t size;
    unsigned closes;
};

static size_t memory_write(struct chardev *c, const u8 *data, size_t n)
{
    struct memory_stream *s = container_of(c, struct memory_stream, dev);
    memcpy(s->bytes + s->size, data, n);
    s->size += n;
    return n;
}

static void memory_close(struct chardev *c)
{
    container_of(c, struct memory_stream, dev)->closes++;
}

static const struct chardev_ops memory_ops = {.write = memory_write, .close_output = memory_close};
static struct memory_stream streams[3];

static int setup_scripted(void **state)
{
    static struct world w;
    static char *argv[] = {"prog", "a b", "", NULL}, *env[] = {"X=1", NULL};
    start_loop(&w);
    memset(streams, 0, sizeof streams);
    for (unsigned i = 0; i < 3; i++)
        streams[i].dev.ops = &memory_ops;
    make_agent(&w, &(struct agent_config){.arguments = argv,
                                          .environment = env,
                                          .terminal = true,
                                          .columns = 80,
                                          .rows = 24,
                                          .in = &streams[0].dev,
                                          .out = &streams[1].dev,
                                          .error = &streams[2].dev});
    for (unsigned i = 0; i < AGENT_PORTS; i++) {
        w.front[i].room = 4096;
        chardev_connect(w.front[i].port, &scripted_events, &w.front[i]);
    }
    *state = &w;
    return 0;
}

static int teardown_scripted(void **state)
{
    struct world *w = *state;
    stop_loop(w);
    for (unsigned i = 0; i < AGENT_PORTS; i++)
        chardev_connect(w->front[i].port, NULL, NULL);
    for (unsigned i = 0; i < 3; i++)
        assert_null(streams[i].dev.events);
    agent_destroy(w->agent);
    os_loop_destroy(w->loop);
    return 0;
}

static void say(struct world *w, u32 type, const void *payload, u32 n)
{
    u8 m[64];
    const struct agent_header h = {type, n};
    memcpy(m, &h, sizeof h);
    memcpy(m + sizeof h, payload, n);
    for (size_t i = 0; i < sizeof h + n; i++) /* a byte at a time */
        assert_int_equal(chardev_write(w->front[CONTROL].port, m + i, 1), 1);
    settle(w);
}

static void say_u32(struct world *w, u32 type, u32 value)
{
    say(w, type, &value, sizeof value);
}

static struct agent_message hear(struct world *w)
{
    static u8 copy[4096];
    struct front *f = &w->front[CONTROL];
    struct agent_message m = {0};
    memcpy(copy, f->got, f->size);
    long n = agent_message_parse(copy, f->size, AGENT_PAYLOAD_MAX, &m);
    assert_true(n > 0);
    f->size -= (size_t)n;
    memmove(f->got, f->got + n, f->size);
    return m;
}

static void close_outputs(struct world *w)
{
    chardev_close_output(w->front[OUT].port);
    chardev_close_output(w->front[ERROR].port);
    settle(w);
}

static void test_conversation(void **state)
{
    struct world *w = *state;
    struct agent_start s = {0};
    agent_signal(w->agent, 1);       /* early: kept */
    agent_resize(w->agent, 100, 50); /* early: goes into START */
    settle(w);
    assert_int_equal(w->front[CONTROL].size, 0);
    say_u32(w, AGENT_HELLO, AGENT_VERSION);
    struct agent_message m = hear(w);
    assert_int_equal(m.type, AGENT_START);
    assert_true(agent_start_valid(&m, &s));
    assert_int_equal(s.flags, AGENT_START_TERMINAL);
    assert_int_equal(s.window.columns, 100);
    assert_int_equal(s.window.rows, 50);
    assert_int_equal(s.arguments, 3);
    assert_int_equal(s.environment, 1);
    assert_memory_equal(m.payload + sizeof s, "prog\0a b\0\0X=1", 14);
    m = hear(w);
    assert_int_equal(m.type, AGENT_SIGNAL);
    assert_int_equal(agent_message_u32(&m), 1);
    agent_signal(w->agent, 15);
    agent_resize(w->agent, 81, 25);
    settle(w);
    m = hear(w);
    assert_int_equal(agent_message_u32(&m), 15);
    m = hear(w);
    assert_int_equal(m.type, AGENT_WINDOW);
    assert_int_equal(agent_message_u32(&m), 25u << 16 | 81);
    assert_int_equal(chardev_write(w->front[OUT].port, (const u8 *)"out", 3), 3);
    assert_memory_equal(streams[1].bytes, "out", 3);
    /* The status counts when the output is complete. */
    say_u32(w, AGENT_EXIT, 7);
    assert_int_equal(w->exits, 0);
    close_outputs(w);
    assert_int_equal(w->exits, 1);
    assert_int_equal(w->status, 7);
    assert_int_equal(streams[1].closes, 1);
    assert_int_equal(hear(w).type, AGENT_BYE);
    say_u32(w, AGENT_EXIT, 8);
    close_outputs(w);
    assert_int_equal(w->exits + w->fails, 1);
}

/* The control port takes few bytes at a time. */
static void test_little_room(void **state)
{
    struct world *w = *state;
    struct agent_start s = {0};
    w->front[CONTROL].room = 0;
    say_u32(w, AGENT_HELLO, AGENT_VERSION);
    assert_int_equal(w->front[CONTROL].size, 0);
    for (unsigned i = 0; i < 60; i++) {
        w->front[CONTROL].room = 1;
        chardev_accept(w->front[CONTROL].port);
        settle(w);
    }
    struct agent_message m = hear(w);
    assert_true(agent_start_valid(&m, &s));
}

static void test_failure(void **state)
{
    struct world *w = *state;
    say_u32(w, AGENT_HELLO, AGENT_VERSION);
    say_u32(w, AGENT_FAILED, ENOENT);
    assert_int_equal(w->fails, 1);
    assert_non_null(strstr(w->why, "prog"));
    assert_non_null(strstr(w->why, "No such file"));
}

static void test_wrong_version(void **state)
{
    struct world *w = *state;
    say_u32(w, AGENT_HELLO, 99);
    assert_int_equal(w->fails, 1);
    assert_non_null(strstr(w->why, "99"));
}

static void test_nonsense(void **state)
{
    struct world *w = *state;
    say(w, 77, "ignored", 7);
    say(w, AGENT_HELLO, "", 0); /* too short: version 0 */
    assert_int_equal(w->fails, 1);
    u8 junk[5000];
    memset(junk, 0xff, sizeof junk);
    size_t n = chardev_write(w->front[CONTROL].port, junk, sizeof junk);
    assert_in_range(n, 1, sizeof junk);
    settle(w);
    assert_int_equal(chardev_write(w->front[CONTROL].port, junk, sizeof junk), sizeof junk);
    settle(w);
    assert_int_equal(w->exits + w->fails, 1);
}

static void test_start_checks(void **state)
{
    u8 p[64] = {0};
    struct agent_start s = {.arguments = 1}, out;
    struct agent_message m = {AGENT_START, 0, p};
    memcpy(p, &s, sizeof s);
    assert_false(agent_start_valid(&m, &out)); /* short */
    m.length = sizeof s;
    assert_false(agent_start_valid(&m, &out)); /* no string */
    memcpy(p + sizeof s, "ls", 3);
    m.length = sizeof s + 2;
    assert_false(agent_start_valid(&m, &out)); /* not ended */
    m.length = sizeof s + 3;
    assert_true(agent_start_valid(&m, &out));
    s.environment = 0xffffffff;
    memcpy(p, &s, sizeof s);
    assert_false(agent_start_valid(&m, &out));
    s.arguments = 0;
    s.environment = 1;
    memcpy(p, &s, sizeof s);
    assert_false(agent_start_valid(&m, &out));
}

static void test_too_long(void **state)
{
    struct world *w = *state;
    struct agent *a = NULL;
    struct err e;
    char *big = malloc(AGENT_PAYLOAD_MAX + 1);
    memset(big, 'x', AGENT_PAYLOAD_MAX);
    big[AGENT_PAYLOAD_MAX] = '\0';
    char *argv[] = {"prog", big, NULL};
    assert_int_equal(agent_create(&a, w->loop, &(struct agent_config){.arguments = argv}, &e),
                     -E2BIG);
    assert_null(a);
    free(big);
}

/* ---- the real agent ---- */

static size_t socket_room(void *ctx)
{
    struct front *f = ctx;
    struct pollfd p = {.fd = f->fd, .events = POLLOUT};
    if (poll(&p, 1, 0) == 1 && p.revents & POLLOUT)
        return 512;
    os_watch_set_events(f->watch, OS_READ | OS_WRITE);
    return 0;
}

static void socket_receive(void *ctx, const u8 *data, size_t n)
{
    struct front *f = ctx;
    (void)!send(f->fd, data, n, MSG_NOSIGNAL);
}

static void socket_end(void *ctx)
{
    shutdown(((struct front *)ctx)->fd, SHUT_WR);
}

static const struct chardev_events socket_events = {socket_room, socket_receive, socket_end,
                                                    nothing};

static void on_socket(void *ctx, unsigned events)
{
    struct front *f = ctx;
    u8 data[4096];
    if (events & OS_WRITE) {
        os_watch_set_events(f->watch, OS_READ);
        chardev_accept(f->port);
    }
    ssize_t n = recv(f->fd, data, sizeof data, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        os_watch_set_events(f->watch, 0);
        chardev_close_output(f->port);
        return;
    }
    for (size_t done = 0; done < (size_t)n;) /* files in the tests always take all */
        done += chardev_write(f->port, data + done, (size_t)n - done);
}

static void spawn_agent(struct world *w)
{
    int theirs[AGENT_PORTS];
    char fds[64];
    for (unsigned i = 0; i < AGENT_PORTS; i++) {
        int pair[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        w->front[i].fd = pair[0];
        theirs[i] = pair[1];
    }
    snprintf(fds, sizeof fds, "%d,%d,%d,%d", theirs[0], theirs[1], theirs[2], theirs[3]);
    w->pid = fork();
    if (!w->pid) {
        for (unsigned i = 0; i < AGENT_PORTS; i++)
            fcntl(theirs[i], F_SETFD, 0);
        signal(SIGINT, SIG_IGN); /* as a shell's background does */
        execl(getenv("DOPPEL_AGENT"), "doppel-agent", "--fds", fds, (char *)NULL);
        _exit(99);
    }
    for (unsigned i = 0; i < AGENT_PORTS; i++)
        close(theirs[i]);
}

struct result {
    int status;
    char *out, *error; /* NUL-terminated behind their bytes */
    size_t out_size, error_size;
};

static int make_file(const void *bytes, size_t n)
{
    char path[] = "/tmp/doppel-agent-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    unlink(path);
    assert_int_equal(pwrite(fd, bytes, n, 0), n);
    return fd;
}

static char *read_file(int fd, size_t *size)
{
    char *text = calloc(1, BUFFER + 1);
    ssize_t n = pread(fd, text, BUFFER, 0);
    assert_true(n >= 0);
    *size = (size_t)n;
    close(fd);
    return text;
}

static void open_stream(struct world *w, unsigned i, int in, int out)
{
    const struct chardev_fd_config c = {.in = in, .out = out};
    struct err e;
    if (chardev_fd_create(&w->stream[i], w->loop, &c, &e))
        fail_msg("%s", e.text);
}

/* Runs argv through both sides; `early` is sent when the agent has started it. */
static struct result run(char *const *argv, const void *input, size_t n, bool terminal, int sig)
{
    static struct world w;
    struct result r = {0};
    int in = make_file(input, n), out = make_file("", 0), error = make_file("", 0);
    start_loop(&w);
    open_stream(&w, 0, in, -1);
    open_stream(&w, 1, -1, out);
    open_stream(&w, 2, -1, error);
    make_agent(&w, &(struct agent_config){.arguments = argv,
                                          .terminal = terminal,
                                          .columns = 91,
                                          .rows = 37,
                                          .in = w.stream[0],
                                          .out = w.stream[1],
                                          .error = w.stream[2]});
    spawn_agent(&w);
    for (unsigned i = 0; i < AGENT_PORTS; i++) {
        struct front *f = &w.front[i];
        assert_int_equal(os_watch_create(&f->watch, w.loop, f->fd, OS_READ, on_socket, f, NULL), 0);
        chardev_connect(f->port, &socket_events, f);
    }
    if (sig)
        agent_signal(w.agent, sig);
    sem_wait(&w.finished);
    assert_int_equal(w.exits + w.fails, 1);
    r.status = w.exits ? w.status : -1;
    int status;
    assert_int_equal(waitpid(w.pid, &status, 0), w.pid); /* after a BYE */
    assert_int_equal(status, 0);
    stop_loop(&w);
    for (unsigned i = 0; i < AGENT_PORTS; i++) {
        os_watch_destroy(w.front[i].watch);
        close(w.front[i].fd);
    }
    for (unsigned i = 0; i < 3; i++)
        chardev_destroy(w.stream[i]);
    agent_destroy(w.agent);
    os_loop_destroy(w.loop);
    close(in);
    r.out = read_file(out, &r.out_size);
    r.error = read_file(error, &r.error_size);
    return r;
}

static void done(struct result *r)
{
    free(r->out);
    free(r->error);
}

static void test_streams(void **state)
{
    char *argv[] = {"/bin/sh", "-c", "cat; echo oops >&2; echo more > /dev/stderr; exit 7", NULL};
    struct result r = run(argv, "hi\n", 3, false, 0);
    assert_int_equal(r.status, 7);
    assert_string_equal(r.out, "hi\n");
    assert_string_equal(r.error, "oops\nmore\n");
    done(&r);
}

static void test_eight_bits(void **state)
{
    enum { N = 300000 };
    u8 *bytes = malloc(N);
    u32 x = 1;
    for (unsigned i = 0; i < N; i++)
        bytes[i] = (u8)((x = x * 1664525 + 1013904223) >> 24);
    char *argv[] = {"cat", NULL};
    struct result r = run(argv, bytes, N, false, 0);
    assert_int_equal(r.status, 0);
    assert_int_equal(r.out_size, N);
    assert_memory_equal(r.out, bytes, N);
    done(&r);
    free(bytes);
}

/* The command leaves its input alone; one it started keeps the output open. */
static void test_input_unread(void **state)
{
    static u8 zeroes[200000];
    char *argv[] = {"/bin/sh", "-c", "sleep 1000 & echo $!", NULL};
    struct result r = run(argv, zeroes, sizeof zeroes, false, 0);
    assert_int_equal(r.status, 0);
    int left = atoi(r.out);
    assert_true(left > 1);
    kill(left, SIGKILL);
    done(&r);
}

static void test_signals(void **state)
{
    char *argv[] = {"sleep", "1000", NULL};
    struct result r = run(argv, "", 0, false, SIGTERM);
    assert_int_equal(r.status, 128 + SIGTERM);
    done(&r);
    r = run(argv, "", 0, false, SIGINT);
    assert_int_equal(r.status, 128 + SIGINT);
    done(&r);
    char *suicide[] = {"/bin/sh", "-c", "kill -9 $$", NULL};
    r = run(suicide, "", 0, false, 0);
    assert_int_equal(r.status, 128 + SIGKILL);
    done(&r);
}

static void test_not_there(void **state)
{
    char *argv[] = {"/nonexistent/program", NULL};
    struct result r = run(argv, "", 0, false, 0);
    assert_int_equal(r.status, -1);
    done(&r);
}

static void test_terminal(void **state)
{
    char *argv[] = {"/bin/sh", "-c", "test -t 0 && test -t 2 && stty size && read x && echo got $x",
                    NULL};
    struct result r = run(argv, "word\n", 5, true, 0);
    assert_int_equal(r.status, 0);
    assert_non_null(strstr(r.out, "37 91"));
    assert_non_null(strstr(r.out, "got word"));
    done(&r);
    char *cat[] = {"cat", NULL}; /* ends at the end of the input */
    r = run(cat, "line\n", 5, true, 0);
    assert_int_equal(r.status, 0);
    done(&r);
}

int main(void)
{
#define SCRIPT(t) cmocka_unit_test_setup_teardown(t, setup_scripted, teardown_scripted)
    const struct CMUnitTest tests[] = {
        SCRIPT(test_conversation),           SCRIPT(test_little_room), SCRIPT(test_failure),
        SCRIPT(test_wrong_version),          SCRIPT(test_nonsense),    SCRIPT(test_too_long),
        cmocka_unit_test(test_start_checks),
    };
    const struct CMUnitTest together[] = {
        cmocka_unit_test(test_streams),      cmocka_unit_test(test_eight_bits),
        cmocka_unit_test(test_input_unread), cmocka_unit_test(test_signals),
        cmocka_unit_test(test_not_there),    cmocka_unit_test(test_terminal),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (!getenv("DOPPEL_AGENT")) {
        fprintf(stderr, "set DOPPEL_AGENT to the agent's path\n");
        return 1;
    }
    return failed + cmocka_run_group_tests(together, NULL, NULL);
}
