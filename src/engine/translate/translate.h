/* SPDX-License-Identifier: BSD-2-Clause */
/* The translating engine: 64-bit and 32-bit guest code runs as host code of its own, everything
 * else by the semantics of isa/x86/exec. */
#ifndef ENGINE_TRANSLATE_TRANSLATE_H
#define ENGINE_TRANSLATE_TRANSLATE_H

#include "vm/engine.h"

extern const struct engine_ops engine_translate;

#endif
