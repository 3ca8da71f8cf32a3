/* SPDX-License-Identifier: BSD-2-Clause */
/* Guest physical memory: RAM blocks backed by memfd, mapped at guest addresses, ROM, the dirty log
 * and the map of pages that hold decoded or translated code. */
#ifndef MEMORY_MEMORY_H
#define MEMORY_MEMORY_H

#include "base/err.h"
#include "base/types.h"

struct guest_memory;

struct ram_block {
    u64 start, size; /* guest physical, page-aligned */
    u8 *host;
    int fd; /* memfd, or -1; and the offset of the block in it */
    u64 fd_offset;
    bool read_only; /* ROM: guest writes vanish */
    char name[32];
};

/* How the host provides pages: implemented in host/, handed in by the machine. */
struct ram_provider {
    /* A shared, zeroed, lazily populated mapping of size bytes. */
    int (*allocate)(const char *name, u64 size, u8 **host, int *fd, struct err *e);
    void (*release)(u8 *host, u64 size, int fd);
};

/* What the engine must hear of. */
enum memory_event_kind {
    MEMORY_MAP, /* a block appeared */
    MEMORY_UNMAP,
    MEMORY_PROTECT, /* the dirty log was fetched: the next store to each page counts again */
    MEMORY_LOG_ON,
    MEMORY_LOG_OFF,
    MEMORY_LOG_SYNC,     /* the log is about to be fetched: an engine that keeps one of its own adds
                            it by guest_memory_written */
    MEMORY_CODE_WRITTEN, /* somebody stored into [start, start+size), which touches a code page */
};
struct memory_event {
    enum memory_event_kind kind;
    u64 start, size; /* guest physical */
    void *host;      /* MAP */
    bool read_only;
};
/* Called on the thread that caused it. */
struct memory_listener {
    void (*event)(void *ctx, const struct memory_event *ev);
    void *ctx;
};

enum { GUEST_MEMORY_BLOCKS_MAX = 32 };

int guest_memory_create(struct guest_memory **out, const struct ram_provider *p,
                        struct err *e) must_check; /* p stays the caller's */
void guest_memory_destroy(struct guest_memory *m);
/* Adds a block; it must not overlap another (-EEXIST). Not while a vCPU runs. */
int guest_memory_add(struct guest_memory *m, const char *name, u64 start, u64 size, bool read_only,
                     struct err *e) must_check;
/* All blocks, sorted by address. */
unsigned guest_memory_blocks(const struct guest_memory *m, const struct ram_block **out);
u64 guest_memory_ram_size(const struct guest_memory *m);
void guest_memory_set_listener(struct guest_memory *m, const struct memory_listener *l);

/* Host address of [addr, addr+len) if it is inside one block, else NULL. Any thread. */
void *guest_memory_ptr(const struct guest_memory *m, gpa_t addr, u64 len);
/* The block that holds addr, or NULL. */
const struct ram_block *guest_memory_find(const struct guest_memory *m, gpa_t addr);
/* Checked copies for loaders and debuggers: 0 or -EFAULT. Writes ignore read_only. */
int guest_memory_read(const struct guest_memory *m, gpa_t addr, void *dst, u64 len);
int guest_memory_write(struct guest_memory *m, gpa_t addr, const void *src, u64 len);

/* Tells the log and the engine about bytes that were stored through guest_memory_ptr(). Cheap while
 * no page is marked and no log runs. */
void guest_memory_written(struct guest_memory *m, gpa_t addr, u64 len);

/* Code pages. An engine marks a page before it decodes from it; every writer then calls _written
 * (devices through dma, the debugger, the interpreter's slow store path), which tells the listener
 * of the engine when one of the pages is marked. */
void guest_memory_mark_code(struct guest_memory *m, u64 page_addr);
void guest_memory_clear_code(struct guest_memory *m, u64 page_addr);
bool guest_memory_is_code(const struct guest_memory *m, u64 addr);

/* Dirty log, a bit a page. An engine sends the first store to a clean page through a path that ends
 * in guest_memory_written(); it may let further ones through while the page is dirty. */
int guest_memory_log_start(struct guest_memory *m, struct err *e);
void guest_memory_log_stop(struct guest_memory *m);
/* Moves the log of the block into bitmap (1 bit a page, LSB first) and clears it. */
void guest_memory_log_fetch(struct guest_memory *m, const struct ram_block *b, u64 *bitmap);
bool guest_memory_logging(const struct guest_memory *m);
/* False when a store to the page must be reported: it holds code, or it is clean under the log. */
bool guest_memory_store_is_free(const struct guest_memory *m, u64 addr);

#endif
