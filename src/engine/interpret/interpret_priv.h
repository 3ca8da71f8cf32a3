/* SPDX-License-Identifier: BSD-2-Clause */
/* The inside of the interpreter. */
#ifndef ENGINE_INTERPRET_INTERPRET_PRIV_H
#define ENGINE_INTERPRET_INTERPRET_PRIV_H

#include "engine/software/software.h"

/* core.c: struct soft_engine's run_blocks. */
int interpret_blocks(struct soft *sv);

#endif
