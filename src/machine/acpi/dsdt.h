/* SPDX-License-Identifier: BSD-2-Clause */
/* The byte code of the differentiated system description table. */
#ifndef MACHINE_ACPI_DSDT_H
#define MACHINE_ACPI_DSDT_H

#include "machine/acpi/acpi.h"
#include "machine/acpi/aml.h"

void dsdt_add(struct aml *a, const struct acpi_config *c);

#endif
