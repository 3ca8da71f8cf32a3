/* SPDX-License-Identifier: BSD-2-Clause */
/* The reference engine: an interpreter with a decoded-block cache. Runs everywhere, can everything,
 * and is what the other engines are compared with. */
#ifndef ENGINE_INTERPRET_INTERPRET_H
#define ENGINE_INTERPRET_INTERPRET_H

#include "vm/engine.h"

extern const struct engine_ops engine_interpret;

#endif
