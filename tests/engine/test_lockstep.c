/* SPDX-License-Identifier: BSD-2-Clause */
/* Lockstep finds a translation that is wrong, and tells what is wrong with it. The linker puts
 * __wrap_lower_encode() in the place of the translator's encoder; it spoils what the test chose. */
#include "../unit/cmocka_all.h"

#include "rig.h"

#include "base/log.h"
#include "engine/translate/lower.h"
#include "engine/translate/translate.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void __real_lower_encode(struct lower *l, struct encode_regs r);
void __wrap_lower_encode(struct lower *l, struct encode_regs r);

static struct {
    u16 op;          /* of the instruction to spoil */
    u8 from, to;     /* its opcode byte on the host */
    unsigned spoilt; /* how often */
} fault;

void __wrap_lower_encode(struct lower *l, struct encode_regs r)
{
    u8 *start = l->e.p;
    __real_lower_encode(l, r);
    if (!fault.op || l->i->op != fault.op)
        return;
    u8 *at = memchr(start, fault.from, (size_t)(l->e.p - start));
    if (at) {
        *at = fault.to;
        fault.spoilt++;
    }
}

static char text[65536];

static void take(enum log_level level, const char *area, const char *message)
{
    (void)level;
    size_t n = strlen(text);
    snprintf(text + n, sizeof text - n, "%s: %s\n", area, message);
}

/* Runs code in lockstep: why the machine ended. */
static enum vm_end run(const u8 *code, size_t size, int *status)
{
    struct rig r = {.lockstep = true};
    struct err e = {0};
    text[0] = '\0';
    fault.spoilt = 0;
    log_set_sink(take);
    assert_int_equal(engine_translate.model(&r.model, &e), 0);
    struct guest g = {code, code + size, false};
    rig_open_model(&r, &engine_translate, 1, true, g);
    struct x86_state *s = aligned_alloc(64, sizeof *s);
    rig_entry(&r, g, s);
    s->cr4 |= X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT;
    assert_int_equal(vm_set_state(r.vm, 0, s, &e), 0);
    free(s);
    rig_start(&r);
    enum vm_end why = vm_wait(r.vm, status, &e);
    if (why == VM_FAILED)
        take(LOG_ERROR, "end", e.text);
    rig_close(&r);
    log_set_sink(NULL);
    return why;
}

#define LOOP(...)                                                                                  \
    {                                                                                              \
        0xb9, 5, 0, 0, 0,            /* mov ecx, 5 */                                              \
            __VA_ARGS__, 0xff, 0xc9, /* dec ecx */                                                 \
            0x75,                    /* jnz: back to behind the mov */                             \
            (u8)(-4 - (int)sizeof((const u8[]){__VA_ARGS__})), 0xb0, 7, 0xe6, 0xf4, 0xeb, 0xfe     \
    }

static void expect(const u8 *code, size_t size, u16 op, u8 from, u8 to, const char *const *words)
{
    int status = -1;
    fault.op = 0;
    if (run(code, size, &status) != VM_EXITED || status != 7)
        fail_msg("without a fault it must end with 7, not %d:\n%s", status, text);
    fault.op = op;
    fault.from = from;
    fault.to = to;
    enum vm_end why = run(code, size, &status);
    fault.op = 0;
    assert_true(fault.spoilt > 0);
    if (why != VM_FAILED)
        fail_msg("the fault was not found");
    for (; *words; words++)
        if (!strstr(text, *words))
            fail_msg("the report does not say \"%s\":\n%s", *words, text);
}

static void wrong_register(void **state)
{
    (void)state;
    static const u8 code[] = LOOP(0x81, 0xc3, 0x5a, 0x5a, 0x5a, 0x5a); /* add ebx, 0x5a5a5a5a */
    static const char *const words[] = {"interpreter and translation differ",
                                        "rbx",
                                        "<- differs",
                                        "add ebx, 0x5a5a5a5a",
                                        "xor ebx, 0x5a5a5a5a",
                                        "81 f3 5a",
                                        NULL};
    expect(code, sizeof code, X86_OP_ADD, 0xc3, 0xf3, words); /* ModRM: xor */
}

static void wrong_width(void **state)
{
    (void)state;
    static const u8 code[] = LOOP(0xbb, 1, 2, 3, 4,                 /* mov ebx, .. */
                                  0x88, 0x1c, 0x25, 0, 0x90, 0, 0); /* mov [0x9000], bl */
    static const char *const words[] = {"memory at physical 0x9000", NULL};
    expect(code, sizeof code, X86_OP_MOV, 0x88, 0x89, words);
}

static void wrong_flag_that_is_used(void **state)
{
    (void)state;
    static const u8 code[] = LOOP(0xf9, 0x0f, 0x92, 0xc2); /* stc; setc dl */
    static const char *const words[] = {"rdx", "<- differs", "setb dl", NULL};
    expect(code, sizeof code, X86_OP_STC, 0xf9, 0xf8, words);
}

static void wrong_vector(void **state)
{
    (void)state;
    static const u8 code[] = LOOP(0x66, 0x0f, 0x6e, 0xc1,  /* movd xmm0, ecx */
                                  0x66, 0x0f, 0xfe, 0xc8); /* paddd xmm1, xmm0 */
    static const char *const words[] = {"vector state at byte 0xb0", "psubd xmm1, xmm0", NULL};
    expect(code, sizeof code, X86_OP_PADDD, 0xfe, 0xfa, words);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_register), cmocka_unit_test(wrong_width),
        cmocka_unit_test(wrong_flag_that_is_used), cmocka_unit_test(wrong_vector)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
