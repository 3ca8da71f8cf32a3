/* SPDX-License-Identifier: BSD-2-Clause */
/* The vCPU loop and an engine together: guests run, stop, sleep, are reset, change their code. */
#include "../unit/cmocka_all.h"

#include "rig.h"

#include "base/mem.h"
#include "engine/interpret/interpret.h"
#include "engine/translate/translate.h"
#include "isa/x86/exec/cpu.h"
#include <string.h>

static const struct engine_ops *engine = &engine_interpret;

static int run_guest(struct guest g, unsigned cpus, const char *text)
{
    struct rig r;
    rig_open(&r, engine, cpus, true, g);
    rig_start(&r);
    int status = rig_wait(&r);
    if (text)
        assert_string_equal(r.text, text);
    rig_close(&r);
    return status;
}

static void real_mode_prints(void **state)
{
    (void)state;
    assert_int_equal(run_guest(GUEST_OF(guest_real, true), 1, "real"), 7);
}

static void long_mode_computes(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r, engine, 1, true, GUEST_OF(guest_sum, false));
    rig_start(&r);
    assert_int_equal(rig_wait(&r), 1);
    struct exit_counters c;
    vm_exit_counters(r.vm, &c);
    /* 4 a round, 2 before and 5 after; what follows the exit is not counted on. */
    assert_in_range(c.instructions, 4000006, 4000020);
    assert_int_equal(c.count[EXIT_PORT_OUT], 1);
    assert_int_equal(c.count[EXIT_UNCLAIMED_PORT], 0);
    rig_close(&r);
}

static void pause_stops_and_resume_goes_on(struct guest g)
{
    struct rig r;
    rig_open(&r, engine, 1, true, g);
    rig_start(&r);
    u64 last = 0;
    for (int i = 0; i < 20; i++) {
        while (rig_peek(&r, RIG_COUNTER) == last)
            ;
        vm_pause(r.vm);
        last = rig_peek(&r, RIG_COUNTER);
        for (volatile int k = 0; k < 100000; k++)
            ;
        assert_true(rig_peek(&r, RIG_COUNTER) == last);
        vm_resume(r.vm);
    }
    /* Pauses nest. */
    vm_pause(r.vm);
    vm_pause(r.vm);
    vm_resume(r.vm);
    last = rig_peek(&r, RIG_COUNTER);
    assert_true(rig_peek(&r, RIG_COUNTER) == last);
    vm_resume(r.vm);
    while (rig_peek(&r, RIG_COUNTER) == last)
        ;
    rig_close(&r);
}

static void pause_stops_a_loop(void **state)
{
    (void)state;
    pause_stops_and_resume_goes_on(GUEST_OF(guest_count, false));
}

static void pause_stops_endless_returns(void **state)
{
    (void)state;
    pause_stops_and_resume_goes_on(GUEST_OF(guest_returns, false));
}

static void stores_from_outside_are_seen(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r, engine, 1, true, GUEST_OF(guest_wait_flag, false));
    rig_start(&r);
    rig_poke(&r, RIG_COUNTER + 8, 1);
    assert_int_equal(rig_wait(&r), 5);
    rig_close(&r);
}

/* Code that runs is replaced by a writer that is no vCPU. */
static void code_written_from_outside_is_dropped(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r, engine, 1, true, GUEST_OF(guest_count, false));
    rig_start(&r);
    while (rig_peek(&r, RIG_COUNTER) < 1000)
        ;
    struct guest g = GUEST_OF(guest_wait_flag, false);
    vm_pause(r.vm);
    assert_int_equal(
        guest_memory_write(r.vm->memory, gpa(RIG_CODE), g.start, (u64)(g.end - g.start)), 0);
    struct x86_state *s = mem_alloc_aligned(64, sizeof *s);
    rig_entry(&r, g, s);
    assert_int_equal(vm_set_state(r.vm, 0, s, NULL), 0);
    mem_free(s);
    rig_poke(&r, RIG_COUNTER + 8, 1);
    vm_resume(r.vm);
    assert_int_equal(rig_wait(&r), 5);
    rig_close(&r);
}

static void self_modifying_code_works(void **state)
{
    (void)state;
    assert_int_equal(run_guest(GUEST_OF(guest_smc, false), 1, "AxByCCDE"), 0);
}

static void timer_wakes_halted_processor(void **state)
{
    (void)state;
    assert_int_equal(run_guest(GUEST_OF(guest_timer, false), 1, "..."), 3);
}

static void nmi_wakes_halted_processor(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r, engine, 1, true, GUEST_OF(guest_nmi, false));
    rig_start(&r);
    while (!rig_peek(&r, RIG_COUNTER))
        ;
    vm_nmi(r.vm, 0);
    assert_int_equal(rig_wait(&r), 2);
    rig_close(&r);
}

static void triple_fault_ends_the_machine(void **state)
{
    (void)state;
    assert_int_equal(run_guest(GUEST_OF(guest_triple, false), 1, NULL), -VM_CRASHED);
}

static struct guest reset_to;

static int reset_hook(void *ctx, struct err *e)
{
    struct rig *r = ctx;
    int n = guest_memory_write(r->vm->memory, gpa(RIG_CODE), reset_to.start,
                               (u64)(reset_to.end - reset_to.start));
    struct x86_state *s = mem_alloc_aligned(64, sizeof *s);
    rig_entry(r, reset_to, s);
    if (!n)
        n = vm_set_state(r->vm, 0, s, e);
    mem_free(s);
    return n;
}

static void reset_starts_again(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r, engine, 2, false, GUEST_OF(guest_triple, false));
    r.vm->machine_reset = reset_hook;
    r.vm->machine_ctx = &r;
    reset_to = GUEST_OF(guest_real, true);
    rig_start(&r);
    assert_int_equal(rig_wait(&r), 7);
    assert_string_equal(r.text, "real");
    rig_close(&r);
}

static void processors_share_memory_atomically(void **state)
{
    (void)state;
    assert_int_equal(run_guest(GUEST_OF(guest_smp, false), 2, NULL), 1);
}

static void code_written_by_another_processor_is_dropped(void **state)
{
    (void)state;
    assert_int_equal(run_guest(GUEST_OF(guest_cross_smc, false), 2, NULL), 4);
}

static void time_stamp_never_goes_back(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r, engine, 1, true, GUEST_OF(guest_tsc, false));
    rig_start(&r);
    for (int i = 0; i < 10; i++) {
        vm_pause(r.vm);
        vm_resume(r.vm);
    }
    assert_int_equal(rig_wait(&r), 6);
    rig_close(&r);
}

/* Stopped anywhere, the state goes out and in again and nothing is lost. */
static void state_survives_a_round_trip(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r, engine, 1, true, GUEST_OF(guest_sum, false));
    struct x86_state *a = mem_alloc_aligned(64, sizeof *a), *b = mem_alloc_aligned(64, sizeof *b);
    rig_start(&r);
    for (int i = 0; i < 50; i++) {
        vm_pause(r.vm);
        assert_int_equal(vm_get_state(r.vm, 0, a, NULL), 0);
        assert_int_equal(vm_set_state(r.vm, 0, a, NULL), 0);
        assert_int_equal(vm_get_state(r.vm, 0, b, NULL), 0);
        assert_memory_equal(a, b, sizeof *a);
        vm_resume(r.vm);
    }
    assert_int_equal(rig_wait(&r), 1);
    mem_free(a);
    mem_free(b);
    rig_close(&r);
}

static void dirty_log_sees_guest_stores(void **state)
{
    (void)state;
    rig_check_dirty_log(engine, GUEST_OF(guest_count, false));
}

static unsigned intercepted[2];

static bool take_intercept(void *ctx, struct vcpu *v)
{
    struct rig *r = ctx;
    struct x86_state *s = mem_alloc_aligned(64, sizeof *s);
    int n = vm_get_state(r->vm, v->index, s, NULL);
    if (v->intercepted == (u32)X86_ICPT_EXCEPTION && v->intercepted_event.vector == X86_UD)
        intercepted[0]++;
    if (v->intercepted == X86_ICPT_INT)
        intercepted[1]++;
    s->rip += 2;
    s->gpr[X86_RBX] += 20;
    n |= vm_set_state(r->vm, v->index, s, NULL);
    mem_free(s);
    return !n;
}

static void intercepted_events_go_to_the_monitor(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r, engine, 1, true, GUEST_OF(guest_intercept, false));
    r.vm->intercepted = take_intercept;
    r.vm->intercepted_ctx = &r;
    r.vm->vcpu[0]->intercept_exceptions = 1 << X86_UD;
    r.vm->vcpu[0]->intercept_other = X86_ICPT_INT;
    rig_start(&r);
    assert_int_equal(rig_wait(&r), 40);
    assert_int_equal(intercepted[0], 1);
    assert_int_equal(intercepted[1], 1);
    rig_close(&r);
    /* The same without anybody to take them. */
    assert_int_equal(run_guest(GUEST_OF(guest_intercept, false), 1, NULL), -VM_CRASHED);
}

/* test_run [translate]: on the interpreter, or what is not counted in instructions of it. */
int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "translate")) {
        engine = &engine_translate;
        cmocka_set_skip_filter("long_mode_computes");
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(real_mode_prints),
        cmocka_unit_test(long_mode_computes),
        cmocka_unit_test(pause_stops_a_loop),
        cmocka_unit_test(pause_stops_endless_returns),
        cmocka_unit_test(stores_from_outside_are_seen),
        cmocka_unit_test(code_written_from_outside_is_dropped),
        cmocka_unit_test(self_modifying_code_works),
        cmocka_unit_test(timer_wakes_halted_processor),
        cmocka_unit_test(nmi_wakes_halted_processor),
        cmocka_unit_test(triple_fault_ends_the_machine),
        cmocka_unit_test(reset_starts_again),
        cmocka_unit_test(processors_share_memory_atomically),
        cmocka_unit_test(code_written_by_another_processor_is_dropped),
        cmocka_unit_test(time_stamp_never_goes_back),
        cmocka_unit_test(state_survives_a_round_trip),
        cmocka_unit_test(dirty_log_sees_guest_stores),
        cmocka_unit_test(intercepted_events_go_to_the_monitor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
