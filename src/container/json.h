/* SPDX-License-Identifier: BSD-2-Clause */
/* Typed reads of JSON members. A missing member or null leaves the output alone; a member of
 * another type is -EINVAL with the full name of the member in the message. */
#ifndef CONTAINER_JSON_H
#define CONTAINER_JSON_H

#include "container/util.h"

/* Loads text; integers above 2^63 survive as reals. */
int json_parse(const char *text, size_t n, const char *what, json_t **out,
               struct err *e) must_check;
int json_get_string(json_t *o, const char *where, const char *key, const char **out,
                    struct err *e) must_check;
int json_get_bool(json_t *o, const char *where, const char *key, bool *out,
                  struct err *e) must_check;
/* Whole numbers only. -1 as an unsigned number is 2^64-1, as Go's clients write it. */
int json_get_u64(json_t *o, const char *where, const char *key, u64 *out, bool *found,
                 struct err *e) must_check;
int json_get_i64(json_t *o, const char *where, const char *key, i64 *out, bool *found,
                 struct err *e) must_check;
int json_get_u32(json_t *o, const char *where, const char *key, u32 *out, bool *found,
                 struct err *e) must_check;
/* Outputs NULL when missing. */
int json_get_object(json_t *o, const char *where, const char *key, json_t **out,
                    struct err *e) must_check;
int json_get_array(json_t *o, const char *where, const char *key, json_t **out,
                   struct err *e) must_check;

#endif
