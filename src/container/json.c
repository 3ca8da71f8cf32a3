/* SPDX-License-Identifier: BSD-2-Clause */
/* Typed reads of JSON members. */
#include "container/json.h"

#include <string.h>

int json_parse(const char *text, size_t n, const char *what, json_t **out, struct err *e)
{
    json_error_t why;
    json_t *j = json_loadb(text, n, 0, &why);
    /* RLIM_INFINITY and "no limit" are written as 2^64-1, more than a signed integer holds. */
    if (!j && json_error_code(&why) == json_error_numeric_overflow)
        j = json_loadb(text, n, JSON_DECODE_INT_AS_REAL, &why);
    if (!j)
        return err_set(e, -EINVAL, "parse %s: line %d: %s", what, why.line, why.text);
    if (!json_is_object(j)) {
        json_decref(j);
        return err_set(e, -EINVAL, "parse %s: not a JSON object", what);
    }
    *out = j;
    return 0;
}

static json_t *member(json_t *o, const char *key)
{
    json_t *v = json_object_get(o, key);
    return json_is_null(v) ? NULL : v;
}

static int wrong(struct err *e, const char *where, const char *key, const char *type)
{
    return err_set(e, -EINVAL, "config: `%s%s%s` is not %s", where, *where ? "." : "", key, type);
}

int json_get_string(json_t *o, const char *where, const char *key, const char **out, struct err *e)
{
    json_t *v = member(o, key);
    if (!v)
        return 0;
    if (!json_is_string(v))
        return wrong(e, where, key, "a string");
    *out = json_string_value(v);
    return 0;
}

int json_get_bool(json_t *o, const char *where, const char *key, bool *out, struct err *e)
{
    json_t *v = member(o, key);
    if (!v)
        return 0;
    if (!json_is_boolean(v))
        return wrong(e, where, key, "true or false");
    *out = json_is_true(v);
    return 0;
}

int json_get_i64(json_t *o, const char *where, const char *key, i64 *out, bool *found,
                 struct err *e)
{
    json_t *v = member(o, key);
    if (found)
        *found = v != NULL;
    if (!v)
        return 0;
    if (json_is_integer(v)) {
        *out = json_integer_value(v);
        return 0;
    }
    double d = json_is_real(v) ? json_real_value(v) : 0.5;
    if (d < -9223372036854775808.0 || d >= 9223372036854775808.0 || d != (double)(i64)d)
        return wrong(e, where, key, "a whole number in range");
    *out = (i64)d;
    return 0;
}

int json_get_u64(json_t *o, const char *where, const char *key, u64 *out, bool *found,
                 struct err *e)
{
    json_t *v = member(o, key);
    if (found)
        *found = v != NULL;
    if (!v)
        return 0;
    if (json_is_integer(v)) {
        json_int_t i = json_integer_value(v);
        if (i < -1)
            return wrong(e, where, key, "an unsigned number");
        *out = (u64)i;
        return 0;
    }
    double d = json_is_real(v) ? json_real_value(v) : 0.5;
    if (d == -1.0 || d >= 18446744073709551615.0) {
        if (d > 18446744073709551616.0)
            return wrong(e, where, key, "an unsigned number of 64 bits");
        *out = ~(u64)0;
        return 0;
    }
    if (d < 0 || d != (double)(u64)d)
        return wrong(e, where, key, "a whole unsigned number");
    *out = (u64)d;
    return 0;
}

int json_get_u32(json_t *o, const char *where, const char *key, u32 *out, bool *found,
                 struct err *e)
{
    u64 v = 0;
    bool has = false;
    int r = json_get_u64(o, where, key, &v, &has, e);
    if (r)
        return r;
    if (found)
        *found = has;
    if (!has)
        return 0;
    if (v > UINT32_MAX)
        return wrong(e, where, key, "an unsigned number of 32 bits");
    *out = (u32)v;
    return 0;
}

int json_get_object(json_t *o, const char *where, const char *key, json_t **out, struct err *e)
{
    *out = member(o, key);
    return *out && !json_is_object(*out) ? wrong(e, where, key, "an object") : 0;
}

int json_get_array(json_t *o, const char *where, const char *key, json_t **out, struct err *e)
{
    *out = member(o, key);
    return *out && !json_is_array(*out) ? wrong(e, where, key, "an array") : 0;
}
