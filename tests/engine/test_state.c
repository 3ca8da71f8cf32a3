/* SPDX-License-Identifier: BSD-2-Clause */
/* The state of a running guest, read from one engine and continued by another. */
#include "../unit/cmocka_all.h"

#include "rig.h"

#include "base/mem.h"
#include "engine/interpret/interpret.h"
#include "engine/kvm/kvm.h"
#include "engine/translate/translate.h"
#include <string.h>
#include <time.h>

/* Where guest_state waits in HLT instead of spinning, and where it says that it is ready. */
enum { READY = RIG_COUNTER, GO_ON = RIG_COUNTER + 8, HALTS = RIG_COUNTER + 0x10 };

static const struct engine_ops *const pairs[][2] = {
    {&engine_interpret, &engine_interpret}, {&engine_interpret, &engine_kvm},
    {&engine_kvm, &engine_interpret},       {&engine_kvm, &engine_kvm},
    {&engine_translate, &engine_translate}, {&engine_translate, &engine_interpret},
    {&engine_interpret, &engine_translate}, {&engine_kvm, &engine_translate},
};

static bool works(const struct engine_ops *engine)
{
    struct err e = {0};
    return !engine->probe || !engine->probe(&e);
}

/* What both can run. */
static void common_model(const struct engine_ops *const pair[2], struct x86_cpu_model *m)
{
    struct x86_cpu_model other;
    assert_int_equal(pair[0]->model(m, NULL), 0);
    assert_int_equal(pair[1]->model(&other, NULL), 0);
    assert_int_equal(x86_model_intersect(m, &other, false, NULL), 0);
}

static void note_cpuid(void *ctx, const char *keyword, const char *text)
{
    (void)text;
    *(bool *)ctx |= !strcmp(keyword, "cpuid");
}

/* Does a guest see the processor model at all? Not on a KVM that lets it execute CPUID itself. */
static bool shows_model(const struct engine_ops *engine)
{
    bool shows_host = false;
    if (engine->quirks)
        engine->quirks(note_cpuid, &shows_host);
    return !shows_host;
}

static void sleep_ms(unsigned ms)
{
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000L}, NULL);
}

static void wait_until_ready(struct rig *r)
{
    while (!rig_peek(r, READY))
        sleep_ms(1);
}

/* Time, memory and processors of a paused machine into one that has not started. */
static void move(struct rig *from, struct rig *to)
{
    struct x86_state *s = mem_alloc_aligned(64, sizeof *s);
    struct err e = {0};
    clock_set(to->vm->clock, clock_now_ns(from->vm->clock));
    memcpy(guest_memory_ptr(to->vm->memory, gpa(0), RIG_RAM),
           guest_memory_ptr(from->vm->memory, gpa(0), RIG_RAM), RIG_RAM);
    for (unsigned i = 0; i < from->vm->cpus; i++) {
        if (vm_get_state(from->vm, i, s, &e) || vm_set_state(to->vm, i, s, &e))
            fail_msg("processor %u: %s", i, e.text);
    }
    mem_free(s);
}

static void open_pair(struct rig r[2], const struct engine_ops *const pair[2], unsigned cpus,
                      struct guest g)
{
    for (int i = 0; i < 2; i++) {
        common_model(pair, &r[i].model);
        rig_open_model(&r[i], pair[i], cpus, true, g);
    }
}

static void everything_moves(const struct engine_ops *const pair[2])
{
    struct rig r[2];
    open_pair(r, pair, 1, GUEST_OF(guest_state, false));
    rig_start(&r[0]);
    wait_until_ready(&r[0]);
    vm_pause(r[0].vm);
    move(&r[0], &r[1]);
    rig_poke(&r[1], GO_ON, 1);
    rig_start(&r[1]);
    assert_int_equal(rig_wait(&r[1]), 1);
    rig_close(&r[0]);
    rig_close(&r[1]);
}

/* Registers wider than SSE's, as far as both engines offer them. */
static void vectors_move(const struct engine_ops *const pair[2])
{
    struct rig r[2];
    if (!shows_model(pair[0])) {
        print_message("    left out: its guest would use what the other engine lacks\n");
        return;
    }
    open_pair(r, pair, 1, GUEST_OF(guest_vectors, false));
    const struct x86_cpu_model *m = &r[0].model;
    int levels = 1;
    if (x86_model_has(m, X86_FEATURE_AVX))
        levels += (m->xcr0_allowed & 0xe0) == 0xe0 ? 6 : 2;
    print_message("    %s\n", levels == 7 ? "AVX-512" : levels == 3 ? "AVX" : "SSE");
    rig_start(&r[0]);
    wait_until_ready(&r[0]);
    vm_pause(r[0].vm);
    move(&r[0], &r[1]);
    rig_poke(&r[1], GO_ON, 1);
    rig_start(&r[1]);
    assert_int_equal(rig_wait(&r[1]), levels);
    rig_close(&r[0]);
    rig_close(&r[1]);
}

static u8 run_state(struct rig *r)
{
    struct x86_state *s = mem_alloc_aligned(64, sizeof *s);
    assert_int_equal(vm_get_state(r->vm, 0, s, NULL), 0);
    u8 state = s->run_state;
    mem_free(s);
    return state;
}

/* It sleeps in HLT on the one and is woken by the timer on the other. */
static void halted_processor_moves(const struct engine_ops *const pair[2])
{
    struct rig r[2];
    open_pair(r, pair, 1, GUEST_OF(guest_state, false));
    rig_poke(&r[0], HALTS, 1);
    rig_start(&r[0]);
    wait_until_ready(&r[0]);
    bool halted = false;
    for (int i = 0; i < 20 && !halted; i++) {
        vm_pause(r[0].vm);
        halted = run_state(&r[0]) == X86_HALTED;
        if (!halted)
            vm_resume(r[0].vm);
    }
    /* On a loaded host the timer may have been quicker: the move is still one. */
    if (!halted)
        vm_pause(r[0].vm);
    move(&r[0], &r[1]);
    rig_start(&r[1]);
    assert_int_equal(rig_wait(&r[1]), 1);
    rig_close(&r[0]);
    rig_close(&r[1]);
}

/* An application processor that waits for its start-up moves too, and starts on the other. */
static void waiting_processor_moves(const struct engine_ops *const pair[2])
{
    struct rig r[2];
    struct guest smp = GUEST_OF(guest_smp, false);
    open_pair(r, pair, 2, GUEST_OF(guest_count, false));
    rig_start(&r[0]);
    wait_until_ready(&r[0]);
    vm_pause(r[0].vm);
    move(&r[0], &r[1]);
    struct x86_state *s = mem_alloc_aligned(64, sizeof *s);
    assert_int_equal(vm_get_state(r[1].vm, 1, s, NULL), 0);
    assert_int_equal(s->run_state, X86_WAIT_SIPI);
    memset(guest_memory_ptr(r[1].vm->memory, gpa(RIG_COUNTER), 0x100), 0, 0x100);
    assert_int_equal(
        guest_memory_write(r[1].vm->memory, gpa(RIG_CODE), smp.start, (u64)(smp.end - smp.start)),
        0);
    rig_entry(&r[1], smp, s);
    assert_int_equal(vm_set_state(r[1].vm, 0, s, NULL), 0);
    mem_free(s);
    rig_start(&r[1]);
    assert_int_equal(rig_wait(&r[1]), 1);
    rig_close(&r[0]);
    rig_close(&r[1]);
}

/* Real mode, where segments are values and not descriptors. */
static void real_mode_moves(const struct engine_ops *const pair[2])
{
    struct rig r[2];
    open_pair(r, pair, 1, GUEST_OF(guest_real, true));
    move(&r[0], &r[1]); /* before its first instruction */
    rig_start(&r[1]);
    assert_int_equal(rig_wait(&r[1]), 7);
    assert_string_equal(r[1].text, "real");
    rig_close(&r[0]);
    rig_close(&r[1]);
}

static void on_every_pair(void (*test)(const struct engine_ops *const pair[2]))
{
    unsigned done = 0;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        if (!works(pairs[i][0]) || !works(pairs[i][1]))
            continue;
        print_message("  %s to %s\n", pairs[i][0]->name, pairs[i][1]->name);
        test(pairs[i]);
        done++;
    }
    assert_true(done > 0);
}
#define ON_EVERY_PAIR(name)                                                                        \
    static void test_##name(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        on_every_pair(name);                                                                       \
    }
ON_EVERY_PAIR(everything_moves)
ON_EVERY_PAIR(vectors_move)
ON_EVERY_PAIR(halted_processor_moves)
ON_EVERY_PAIR(waiting_processor_moves)
ON_EVERY_PAIR(real_mode_moves)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_moves),
        cmocka_unit_test(test_vectors_move),
        cmocka_unit_test(test_halted_processor_moves),
        cmocka_unit_test(test_waiting_processor_moves),
        cmocka_unit_test(test_real_mode_moves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
