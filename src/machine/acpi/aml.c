/* SPDX-License-Identifier: BSD-2-Clause */
/* The encoder. Lengths come before what they measure, so a block's length is inserted when the
 * block is closed; outer marks stay valid because they lie before. */
#include "machine/acpi/aml.h"
#include "base/bits.h"
#include "base/mem.h"

enum {
    OP_NAME = 0x08,
    OP_BYTE = 0x0a,
    OP_WORD = 0x0b,
    OP_DWORD = 0x0c,
    OP_STRING = 0x0d,
    OP_QWORD = 0x0e,
    OP_SCOPE = 0x10,
    OP_BUFFER = 0x11,
    OP_PACKAGE = 0x12,
    OP_METHOD = 0x14,
    OP_DUAL_NAME = 0x2e,
    OP_MULTI_NAME = 0x2f,
    OP_EXT = 0x5b,
    OP_EXT_DEVICE = 0x82,
    OP_IF = 0xa0,
    OP_ELSE = 0xa1,
};

static void put(struct aml *a, const void *p, u32 n)
{
    if (n > a->room - a->size) {
        a->overflow = true;
        return;
    }
    mem_copy(a->data + a->size, p, n);
    a->size += n;
}

static void put8(struct aml *a, u8 v)
{
    put(a, &v, 1);
}
static void put16(struct aml *a, u16 v)
{
    put(a, &v, 2);
}
static void put32(struct aml *a, u32 v)
{
    put(a, &v, 4);
}
static void put64(struct aml *a, u64 v)
{
    put(a, &v, 8);
}

/* Makes room for n bytes at `at`. */
static void insert(struct aml *a, u32 at, const u8 *p, u32 n)
{
    if (n > a->room - a->size) {
        a->overflow = true;
        return;
    }
    for (u32 i = a->size; i > at; i--)
        a->data[i - 1 + n] = a->data[i - 1];
    mem_copy(a->data + at, p, n);
    a->size += n;
}

/* PkgLength [ACPI6.4 20.2.4]: one byte up to 63, else four low bits and up to three more bytes;
 * it counts itself. */
void aml_end(struct aml *a, u32 mark)
{
    u32 body = a->size - mark;
    u8 b[4];
    u32 n = body + 1 < 1u << 6 ? 1 : body + 2 < 1u << 12 ? 2 : body + 3 < 1u << 20 ? 3 : 4;
    u32 total = body + n;
    if (n == 1) {
        b[0] = (u8)total;
    } else {
        b[0] = (u8)((n - 1) << 6 | (total & 0xf));
        for (u32 i = 1; i < n; i++)
            b[i] = (u8)(total >> (4 + 8 * (i - 1)));
    }
    insert(a, mark, b, n);
}

static unsigned count_segments(const char *s)
{
    unsigned n = *s ? 1 : 0;
    for (; *s; s++)
        n += *s == '.';
    return n;
}

static void put_name(struct aml *a, const char *s)
{
    if (*s == '\\')
        put8(a, (u8)*s++);
    unsigned n = count_segments(s);
    if (n == 2)
        put8(a, OP_DUAL_NAME);
    if (n > 2) {
        put8(a, OP_MULTI_NAME);
        put8(a, (u8)n);
    }
    while (*s) {
        char segment[4] = {'_', '_', '_', '_'};
        for (unsigned i = 0; i < 4 && *s && *s != '.'; i++)
            segment[i] = *s++;
        put(a, segment, 4);
        if (*s == '.')
            s++;
    }
}

u32 aml_scope(struct aml *a, const char *name)
{
    put8(a, OP_SCOPE);
    u32 mark = a->size;
    put_name(a, name);
    return mark;
}

u32 aml_device(struct aml *a, const char *name)
{
    put8(a, OP_EXT);
    put8(a, OP_EXT_DEVICE);
    u32 mark = a->size;
    put_name(a, name);
    return mark;
}

u32 aml_method(struct aml *a, const char *name, unsigned args)
{
    put8(a, OP_METHOD);
    u32 mark = a->size;
    put_name(a, name);
    put8(a, (u8)args); /* not serialized */
    return mark;
}

void aml_name(struct aml *a, const char *name)
{
    put8(a, OP_NAME);
    put_name(a, name);
}

void aml_integer(struct aml *a, u64 v)
{
    if (v <= 1) {
        put8(a, (u8)v); /* ZeroOp, OneOp */
    } else if (v <= 0xff) {
        put8(a, OP_BYTE);
        put8(a, (u8)v);
    } else if (v <= 0xffff) {
        put8(a, OP_WORD);
        put16(a, (u16)v);
    } else if (v <= 0xffffffff) {
        put8(a, OP_DWORD);
        put32(a, (u32)v);
    } else {
        put8(a, OP_QWORD);
        put64(a, v);
    }
}

void aml_string(struct aml *a, const char *s)
{
    put8(a, OP_STRING);
    put(a, s, (u32)str_length(s) + 1);
}

static u8 hex_digit(char c)
{
    return (u8)(c <= '9' ? c - '0' : (c & ~0x20) - 'A' + 10);
}

/* Three letters of five bits and four hexadecimal digits, most significant byte first. */
void aml_eisa_id(struct aml *a, const char *id)
{
    u8 c[3], h[4];
    for (unsigned i = 0; i < 3; i++)
        c[i] = (u8)(id[i] & 0x1f);
    for (unsigned i = 0; i < 4; i++)
        h[i] = hex_digit(id[3 + i]);
    put8(a, OP_DWORD);
    put8(a, (u8)(c[0] << 2 | c[1] >> 3));
    put8(a, (u8)(c[1] << 5 | c[2]));
    put8(a, (u8)(h[0] << 4 | h[1]));
    put8(a, (u8)(h[2] << 4 | h[3]));
}

void aml_buffer(struct aml *a, const u8 *data, u32 size)
{
    put8(a, OP_BUFFER);
    u32 mark = a->size;
    aml_integer(a, size);
    put(a, data, size);
    aml_end(a, mark);
}

u32 aml_package(struct aml *a, u8 elements)
{
    put8(a, OP_PACKAGE);
    u32 mark = a->size;
    put8(a, elements);
    return mark;
}

void aml_name_integer(struct aml *a, const char *name, u64 v)
{
    aml_name(a, name);
    aml_integer(a, v);
}

void aml_name_id(struct aml *a, const char *name, const char *eisa_id)
{
    aml_name(a, name);
    aml_eisa_id(a, eisa_id);
}

void aml_op(struct aml *a, enum aml_op op)
{
    put8(a, (u8)op);
}

void aml_ref(struct aml *a, const char *name)
{
    put_name(a, name);
}

u32 aml_if(struct aml *a)
{
    put8(a, OP_IF);
    return a->size;
}

u32 aml_else(struct aml *a)
{
    put8(a, OP_ELSE);
    return a->size;
}

u32 aml_resources(struct aml *a)
{
    put8(a, OP_BUFFER);
    return a->size;
}

void aml_resources_end(struct aml *a, u32 mark)
{
    put8(a, 0x79); /* end tag; checksum 0 is "do not check" */
    put8(a, 0);
    u32 n = a->size - mark;
    u8 size[3] = {OP_WORD, (u8)n, (u8)(n >> 8)};
    insert(a, mark, size, 3);
    aml_end(a, mark);
}

void aml_io(struct aml *a, u16 base, u8 size)
{
    put8(a, 0x47); /* small item: I/O port [6.4.2.5] */
    put8(a, 1);    /* decodes 16 bits */
    put16(a, base);
    put16(a, base);
    put8(a, 1);
    put8(a, size);
}

void aml_irq(struct aml *a, unsigned irq)
{
    put8(a, 0x22); /* small item: IRQ without flags: edge, active high [6.4.2.1] */
    put16(a, (u16)(1u << irq));
}

void aml_memory32(struct aml *a, u32 base, u32 size)
{
    put8(a, 0x86); /* 32-bit fixed memory range [6.4.3.4] */
    put16(a, 9);
    put8(a, 1); /* writable */
    put32(a, base);
    put32(a, size);
}

/* Address space descriptors [6.4.3.5]: type, general flags (first and last are fixed, positive
 * decode), type flags, granularity, first, last, translation, size. */
enum { SPACE_MEMORY = 0, SPACE_IO = 1, SPACE_BUS = 2, SPACE_FIXED = 0x0c };

static void word_space(struct aml *a, u8 type, u8 flags, u16 first, u16 last)
{
    put8(a, 0x88);
    put16(a, 13);
    put8(a, type);
    put8(a, SPACE_FIXED);
    put8(a, flags);
    put16(a, 0);
    put16(a, first);
    put16(a, last);
    put16(a, 0);
    put16(a, (u16)(last - first + 1));
}

void aml_bus_window(struct aml *a, u16 first, u16 last)
{
    word_space(a, SPACE_BUS, 0, first, last);
}

void aml_io_window(struct aml *a, u16 first, u16 last)
{
    word_space(a, SPACE_IO, 3, first, last); /* ISA and non-ISA ranges */
}

void aml_memory_window(struct aml *a, u64 first, u64 last)
{
    bool wide = last >> 32;
    put8(a, wide ? 0x8a : 0x87);
    put16(a, wide ? 43 : 23);
    put8(a, SPACE_MEMORY);
    put8(a, SPACE_FIXED);
    put8(a, 1); /* writable, not cacheable */
    u64 field[] = {0, first, last, 0, last - first + 1};
    for (unsigned i = 0; i < ARRAY_LEN(field); i++) {
        if (wide)
            put64(a, field[i]);
        else
            put32(a, (u32)field[i]);
    }
}
