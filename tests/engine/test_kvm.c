/* SPDX-License-Identifier: BSD-2-Clause */
/* Engine kvm alone: stopping a processor that sleeps in the kernel, instructions that isa/x86/exec
 * finishes, and what is said where /dev/kvm is absent or forbidden. Skipped without /dev/kvm. */
#include "../unit/cmocka_all.h"

#include "rig.h"

#include "engine/kvm/kvm.h"
#include <errno.h>
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SKIPPED = 77 };

/* The guest never wakes up by itself: only the kick can end each pause and the machine. */
static void sleeping_processor_stops(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r, &engine_kvm, 1, true, GUEST_OF(guest_nmi, false));
    rig_start(&r);
    while (!rig_peek(&r, RIG_COUNTER))
        usleep(1000);
    for (int i = 0; i < 50; i++) {
        vm_pause(r.vm);
        vm_resume(r.vm);
    }
    vm_nmi(r.vm, 0);
    assert_int_equal(rig_wait(&r), 2);
    rig_close(&r);
    rig_open(&r, &engine_kvm, 2, true, GUEST_OF(guest_nmi, false));
    rig_start(&r);
    while (!rig_peek(&r, RIG_COUNTER))
        usleep(1000);
    rig_close(&r); /* with one processor in HLT and one waiting for start-up */
}

/* Kicks that arrive at any moment of run() are not lost: a lost one would hang. */
static void kicks_are_not_lost(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r, &engine_kvm, 1, true, GUEST_OF(guest_count, false));
    rig_start(&r);
    for (int i = 0; i < 300; i++) {
        vm_pause(r.vm);
        vm_resume(r.vm);
    }
    u64 seen = rig_peek(&r, RIG_COUNTER);
    while (rig_peek(&r, RIG_COUNTER) == seen)
        usleep(100);
    rig_close(&r);
}

static struct guest reset_to;

static int reset_hook(void *ctx, struct err *e)
{
    struct rig *r = ctx;
    struct x86_state *s = aligned_alloc(64, (sizeof *s + 63) / 64 * 64);
    int n = guest_memory_write(r->vm->memory, gpa(RIG_CODE), reset_to.start,
                               (u64)(reset_to.end - reset_to.start));
    rig_entry(r, reset_to, s);
    if (!n)
        n = vm_set_state(r->vm, 0, s, e);
    free(s);
    return n;
}

/* A triple fault with the second processor running: both start over. */
static void reset_starts_again(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r, &engine_kvm, 2, false, GUEST_OF(guest_triple, false));
    r.vm->machine_reset = reset_hook;
    r.vm->machine_ctx = &r;
    reset_to = GUEST_OF(guest_smp, false);
    rig_start(&r);
    assert_int_equal(rig_wait(&r), 1);
    rig_close(&r);
}

static void dirty_log_sees_guest_stores(void **state)
{
    rig_check_dirty_log(&engine_kvm, GUEST_OF(guest_count, false));
}

static void instructions_are_finished_and_counted(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r, &engine_kvm, 1, true, GUEST_OF(guest_gives_up, false));
    rig_start(&r);
    assert_int_equal(rig_wait(&r), 3);
    struct exit_counters c;
    vm_exit_counters(r.vm, &c);
    struct kvm_probe probe;
    kvm_probe_host(&probe, NULL);
    /* Hardware runs them all; KVM's emulator, where it runs ring 0, knows none of the three. */
    if (probe.kind == KVM_SOFTWARE)
        assert_in_range(c.count[EXIT_EMULATION_FALLBACK], 3, 12);
    rig_close(&r);
}

/* In a child with a /dev of its own. */
static int in_private_dev(int (*check)(void))
{
    pid_t child = fork();
    if (!child) {
        if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
            _exit(SKIPPED);
        _exit(check());
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static int says(int code, const char *text, const char *hint)
{
    struct err e = {0};
    struct kvm_probe p;
    kvm_probe_host(&p, &e);
    bool right = p.kind == KVM_ABSENT && e.code == code && strstr(e.text, "/dev/kvm") &&
                 strstr(e.text, text) && strstr(e.hint, hint);
    if (!right)
        fprintf(stderr, "got: %d %s (%s)\n", e.code, e.text, e.hint);
    return !right;
}
static int absent(void)
{
    if (mount("none", "/dev", "tmpfs", 0, NULL))
        return SKIPPED;
    return says(-ENOENT, "is not there", "");
}
static int other_device(void)
{
    if (mount("/dev/null", "/dev/kvm", NULL, MS_BIND, NULL))
        return SKIPPED;
    return says(-ENOTSUP, "is not KVM", "10:232");
}
static int folder(void)
{
    if (mount("none", "/dev", "tmpfs", 0, NULL) || mkdir("/dev/kvm", 0755))
        return SKIPPED;
    return says(-EISDIR, "/dev/kvm", "10:232");
}
static int no_driver(void)
{
    /* Major number 0 belongs to no driver. */
    if (mount("none", "/dev", "tmpfs", 0, NULL) || mknod("/dev/kvm", S_IFCHR | 0666, 0))
        return SKIPPED;
    return says(-ENXIO, "nothing in the kernel stands behind it", "");
}
/* The cure depends on whom the mode shuts out. */
static int forbidden(gid_t group, mode_t mode, const char *hint)
{
    if (mount("none", "/dev", "tmpfs", 0, NULL) || mknod("/dev/kvm", S_IFREG, 0) ||
        chown("/dev/kvm", 0, group) || chmod("/dev/kvm", mode) || setgroups(0, NULL) ||
        setgid(65534) || setuid(65534))
        return SKIPPED;
    return says(-EACCES, "no permission", hint);
}
static int forbidden_to_all(void)
{
    return forbidden(0, 0600, "no group may open it");
}
static int forbidden_to_the_group(void)
{
    return forbidden(4321, 0600, "no group may open it");
}
static int forbidden_outside_the_group(void)
{
    return forbidden(4321, 0660, "usermod -aG 4321 USER");
}

static void errors_have_cause_and_cure(void **state)
{
    (void)state;
    int (*const checks[])(void) = {absent,
                                   other_device,
                                   folder,
                                   no_driver,
                                   forbidden_to_all,
                                   forbidden_to_the_group,
                                   forbidden_outside_the_group};
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
        int r = in_private_dev(checks[i]);
        if (r == SKIPPED)
            skip(); /* no mount namespace for this user */
        assert_int_equal(r, 0);
    }
}

int main(void)
{
    struct err e = {0};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sleeping_processor_stops),
        cmocka_unit_test(kicks_are_not_lost),
        cmocka_unit_test(reset_starts_again),
        cmocka_unit_test(dirty_log_sees_guest_stores),
        cmocka_unit_test(instructions_are_finished_and_counted),
        cmocka_unit_test(errors_have_cause_and_cure),
    };
    if (engine_kvm.probe(&e)) {
        fprintf(stderr, "skipped: %s\n", e.text);
        return SKIPPED;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
