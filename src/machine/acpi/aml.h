/* SPDX-License-Identifier: BSD-2-Clause */
/* An encoder for ACPI machine language [ACPI6.4 20]. Each function appends one term; blocks are
 * opened by a function that returns a mark and closed by aml_end(mark), innermost first. Running
 * out of room sets `overflow` and is checked once at the end. */
#ifndef MACHINE_ACPI_AML_H
#define MACHINE_ACPI_AML_H

#include "base/types.h"

struct aml {
    u8 *data;
    u32 size, room;
    bool overflow;
};

/* Objects. Names are paths like "\\_SB.PCI0"; segments are filled up with '_'. */
u32 aml_scope(struct aml *a, const char *name);
u32 aml_device(struct aml *a, const char *name);
u32 aml_method(struct aml *a, const char *name, unsigned args);
void aml_end(struct aml *a, u32 mark);

/* Name(name, ...): what follows is its value. */
void aml_name(struct aml *a, const char *name);
void aml_integer(struct aml *a, u64 v);
void aml_string(struct aml *a, const char *s);
/* A plug-and-play identifier like "PNP0A08" as the integer it is stored as. */
void aml_eisa_id(struct aml *a, const char *id);
void aml_buffer(struct aml *a, const u8 *data, u32 size);
u32 aml_package(struct aml *a, u8 elements);

void aml_name_integer(struct aml *a, const char *name, u64 v);
void aml_name_id(struct aml *a, const char *name, const char *eisa_id);

/* Statements and expressions, in prefix order: the operands follow. */
enum aml_op {
    AML_LOCAL0 = 0x60,
    AML_ARG0 = 0x68,
    AML_ARG1,
    AML_ARG2,
    AML_ARG3,
    AML_STORE = 0x70, /* source, target */
    AML_AND = 0x7b,
    AML_OR = 0x7d,          /* a, b, target */
    AML_DWORD_FIELD = 0x8a, /* buffer, byte index, name */
    AML_NOT = 0x92,
    AML_EQUAL = 0x93,
    AML_RETURN = 0xa4,
};
void aml_op(struct aml *a, enum aml_op op);
/* A reference to an object by its name. */
void aml_ref(struct aml *a, const char *name);
u32 aml_if(struct aml *a);
u32 aml_else(struct aml *a);

/* A resource template: a buffer of descriptors [ACPI6.4 6.4], closed by aml_resources_end. */
u32 aml_resources(struct aml *a);
void aml_resources_end(struct aml *a, u32 mark);
void aml_io(struct aml *a, u16 base, u8 size);
void aml_irq(struct aml *a, unsigned irq);
void aml_memory32(struct aml *a, u32 base, u32 size);
/* Windows that a bridge passes on; last is inclusive. */
void aml_bus_window(struct aml *a, u16 first, u16 last);
void aml_io_window(struct aml *a, u16 first, u16 last);
void aml_memory_window(struct aml *a, u64 first, u64 last);

#endif
