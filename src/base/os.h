/* SPDX-License-Identifier: BSD-2-Clause */
/* What the core needs of the system below it: locks, threads, a monotonic clock, the event loop.
 * Declared here, implemented in src/host (and one day on bare metal). */
#ifndef BASE_OS_H
#define BASE_OS_H

#include "base/err.h"
#include "base/types.h"

/* A mutex is not recursive. Zero-initialised memory is an unlocked mutex. */
struct os_mutex {
    alignas(8) u8 opaque[40];
};
void os_mutex_lock(struct os_mutex *m);
void os_mutex_unlock(struct os_mutex *m);

/* Zero-initialised memory is a valid condition variable. */
struct os_cond {
    alignas(8) u8 opaque[48];
};
void os_cond_wait(struct os_cond *c, struct os_mutex *m);
/* Waits until signalled or until os_clock_ns() passes deadline; false on time-out. */
bool os_cond_wait_until(struct os_cond *c, struct os_mutex *m, u64 deadline_ns);
void os_cond_signal(struct os_cond *c);
void os_cond_broadcast(struct os_cond *c);

static inline void auto_unlock_(struct os_mutex **m)
{
    if (*m)
        os_mutex_unlock(*m);
}
/* Holds m until the end of the enclosing scope. */
#define with_lock(m)                                                                               \
    struct os_mutex *with_lock_ __attribute__((cleanup(auto_unlock_), unused)) = (m);              \
    os_mutex_lock(with_lock_)

struct os_thread;
/* Starts fn(ctx) on a new thread named name (15 bytes at most are kept). */
int os_thread_create(struct os_thread **out, const char *name, void *(*fn)(void *), void *ctx,
                     struct err *e) must_check;
/* Waits for the thread's end and frees it. NULL is allowed. */
void os_thread_join(struct os_thread *t);
/* Interrupts a blocking system call of the thread (EINTR); async-signal-safe. */
void os_thread_interrupt(struct os_thread *t);

/* How long the calling thread, one that os_thread_create made, has waited for a processor although
 * it could run; 0 where the host does not tell. */
u64 os_thread_delay_ns(void);

/* Samples of the calling thread, one each period of its processor time (several come as one where
 * the host is not that exact). fn runs in a signal handler: async-signal-safe, on the interrupted
 * stack. Before the process is confined. */
struct os_sample {
    u64 pc, sp, r10;  /* registers of the host at the interrupted place */
    unsigned periods; /* that it stands for */
};
struct os_sampler;
int os_sampler_start(struct os_sampler **out, u64 period_ns,
                     void (*fn)(void *ctx, const struct os_sample *s), void *ctx,
                     struct err *e) must_check;
/* By the same thread, at its end: it cannot be sampled again. NULL is allowed. */
void os_sampler_stop(struct os_sampler *s);

/* Monotonic nanoseconds; wall-clock nanoseconds since 1970. Any thread. */
u64 os_clock_ns(void);
u64 os_wall_clock_ns(void);
/* Fills buf from the system's entropy source. */
int os_random(void *buf, size_t n) must_check;

/* The event loop: one thread runs it; watches and timers may be added from any thread, their
 * functions are called on the loop's thread without any lock of the loop held. */
struct os_loop;
struct os_watch;
struct os_timer;
enum { OS_READ = 1, OS_WRITE = 2, OS_HANGUP = 4 };
int os_loop_create(struct os_loop **out, struct err *e) must_check;
void os_loop_destroy(struct os_loop *l);
/* Runs until os_loop_stop; returns 0 or -errno. */
int os_loop_run(struct os_loop *l);
/* Any thread, async-signal-safe. */
void os_loop_stop(struct os_loop *l);
/* Calls fn(ctx) once on the loop's thread, soon. Any thread. -ENOMEM. */
int os_loop_post(struct os_loop *l, void (*fn)(void *), void *ctx);
/* Watches fd for events (OS_READ|OS_WRITE); level-triggered. */
int os_watch_create(struct os_watch **out, struct os_loop *l, int fd, unsigned events,
                    void (*fn)(void *ctx, unsigned events), void *ctx, struct err *e) must_check;
int os_watch_set_events(struct os_watch *w, unsigned events);
/* After it returns fn is not running and is not called again (unless called from fn itself). */
void os_watch_destroy(struct os_watch *w);
/* A one-shot timer on os_clock_ns. Arming replaces the earlier deadline. Any thread. */
int os_timer_create(struct os_timer **out, struct os_loop *l, void (*fn)(void *), void *ctx,
                    struct err *e) must_check;
void os_timer_arm(struct os_timer *t, u64 deadline_ns);
void os_timer_cancel(struct os_timer *t);
void os_timer_destroy(struct os_timer *t);

/* Executable memory, mapped twice: `rw` to write, `rx` to run; the same bytes at both. No address
 * is ever writable and executable. */
struct os_code {
    u8 *rw, *rx;
    size_t size;
    size_t huge; /* [0, huge) has been made huge pages, or never will be */
};
int os_code_create(struct os_code *c, size_t size, struct err *e) must_check;
void os_code_destroy(struct os_code *c);
/* [0, used) is in use, a little more than before: huge pages where the host can make them. */
void os_code_grown(struct os_code *c, size_t used);

#endif
