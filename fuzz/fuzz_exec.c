/* SPDX-License-Identifier: BSD-2-Clause */
/* Any possible processor state and any code, in a tiny RAM between guard pages: nothing outside is
 * touched, nothing crashes, every step ends. */
#include "world.h"

#include "base/err.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STEPS = 256, GUARD = 1 << 20, CODE_MAX = 2048 };

static struct world *make(void)
{
    static struct x86_cpu_model model;
    u8 *area = mmap(NULL, RAM_SIZE + 2 * GUARD, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (area == MAP_FAILED || mprotect(area + GUARD, RAM_SIZE, PROT_READ | PROT_WRITE))
        abort();
    x86_model_host(&model);
    return world_create_on(area + GUARD, &model);
}

struct input {
    const u8 *data;
    size_t size;
};

static u64 take(struct input *in, unsigned n)
{
    u64 v = 0;
    for (unsigned i = 0; i < n && in->size; i++, in->data++, in->size--)
        v |= (u64)*in->data << 8 * i;
    return v;
}

static void start(struct world *w, unsigned mode)
{
    switch (mode % 8) {
    case 0: world_real(w); break;
    case 1: world_protected(w, 0); break;
    case 2: world_protected(w, 1); break;
    case 3: world_protected(w, 3); break;
    case 4: world_vm86(w, 3); break;
    case 5: world_vm86(w, 0); break;
    case 6: world_long(w, 0); break;
    default: world_long(w, 3); break;
    }
}

/* Changes parts of the state; what no processor can be in is taken back. */
static void poke(struct world *w, struct input *in)
{
    static struct x86_state before;
    struct x86_state *s = &w->cpu.s;
    before = *s;
    for (unsigned n = (unsigned)take(in, 1) % 16; n; n--) {
        size_t at = take(in, 2) % (offsetof(struct x86_state, lapic) / 8) * 8;
        u64 v = take(in, 8);
        memcpy((u8 *)s + at, &v, 8);
    }
    s->run_state = X86_RUNNING;
    s->event.kind = X86_EVENT_NONE;
    s->xcr0 = before.xcr0;
    s->efer &= w->model.efer_allowed;
    s->cr4 &= w->model.cr4_allowed;
    if (x86_state_validate(s, NULL))
        *s = before;
    for (unsigned i = 0; i < X86_GPR_COUNT; i++)
        if (take(in, 1) & 1)
            s->gpr[i] = take(in, 1) & 1 ? AT_DATA + take(in, 2) : take(in, 8);
    s->xcr0 = w->model.xcr0_allowed;
    s->cr4 |= (X86_CR4_OSFXSR | X86_CR4_OSXSAVE | X86_CR4_OSXMMEXCPT) & w->model.cr4_allowed;
    x86_cpu_derive(&w->cpu);
}

static void run(struct world *w)
{
    for (unsigned i = 0; i < STEPS; i++) {
        int r = x86_step(&w->cpu);
        if (r == X86_TRIPLE)
            break;
        if (r == X86_HALT)
            w->cpu.s.run_state = X86_RUNNING;
        struct x86_event irq = {.kind = X86_EVENT_INTERRUPT, .vector = (u8)(32 + i)};
        if (i % 16 == 15 && x86_can_interrupt(&w->cpu) && x86_deliver(&w->cpu, &irq) == X86_TRIPLE)
            break;
    }
    x86_vector_release(&w->cpu);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world *w;
    struct input in = {data, size};
    if (!w)
        w = make();
    world_reset(w);
    w->calls_max = 4096;
    start(w, (unsigned)take(&in, 1));
    /* Gates so that handlers run too, of all types. */
    for (unsigned v = 0; v < 64; v++) {
        u64 shape = take(&in, 1);
        world_gate(w, v, shape & 1 ? 14 : (unsigned)(shape >> 4), shape >> 1 & 3,
                   w->cpu.long_mode ? SEL_CODE64_0 : SEL_CODE0, AT_CODE + 8 * v, shape >> 3 & 1);
    }
    poke(w, &in);
    memcpy(w->ram + AT_CODE, in.data, MIN(in.size, (size_t)CODE_MAX));
    run(w);
    return 0;
}
