/* SPDX-License-Identifier: BSD-2-Clause */
/* A stack machine's interpreter: one indirect jump for each of its instructions. */
#include "bench.h"

enum op { PUSH, LOAD, STORE, ADD, SUB, MUL, AND, LESS, JUMP_IF, HALT };

/* sum = 0; for (i = 0; i < 1000; i++) sum = sum + (i * i & 1023) - i */
static const int16_t code[] = {
    PUSH, 0, STORE, 0, PUSH, 0,     STORE, 1, /* sum, i */
    LOAD, 0, LOAD,  1, LOAD, 1,     MUL,   PUSH, 1023, AND,  ADD,  LOAD, 1,       SUB, STORE,
    0, /* at 8 */
    LOAD, 1, PUSH,  1, ADD,  STORE, 1,     LOAD, 1,    PUSH, 1000, LESS, JUMP_IF, 8,   HALT,
};

static __attribute__((noinline)) int64_t interpret(const int16_t *start)
{
    static const void *const label[] = {&&push, &&load, &&store, &&add,     &&sub,
                                        &&mul,  &&and,  &&less,  &&jump_if, &&halt};
    int64_t stack[16], *sp = stack, local[4] = {0};
    const int16_t *pc = start;
#define NEXT goto *label[*pc++]
    NEXT;
push:
    *sp++ = *pc++;
    NEXT;
load:
    *sp++ = local[*pc++];
    NEXT;
store:
    local[*pc++] = *--sp;
    NEXT;
#define BINARY(name, operator)                                                                     \
    name:                                                                                          \
    sp--;                                                                                          \
    sp[-1] = sp[-1] operator sp[0];                                                                \
    NEXT;
    BINARY(add, +)
    BINARY(sub, -)
    BINARY(mul, *)
    BINARY(and, &)
    BINARY(less, <)
jump_if:
    pc = *--sp ? start + *pc : pc + 1;
    NEXT;
halt:
    return local[0];
}

static uint64_t run(uint64_t n)
{
    int64_t result = 0;
    while (n--)
        result = interpret(code);
    return (uint64_t)result;
}

const struct bench bench_bytecode[] = {{"bytecode", run, NULL}, {0}};
