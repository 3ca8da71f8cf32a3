/* SPDX-License-Identifier: BSD-2-Clause */
/* The executable sections of a program, a shared library or a compressed kernel. */
#ifndef TESTS_ISA_DECODE_CODE_FILE_H
#define TESTS_ISA_DECODE_CODE_FILE_H

#include "isa/x86/insn.h"

struct code_file {
    u8 *data;
    u64 size;
    enum x86_mode mode;
    struct {
        const u8 *code;
        u64 size;
    } section[64];
    unsigned sections;
};

/* Reads an ELF file, or a bzImage whose payload is one. 0, or -1 with a printed reason. */
int code_file_open(struct code_file *f, const char *path);
void code_file_close(struct code_file *f);

#endif
