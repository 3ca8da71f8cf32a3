/* SPDX-License-Identifier: BSD-2-Clause */
/* Corner encodings: each row is bytes, code size and vendor, and the text or the refusal that must
 * come of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "isa/x86/features.gen.h"
#include "isa/x86/insn.h"
#include "isa/x86/state.h"
#include <stdio.h>
#include <string.h>

enum { I = X86_VENDOR_INTEL, A = X86_VENDOR_AMD };

struct row {
    u8 bits, vendor;
    const char *hex;
    const char *text; /* NULL: #UD */
};

static unsigned parse(u8 *code, const char *hex)
{
    unsigned n = 0;
    for (unsigned v; n < X86_MAX_INSN && sscanf(hex, "%2x", &v) == 1; n++, hex += 2)
        code[n] = (u8)v;
    return n;
}

static void check_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct x86_insn insn;
        u8 code[16];
        char text[96] = "";
        unsigned n = parse(code, rows[i].hex);
        int r = x86_decode(&insn, code, n,
                           (struct x86_decode_config){rows[i].bits / 8, rows[i].vendor});
        if (!rows[i].text) {
            if (r != X86_DECODE_UD)
                fail_msg("%u-bit %s: %d instead of #UD", rows[i].bits, rows[i].hex, r);
            continue;
        }
        if (r == X86_DECODE_OK)
            x86_describe(text, sizeof text, &insn, 0x1000);
        if (r != X86_DECODE_OK || insn.len != n || strcmp(text, rows[i].text) != 0)
            fail_msg("%u-bit %s: %d, %u bytes, \"%s\" instead of \"%s\"", rows[i].bits, rows[i].hex,
                     r, insn.len, text, rows[i].text);
    }
}
#define CHECK(rows) check_rows(rows, ARRAY_LEN(rows))

static void test_prefixes(void **state)
{
    static const struct row rows[] = {
        {64, I, "4889d8", "mov rax, rbx"},
        {64, I, "6689d8", "mov ax, bx"},
        {64, I, "664889d8", "mov rax, rbx"},
        {64, I, "486689d8", "mov ax, bx"}, /* REX before another prefix is void */
        {64, I, "4088e0", "mov al, spl"},
        {64, I, "88e0", "mov al, ah"},
        {64, I, "4488e0", "mov al, r12b"},
        {64, I, "f0f00109", "lock add dword ptr [rcx], ecx"},
        {64, I, "f001c9", NULL}, /* LOCK with a register */
        {64, I, "f03909", NULL}, /* LOCK CMP */
        {64, I, "f00309", NULL}, /* destination is no memory */
        {64, I, "f00fba2900", "lock bts dword ptr [rcx], 0x0"},
        {64, I, "f00fba2100", NULL},
        {64, I, "f2f30f10c1", "movss xmm0, xmm1"}, /* the last of F2 and F3 counts */
        {64, I, "f3f20f10c1", "movsd xmm0, xmm1"},
        {64, I, "66f30f10c1", "movss xmm0, xmm1"},
        {64, I, "f3660fb8c1", "popcnt ax, cx"},
        {64, I, "2e64488b03", "mov rax, qword ptr fs:[rbx]"},
        {64, I, "642e488b03", "mov rax, qword ptr fs:[rbx]"}, /* CS is ignored, FS stays */
        {32, I, "642e8b03", "mov eax, dword ptr cs:[ebx]"},
        {64, I, "678b03", "mov eax, dword ptr [ebx]"},
        {32, I, "678b03", "mov eax, dword ptr [bp+di]"},
        {16, I, "678b03", "mov ax, word ptr [ebx]"},
        {64, I, "f390", "pause"},
        {64, I, "f34190", "xchg r8d, eax"},
        {64, I, "4190", "xchg r8d, eax"},
        {64, I, "4890", "nop"},
        {64, I, "f30fb809", "popcnt ecx, dword ptr [rcx]"},
        {64, I, "0fb809", NULL},
        {64, I, "f30fbcc9", "tzcnt ecx, ecx"},
        {64, I, "f20fbcc9", "bsf ecx, ecx"},
        {64, I, "66f20f38f1c9", "crc32 ecx, cx"},
        {64, I, "660f38f109", "movbe word ptr [rcx], cx"},
        {64, I, "660fc30b", NULL}, /* MOVNTI takes no prefix */
    };
    CHECK(rows);
}

static void test_operands(void **state)
{
    static const struct row rows[] = {
        {64, I, "8b0425000000f0", "mov eax, dword ptr [0xfffffffff0000000]"},
        {64, I, "678b0425000000f0", "mov eax, dword ptr [0xf0000000]"},
        {64, I, "8b0510000000", "mov eax, dword ptr [rip+0x10]"},
        {32, I, "8b0510000000", "mov eax, dword ptr [0x10]"},
        {64, I, "428b0420", "mov eax, dword ptr [rax+r12]"},
        {64, I, "8b0424", "mov eax, dword ptr [rsp]"},
        {64, I, "368b4500", "mov eax, dword ptr [rbp]"},
        {32, I, "3e8b4500", "mov eax, dword ptr ds:[ebp]"},
        {64, I, "418b4500", "mov eax, dword ptr [r13]"},
        {64, I, "48b8efcdab8967452301", "mov rax, 0x123456789abcdef"},
        {64, I, "48a1efcdab8967452301", "mov rax, qword ptr [0x123456789abcdef]"},
        {64, I, "67a178563412", "mov eax, dword ptr [0x12345678]"},
        {64, I, "4883c0ff", "add rax, 0xffffffffffffffff"},
        {64, I, "6683c0ff", "add ax, 0xffff"},
        {64, I, "c8100002", "enter 0x10, 0x2"},
        {32, I, "9a785634121000", "callf 0x10:0x12345678"},
        {64, I, "9a785634121000", NULL},
        {64, I, "d1e0", "shl eax, 1"},
        {64, I, "d3f8", "sar eax, cl"},
        {64, I, "6467a5", "movsd dword ptr es:[edi], dword ptr fs:[esi]"},
        {64, I, "f348ab", "rep stosq qword ptr es:[rdi], rax"},
        {64, I, "f2a6", "repne cmpsb byte ptr [rsi], byte ptr es:[rdi]"},
        {64, I, "6c", "insb byte ptr es:[rdi], dx"},
        {64, I, "4898", "cdqe"},
        {64, I, "99", "cdq"},
        {64, I, "e3fe", "jrcxz 0x1000"},
        {64, I, "67e3fd", "jecxz 0x1000"},
        {16, I, "e3fe", "jcxz 0x1000"},
        {64, I, "6363ff", "movsxd esp, dword ptr [rbx-0x1]"},
        {32, I, "6363ff", "arpl word ptr [ebx-0x1], sp"},
        {64, I, "8ec8", NULL}, /* MOV CS */
        {64, I, "8ef0", NULL},
        {64, I, "8cf0", NULL},
        {64, I, "440f22c0", "mov cr8, rax"},
        {64, I, "0f22c8", NULL},
        {64, I, "f00f22c0", NULL},
        {32, A, "f00f22c0", "lock mov cr8, eax"},
        {64, I, "0f2000", "mov rax, cr0"}, /* mod is ignored */
        {64, I, "440f23c0", NULL},
        {64, I, "0f01f8", "swapgs"},
        {32, I, "0f01f8", NULL},
        {64, I, "480fc709", "cmpxchg16b xmmword ptr [rcx]"},
        {64, I, "0fc7c9", NULL},
        {64, I, "0f0b", "ud2"},
        {64, I, "d9d0", "fnop"},
        {64, I, "d9d1", NULL},
        {64, I, "ddd9", "fstp st1"},
        {64, I, "dfe0", "fnstsw ax"},
        {64, I, "66480f6ec1", "movq xmm0, rcx"},
        {64, I, "0f0f01bf", NULL}, /* 3DNow! is AMD's */
        {64, A, "0f0f01bf", "pavgusb mm0, qword ptr [rcx]"},
        {64, A, "0f0f0100", NULL},
    };
    CHECK(rows);
}

static void test_branches(void **state)
{
    static const struct row rows[] = {
        {64, I, "e8fbffffff", "call 0x1000"},
        {64, I, "66e8faffffff", "call 0x1000"}, /* Intel ignores 66 */
        {64, A, "66e8fcff", "call 0x1000"},     /* AMD: 16 bits */
        {32, I, "66e8fcff", "call 0x1000"},
        {64, I, "ffd0", "call rax"},
        {64, I, "66ffd0", "call rax"},
        {64, A, "66ffd0", "call ax"},
        {64, I, "48ff28", "jmpf tbyte ptr [rax]"},
        {64, A, "48ff28", "jmpf fword ptr [rax]"},
        {64, I, "660f84faffffff", "je 0x1001"},
        {64, A, "660f84fbff", "je 0x1000"},
        {64, I, "0f05", "syscall"},
        {64, I, "0f34", "sysenter"},
        {64, A, "0f34", NULL},
    };
    CHECK(rows);
}

static void test_vex(void **state)
{
    static const struct row rows[] = {
        {64, I, "c5f858c1", "vaddps xmm0, xmm0, xmm1"},
        {64, I, "c5fc58c1", "vaddps ymm0, ymm0, ymm1"},
        {64, I, "c4c17458c0", "vaddps ymm0, ymm1, ymm8"},
        {64, I, "66c5f858c1", NULL},
        {64, I, "f0c5f858c1", NULL},
        {64, I, "40c5f858c1", NULL},
        {64, I, "67c5f85801", "vaddps xmm0, xmm0, xmmword ptr [ecx]"},
        {64, I, "c5f877", "vzeroupper"},
        {64, I, "c5f077", NULL},                    /* vvvv must be 1111b */
        {64, I, "c5fd2ec1", "vucomisd xmm0, xmm1"}, /* L is ignored */
        {64, I, "c5f52ec1", NULL},
        {64, I, "c5f92b01", "vmovntpd xmmword ptr [rcx], xmm0"},
        {64, I, "c5f92bc1", NULL},
        {64, I, "c5fd6ec1", NULL}, /* VMOVD wants L 0 */
        {32, I, "c501", "lds eax, fword ptr [ecx]"},
        {64, I, "c50158c1", "vaddpd xmm8, xmm15, xmm1"},
        {32, I, "c5f858c1", "vaddps xmm0, xmm0, xmm1"},
        {64, I, "c4e1f96ec1", "vmovq xmm0, rcx"},
        {32, I, "c4e1f96ec1", "vmovd xmm0, ecx"},
        {64, I, "c4e2f0f2c3", "andn rax, rcx, rbx"},
        {64, I, "c4e2e99204c8", "vgatherdpd xmm0, qword ptr [rax+xmm1*8], xmm2"},
        {64, I, "c4e2f99204c8", NULL}, /* mask and destination are one */
        {64, I, "c4e2f192c0", NULL},
        {16, I, "c4e2e99204", NULL}, /* VSIB with 16-bit addresses */
        {64, I, "c4e37d4ac120", "vblendvps ymm0, ymm0, ymm1, ymm2"},
        {64, I, "c5fb92c0", "kmovd k0, eax"},
        {64, I, "c57b92c0", NULL},   /* k8 */
        {64, I, "c4e5f858c1", NULL}, /* map 5 */
    };
    CHECK(rows);
}

static void test_evex(void **state)
{
    static const struct row rows[] = {
        {64, I, "62f17c4858c1", "vaddps zmm0, zmm0, zmm1"},
        {64, I, "62f17ccb58c1", "vaddps zmm0{k3}{z}, zmm0, zmm1"},
        {64, I, "62f17cc858c1", NULL}, /* zeroing without a mask */
        {64, I, "62f17c1858c1", "vaddps zmm0, zmm0, zmm1, {rn-sae}"},
        {64, I, "62f17c5858c1", "vaddps zmm0, zmm0, zmm1, {ru-sae}"},
        {64, I, "62f17c185801", "vaddps xmm0, xmm0, dword ptr [rcx]{1to4}"},
        {64, I, "62f17c585841ff", "vaddps zmm0, zmm0, dword ptr [rcx-0x4]{1to16}"},
        {64, I, "62f17c485841ff", "vaddps zmm0, zmm0, zmmword ptr [rcx-0x40]"},
        {64, I, "62f17c085841ff", "vaddps xmm0, xmm0, xmmword ptr [rcx-0x10]"},
        {64, I, "62f17c6858c1", NULL}, /* L'L 3 */
        {64, I, "62f17e6858c1", NULL},
        {64, I, "62f1fc4858c1", NULL}, /* W */
        {64, I, "62017c4858c1", "vaddps zmm24, zmm0, zmm25"},
        {64, I, "62f17c4058c1", "vaddps zmm0, zmm16, zmm1"},
        {32, I, "62f17c4058c1", NULL}, /* V' */
        {64, I, "62f97c4858c1", NULL}, /* reserved bit */
        {64, I, "62f1784858c1", NULL},
        {64, I, "62f17c4a2901", "vmovaps zmmword ptr [rcx]{k2}, zmm0"},
        {64, I, "62f17cca2901", NULL}, /* zeroing into memory */
        {64, I, "62f17c482b01", "vmovntps zmmword ptr [rcx], zmm0"},
        {64, I, "62f17c492b01", NULL}, /* no mask there */
        {64, I, "62f17c48c2c101", "vcmpps k0, zmm0, zmm1, 0x1"},
        {64, I, "62717c48c2c101", NULL}, /* k8 */
        {64, I, "62f27d49920401", NULL}, /* destination is the index */
        {64, I, "62f27d49920411", "vgatherdps zmm0{k1}, dword ptr [rcx+zmm2]"},
        {64, I, "62f27d48920411", NULL}, /* a mask is needed */
        {64, I, "62f27d4941c0", NULL},
        {64, I, "62f2fd488a4101", "vcompresspd zmmword ptr [rcx+0x8], zmm0"},
        {32, I, "6201", "bound eax, qword ptr [ecx]"},
        {64, I, "6662f17c4858c1", NULL},
        {64, I, "62f57c4858c1", "vaddph zmm0, zmm0, zmm1"},
        {64, I, "62f67648d6c2", "vfmulcph zmm0, zmm1, zmm2"},
        {64, I, "62f67e48d6c2", NULL}, /* destination is a source */
    };
    CHECK(rows);
}

static int decode(struct x86_insn *insn, const char *hex, unsigned n, enum x86_mode mode)
{
    u8 code[16] = {0};
    parse(code, hex);
    return x86_decode(insn, code, n, (struct x86_decode_config){(u8)mode, X86_VENDOR_INTEL});
}

static void test_length(void **state)
{
    struct x86_insn insn;
    /* Every shorter prefix of an instruction asks for more. */
    static const char *const whole[] = {
        "48b8efcdab8967452301", "c4e37d4a8424785634122000", "62f37d482584247856341220",
        "f0814424107856341200", "660f3a0f05785634120f",     "c8100002",
    };
    static const unsigned lengths[] = {10, 11, 12, 9, 10, 4};
    for (unsigned i = 0; i < ARRAY_LEN(whole); i++) {
        for (unsigned n = 0; n < lengths[i]; n++)
            assert_int_equal(decode(&insn, whole[i], n, X86_MODE64), X86_DECODE_MORE);
        assert_int_equal(decode(&insn, whole[i], 15, X86_MODE64), X86_DECODE_OK);
        assert_int_equal(insn.len, lengths[i]);
    }
    assert_int_equal(decode(&insn, "66666666666666666666666666666690", 15, X86_MODE64),
                     X86_DECODE_LONG);
    assert_int_equal(decode(&insn, "666666666666666666666666666690", 15, X86_MODE64),
                     X86_DECODE_OK);
    assert_int_equal(insn.len, 15);
    assert_int_equal(decode(&insn, "2e2e2e2e2e2e2e2e81050102030405", 15, X86_MODE64),
                     X86_DECODE_LONG);
    assert_int_equal(decode(&insn, "2e2e2e2e2e2e2e2e81050102030405", 14, X86_MODE64),
                     X86_DECODE_MORE);
}

static void test_fields(void **state)
{
    struct x86_insn insn;
    assert_int_equal(decode(&insn, "f04c81842480000000785634f2", 13, X86_MODE64), X86_DECODE_OK);
    assert_int_equal(insn.op, X86_OP_ADD);
    assert_int_equal(insn.flags, X86_I_LOCK | X86_I_REX | X86_I_W | X86_I_MODRM | X86_I_MEM);
    assert_int_equal(insn.off_opcode, 2);
    assert_int_equal(insn.off_modrm, 3);
    assert_int_equal(insn.off_disp, 5);
    assert_int_equal(insn.off_imm, 9);
    assert_int_equal(insn.disp, 0x80);
    assert_true(insn.imm == 0xfffffffff2345678);
    assert_int_equal(insn.seg, X86_SS);
    assert_int_equal(insn.base, X86_RSP);
    assert_int_equal(insn.index, X86_NO_REG);
    assert_int_equal(insn.osz, 8);
    assert_int_equal(x86_opnd_bytes(&insn, 0), 8);
    assert_int_equal(x86_opnd_bytes(&insn, 1), 4);
    assert_int_equal(decode(&insn, "f36ea4", 3, X86_MODE32), X86_DECODE_OK);
    assert_int_equal(insn.flags, X86_I_REP);
    assert_int_equal(insn.osz, 1);
    assert_int_equal(decode(&insn, "f30f10c1", 4, X86_MODE32), X86_DECODE_OK);
    assert_int_equal(insn.flags, X86_I_MODRM); /* F3 is opcode there */
    assert_int_equal(decode(&insn, "41b907000000", 6, X86_MODE64), X86_DECODE_OK);
    assert_int_equal(insn.rm, 9);
}

/* What the table says about a few forms that others rely on. */
static void test_table(void **state)
{
    struct x86_insn insn;
    decode(&insn, "11d8", 2, X86_MODE64);
    const struct x86_form *f = &x86_forms[insn.form];
    assert_int_equal(f->flags_read, X86_CF);
    assert_int_equal(f->flags_written, X86_STATUS_FLAGS);
    assert_true(f->flags & X86_F_LOCKABLE);
    assert_int_equal(f->opnd[0].access, X86_RW);
    assert_int_equal(f->opnd[1].access, X86_RD);
    decode(&insn, "f4", 1, X86_MODE64);
    f = &x86_forms[insn.form];
    assert_true(f->flags & X86_F_PRIV && f->flags & X86_F_END);
    assert_int_equal(f->cls, X86_CLASS_SENSITIVE);
    decode(&insn, "c3", 1, X86_MODE64);
    assert_int_equal(x86_forms[insn.form].cls, X86_CLASS_CONTROL);
    decode(&insn, "62f27d48dcc1", 6, X86_MODE64);
    f = &x86_forms[insn.form];
    assert_int_equal(f->feature, X86_FEATURE_AVX512F);
    assert_int_equal(f->feature2, X86_FEATURE_VAES);
    for (unsigned i = 1; i < X86_FORM_COUNT; i++) {
        assert_non_null(x86_forms[i].name);
        assert_in_range(x86_forms[i].op, 1, X86_OP_COUNT - 1);
        /* Only EVEX forms mask, round and broadcast. */
        if (x86_forms[i].flags & (X86_F_MASK | X86_F_ER | X86_F_BCST32 | X86_F_BCST64))
            assert_true(x86_forms[i].faults & 0x80);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prefixes), cmocka_unit_test(test_operands),
        cmocka_unit_test(test_branches), cmocka_unit_test(test_vex),
        cmocka_unit_test(test_evex),     cmocka_unit_test(test_length),
        cmocka_unit_test(test_fields),   cmocka_unit_test(test_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
