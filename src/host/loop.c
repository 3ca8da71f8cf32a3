/* SPDX-License-Identifier: BSD-2-Clause */
/* The event loop of base/os.h: epoll for descriptors, one timerfd for all timers, an eventfd to
 * wake it.
 *
 * Locking: loop->lock protects the lists and every watch's and timer's fields. Functions are
 * called without it. `running` names the watch or timer whose function is being called; destroy and
 * cancel from another thread wait on `idle` until it is another one. */
#include "base/list.h"
#include "base/mem.h"
#include "base/os.h"

#include <errno.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

struct os_loop {
    int epoll, wake, timerfd;
    struct os_mutex lock;
    struct os_cond idle;
    struct list watches, timers, posts;
    void *running;
    pthread_t thread;
    bool in_run;
    int stop;          /* atomic */
    u64 programmed_ns; /* what the timerfd is set to; 0: nothing */
};

struct os_watch {
    struct list node;
    struct os_loop *loop;
    int fd;
    unsigned events;
    bool always_ready; /* a regular file: epoll refuses it, it never blocks */
    void (*fn)(void *, unsigned);
    void *ctx;
};

struct os_timer {
    struct list node; /* in loop->timers while armed, unordered: there are a dozen */
    struct os_loop *loop;
    u64 deadline_ns;
    void (*fn)(void *);
    void *ctx;
};

struct post {
    struct list node;
    void (*fn)(void *);
    void *ctx;
};

/* syscalls: write */
static void loop_wake(struct os_loop *l)
{
    u64 one = 1;
    ssize_t n = write(l->wake, &one, sizeof one);
    (void)n; /* a full counter wakes as well */
}

/* syscalls: close */
static void close_fd(int fd)
{
    if (fd >= 0)
        close(fd);
}

int os_loop_create(struct os_loop **out, struct err *e)
{
    struct os_loop *l = mem_alloc(sizeof *l);
    if (!l)
        return err_set(e, -ENOMEM, "creating the event loop: out of memory");
    list_init(&l->watches);
    list_init(&l->timers);
    list_init(&l->posts);
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    l->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    l->timerfd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    struct epoll_event wake = {.events = EPOLLIN, .data.ptr = &l->wake};
    struct epoll_event timer = {.events = EPOLLIN, .data.ptr = &l->timerfd};
    if (l->epoll < 0 || l->wake < 0 || l->timerfd < 0 ||
        epoll_ctl(l->epoll, EPOLL_CTL_ADD, l->wake, &wake) ||
        epoll_ctl(l->epoll, EPOLL_CTL_ADD, l->timerfd, &timer)) {
        int err = errno;
        os_loop_destroy(l);
        return err_set(e, -err, "creating the event loop: %s", err_name(err));
    }
    *out = l;
    return 0;
}

void os_loop_destroy(struct os_loop *l)
{
    if (!l)
        return;
    list_for_each_safe (n, &l->posts)
        mem_free(list_entry(n, struct post, node));
    close_fd(l->epoll);
    close_fd(l->wake);
    close_fd(l->timerfd);
    mem_free(l);
}

static bool on_loop_thread(struct os_loop *l)
{
    return l->in_run && pthread_equal(l->thread, pthread_self());
}

/* Waits until what's function is not being called; with the lock held. */
static void wait_not_running(struct os_loop *l, void *what)
{
    while (l->running == what && !on_loop_thread(l))
        os_cond_wait(&l->idle, &l->lock);
}

static void begin_call(struct os_loop *l, void *what)
{
    l->running = what;
    os_mutex_unlock(&l->lock);
}

static void end_call(struct os_loop *l)
{
    os_mutex_lock(&l->lock);
    l->running = NULL;
    os_cond_broadcast(&l->idle);
}

/* syscalls: timerfd_settime */
/* Sets the timerfd to the earliest deadline; with the lock held. */
static void program_timer(struct os_loop *l)
{
    u64 first = 0;
    list_for_each (n, &l->timers) {
        struct os_timer *t = list_entry(n, struct os_timer, node);
        if (!first || t->deadline_ns < first)
            first = t->deadline_ns ? t->deadline_ns : 1;
    }
    if (first == l->programmed_ns)
        return;
    l->programmed_ns = first;
    struct itimerspec its = {.it_value = {.tv_sec = (time_t)(first / 1000000000u),
                                          .tv_nsec = (long)(first % 1000000000u)}};
    timerfd_settime(l->timerfd, TFD_TIMER_ABSTIME, &its, NULL);
}

static void run_timers(struct os_loop *l)
{
    u64 now = os_clock_ns();
    os_mutex_lock(&l->lock);
    for (;;) {
        struct os_timer *due = NULL;
        list_for_each (n, &l->timers) {
            struct os_timer *t = list_entry(n, struct os_timer, node);
            if (t->deadline_ns <= now && (!due || t->deadline_ns < due->deadline_ns))
                due = t;
        }
        if (!due)
            break;
        list_remove(&due->node);
        begin_call(l, due);
        due->fn(due->ctx);
        end_call(l);
    }
    l->programmed_ns = 0; /* it has fired, or is about to be replaced */
    program_timer(l);
    os_mutex_unlock(&l->lock);
}

static void run_posts(struct os_loop *l)
{
    os_mutex_lock(&l->lock);
    while (!list_empty(&l->posts)) {
        struct post *p = list_entry(l->posts.next, struct post, node);
        list_remove(&p->node);
        begin_call(l, p);
        p->fn(p->ctx);
        end_call(l);
        mem_free(p);
    }
    os_mutex_unlock(&l->lock);
}

static void call_watch(struct os_loop *l, struct os_watch *w, unsigned events)
{
    os_mutex_lock(&l->lock);
    bool alive = false; /* an earlier function of this round may have destroyed it */
    list_for_each (n, &l->watches)
        alive |= n == &w->node;
    events = alive ? events & (w->events | OS_HANGUP) : 0;
    if (events) {
        begin_call(l, w);
        w->fn(w->ctx, events);
        end_call(l);
    }
    os_mutex_unlock(&l->lock);
}

/* Regular files are always ready: calls them once a round; true when there is one. */
static bool run_always_ready(struct os_loop *l, bool call)
{
    os_mutex_lock(&l->lock);
    bool any = false;
    struct os_watch *ready[16];
    unsigned count = 0;
    list_for_each (n, &l->watches) {
        struct os_watch *w = list_entry(n, struct os_watch, node);
        if (w->always_ready && w->events) {
            any = true;
            if (count < ARRAY_LEN(ready))
                ready[count++] = w;
        }
    }
    os_mutex_unlock(&l->lock);
    for (unsigned i = 0; call && i < count; i++)
        call_watch(l, ready[i], OS_READ | OS_WRITE);
    return any;
}

static unsigned events_of(u32 ep)
{
    unsigned ev = 0;
    if (ep & (EPOLLIN | EPOLLHUP | EPOLLERR))
        ev |= OS_READ;
    if (ep & (EPOLLOUT | EPOLLERR))
        ev |= OS_WRITE;
    if (ep & (EPOLLHUP | EPOLLERR))
        ev |= OS_HANGUP;
    return ev;
}

/* syscalls: epoll_wait epoll_pwait epoll_ctl read */
int os_loop_run(struct os_loop *l)
{
    l->thread = pthread_self();
    l->in_run = true;
    while (!__atomic_load_n(&l->stop, __ATOMIC_ACQUIRE)) {
        struct epoll_event ev[16];
        int timeout = run_always_ready(l, false) ? 0 : -1;
        int n = epoll_wait(l->epoll, ev, ARRAY_LEN(ev), timeout);
        if (n < 0 && errno != EINTR) {
            l->in_run = false;
            return -errno;
        }
        for (int i = 0; i < n; i++) {
            u64 count;
            if (ev[i].data.ptr == &l->wake || ev[i].data.ptr == &l->timerfd) {
                ssize_t got = read(*(int *)ev[i].data.ptr, &count, sizeof count);
                (void)got; /* only to clear it */
            } else {
                call_watch(l, ev[i].data.ptr, events_of(ev[i].events));
            }
        }
        run_always_ready(l, true);
        run_timers(l);
        run_posts(l);
    }
    l->in_run = false;
    return 0;
}

void os_loop_stop(struct os_loop *l)
{
    __atomic_store_n(&l->stop, 1, __ATOMIC_RELEASE);
    loop_wake(l);
}

int os_loop_post(struct os_loop *l, void (*fn)(void *), void *ctx)
{
    struct post *p = mem_alloc(sizeof *p);
    if (!p)
        return -ENOMEM;
    p->fn = fn;
    p->ctx = ctx;
    os_mutex_lock(&l->lock);
    list_push_back(&l->posts, &p->node);
    os_mutex_unlock(&l->lock);
    loop_wake(l);
    return 0;
}

static u32 epoll_events(unsigned events)
{
    return (events & OS_READ ? EPOLLIN : 0u) | (events & OS_WRITE ? EPOLLOUT : 0u);
}

int os_watch_create(struct os_watch **out, struct os_loop *l, int fd, unsigned events,
                    void (*fn)(void *ctx, unsigned events), void *ctx, struct err *e)
{
    struct os_watch *w = mem_alloc(sizeof *w);
    if (!w)
        return err_set(e, -ENOMEM, "watching a descriptor: out of memory");
    *w = (struct os_watch){.loop = l, .fd = fd, .events = events, .fn = fn, .ctx = ctx};
    os_mutex_lock(&l->lock);
    list_push_back(&l->watches, &w->node);
    struct epoll_event ev = {.events = epoll_events(events), .data.ptr = w};
    int err = epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &ev) ? errno : 0;
    if (err == EPERM) {
        w->always_ready = true;
        err = 0;
    }
    /* A watch for nothing is not registered, as os_watch_set_events leaves it. */
    if (!err && !events && !w->always_ready)
        epoll_ctl(l->epoll, EPOLL_CTL_DEL, fd, NULL);
    if (err)
        list_remove(&w->node);
    os_mutex_unlock(&l->lock);
    if (err) {
        mem_free(w);
        return err_set(e, -err, "watching descriptor %d: %s", fd, err_name(err));
    }
    if (w->always_ready)
        loop_wake(l);
    *out = w;
    return 0;
}

int os_watch_set_events(struct os_watch *w, unsigned events)
{
    struct os_loop *l = w->loop;
    with_lock(&l->lock);
    if (w->events == events)
        return 0;
    /* A hung-up descriptor nobody wants to read or write would wake epoll for ever: leave it. */
    int op = !events ? EPOLL_CTL_DEL : w->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    w->events = events;
    if (w->always_ready) {
        loop_wake(l);
        return 0;
    }
    struct epoll_event ev = {.events = epoll_events(events), .data.ptr = w};
    return epoll_ctl(l->epoll, op, w->fd, &ev) ? -errno : 0;
}

void os_watch_destroy(struct os_watch *w)
{
    if (!w)
        return;
    struct os_loop *l = w->loop;
    os_mutex_lock(&l->lock);
    wait_not_running(l, w);
    if (!w->always_ready && w->events)
        epoll_ctl(l->epoll, EPOLL_CTL_DEL, w->fd, NULL);
    list_remove(&w->node);
    os_mutex_unlock(&l->lock);
    mem_free(w);
}

int os_timer_create(struct os_timer **out, struct os_loop *l, void (*fn)(void *), void *ctx,
                    struct err *e)
{
    struct os_timer *t = mem_alloc(sizeof *t);
    if (!t)
        return err_set(e, -ENOMEM, "creating a timer: out of memory");
    *t = (struct os_timer){.loop = l, .fn = fn, .ctx = ctx};
    list_init(&t->node);
    *out = t;
    return 0;
}

void os_timer_arm(struct os_timer *t, u64 deadline_ns)
{
    with_lock(&t->loop->lock);
    t->deadline_ns = deadline_ns;
    if (list_empty(&t->node))
        list_push_back(&t->loop->timers, &t->node);
    program_timer(t->loop);
}

void os_timer_cancel(struct os_timer *t)
{
    with_lock(&t->loop->lock);
    list_remove(&t->node);
    wait_not_running(t->loop, t);
}

void os_timer_destroy(struct os_timer *t)
{
    if (!t)
        return;
    os_timer_cancel(t);
    mem_free(t);
}
