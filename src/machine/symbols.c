/* SPDX-License-Identifier: BSD-2-Clause */
/* Collects symbols, sorts them, and reads System.map: lines of "ADDRESS TYPE NAME" as nm prints
 * them, /proc/kallsyms among them. */
#include "machine/symbols_priv.h"

#include "base/bits.h"
#include "base/mem.h"
#include "machine/boot/elf.h"

#include <errno.h>
#include <stdlib.h>

#define FILE_MAX  (2 * GiB)
#define NAMES_MAX (256 * MiB) /* bytes of all names; their offsets have 32 bits */
#define NO_NAME   UINT32_MAX

enum { SYMBOLS_MAX = 1 << 23 };

struct entry {
    u64 addr;
    u32 name;  /* offset in names */
    u32 order; /* in the file */
};

struct symbols {
    struct guest_symbols table;
    u64 *start;
    const char **name;
    struct entry *entry;
    u32 count, room;
    char *names;
    u64 used, names_room;
    bool named; /* there is one with a name */
};

static int no_memory(struct err *e)
{
    return err_set(e, -ENOMEM, "no memory for the symbols");
}

/* Room for one more: doubles what there is. */
static int grow(struct symbols *s, size_t name, struct err *e)
{
    if (s->count == SYMBOLS_MAX)
        return err_set(e, -EFBIG, "more than %d symbols", SYMBOLS_MAX);
    if (s->count == s->room) {
        u32 room = s->room ? s->room * 2 : 4096;
        struct entry *more = mem_resize(s->entry, room * sizeof *more);
        if (!more)
            return no_memory(e);
        s->entry = more;
        s->room = room;
    }
    if (s->used + name + 1 > s->names_room) {
        u64 room = s->names_room ? s->names_room * 2 : 64 * 1024;
        if (room > NAMES_MAX)
            return err_set(e, -EFBIG, "its names take more than %llu MiB",
                           (unsigned long long)(NAMES_MAX / MiB));
        char *more = mem_resize(s->names, room);
        if (!more)
            return no_memory(e);
        s->names = more;
        s->names_room = room;
    }
    return 0;
}

int symbols_add(struct symbols *s, u64 addr, const u8 *name, size_t length, struct err *e)
{
    int err = grow(s, length, e);
    if (err)
        return err;
    struct entry *to = &s->entry[s->count];
    *to = (struct entry){.addr = addr, .name = NO_NAME, .order = s->count};
    s->count++;
    if (!name)
        return 0;
    to->name = (u32)s->used;
    mem_copy(s->names + s->used, name, length);
    s->names[s->used + length] = '\0';
    s->used += length + 1;
    s->named = true;
    return 0;
}

size_t symbols_name_length(const u8 *p, u64 left)
{
    size_t n = 0;
    while (n < left && n < SYMBOL_NAME_MAX && p[n] > ' ' && p[n] < 0x7f)
        n++;
    return n;
}

/* By address; names before what has none, then as in the file. */
static int compare(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->addr != y->addr)
        return x->addr < y->addr ? -1 : 1;
    if ((x->name == NO_NAME) != (y->name == NO_NAME))
        return x->name == NO_NAME ? 1 : -1;
    return x->order < y->order ? -1 : 1;
}

/* The first of those with one address stands for all. */
static int make_table(struct symbols *s, struct err *e)
{
    qsort(s->entry, s->count, sizeof s->entry[0], compare);
    s->start = mem_alloc_array(s->count, sizeof s->start[0]);
    s->name = mem_alloc_array(s->count, sizeof s->name[0]);
    if (!s->start || !s->name)
        return no_memory(e);
    u32 n = 0;
    for (u32 k = 0; k < s->count; k++) {
        if (n && s->start[n - 1] == s->entry[k].addr)
            continue;
        s->start[n] = s->entry[k].addr;
        s->name[n++] = s->entry[k].name == NO_NAME ? NULL : s->names + s->entry[k].name;
    }
    s->table = (struct guest_symbols){.count = n, .start = s->start, .name = s->name};
    mem_free(s->entry);
    s->entry = NULL;
    return 0;
}

/* --- System.map --- */

static int hex_digit(u8 c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Text, in all the ways nm says so. */
static bool is_code(u8 type)
{
    return type == 't' || type == 'T' || type == 'w' || type == 'W' || type == 'i';
}

/* One line without its end; false: it is no such line. */
static bool parse_line(const u8 *p, u64 size, u64 *addr, u8 *type, const u8 **name, size_t *length)
{
    u64 n = 0;
    *addr = 0;
    while (n < size && n < 16 && hex_digit(p[n]) >= 0)
        *addr = *addr << 4 | (u64)hex_digit(p[n++]);
    if (!n || size - n < 4 || p[n] != ' ' || p[n + 2] != ' ')
        return false;
    *type = p[n + 1];
    *name = p + n + 3;
    *length = symbols_name_length(*name, size - n - 3);
    u64 end = n + 3 + *length;
    return *length && *length<SYMBOL_NAME_MAX && * type> ' ' && *type < 0x7f &&
           (end == size || p[end] == '\t'); /* a module's name */
}

static int read_map(struct symbols *s, const struct image *im, struct err *e)
{
    unsigned long long line = 1;
    u64 addr, highest = 0;
    const u8 *name;
    size_t length;
    u8 type;
    for (u64 at = 0; at < im->size; line++) {
        u64 end = at;
        while (end < im->size && im->data[end] != '\n')
            end++;
        if (!parse_line(im->data + at, end - at, &addr, &type, &name, &length)) {
            err_set(e, -ENOEXEC, "line %llu is not ADDRESS TYPE NAME, and it is no ELF file", line);
            err_hint(e, "name the System.map or the vmlinux of the guest's kernel, unpacked");
            return -ENOEXEC;
        }
        int err = symbols_add(s, addr, is_code(type) ? name : NULL, length, e);
        if (err)
            return err;
        highest = MAX(highest, addr);
        at = end + 1;
    }
    if (!highest) {
        err_set(e, -ENOEXEC, "all its addresses are 0");
        err_hint(e, "/proc/kallsyms shows addresses to root only");
        return -ENOEXEC;
    }
    return 0;
}

static int read_file(struct symbols *s, const struct image *im, struct err *e)
{
    int err = elf_probe(im) ? symbols_read_elf(s, im, e) : read_map(s, im, e);
    if (!err && !s->named) {
        err = err_set(e, -ENOEXEC, "it names no code");
        err_hint(e, "name the System.map or the vmlinux of the guest's kernel, not stripped");
    }
    if (!err)
        err = make_table(s, e);
    if (err)
        err_wrap(e, "reading symbols of %s", im->path);
    return err;
}

int symbols_load(struct symbols **out, const char *path, struct err *e)
{
    struct image im = {0};
    struct symbols *s = mem_alloc(sizeof *s);
    int err = s ? image_load(&im, path, FILE_MAX, e) : no_memory(e);
    if (!err)
        err = read_file(s, &im, e);
    image_unload(&im);
    if (!err) {
        *out = s;
        return 0;
    }
    if (err == -EFBIG)
        err_hint(e, "the System.map of the same kernel is smaller than its vmlinux");
    symbols_free(s);
    return err;
}

void symbols_free(struct symbols *s)
{
    if (!s)
        return;
    mem_free(s->start);
    mem_free(s->name);
    mem_free(s->entry);
    mem_free(s->names);
    mem_free(s);
}

const struct guest_symbols *symbols_table(const struct symbols *s)
{
    return &s->table;
}
