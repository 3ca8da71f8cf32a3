/* SPDX-License-Identifier: BSD-2-Clause */
/* A block back-end: a file or image that a disk device reads and writes. Requests are submitted
 * from any thread and complete on a thread of the back-end, or inside submit; in any order. A
 * flush covers the writes that had completed when it was submitted. */
#ifndef HOST_BLOCK_IF_H
#define HOST_BLOCK_IF_H

#include "base/types.h"

enum block_op { BLOCK_READ, BLOCK_WRITE, BLOCK_FLUSH, BLOCK_DISCARD, BLOCK_WRITE_ZEROES };

struct block_segment {
    void *base;
    size_t size;
};
struct block_request {
    enum block_op op;
    u64 offset; /* bytes */
    u64 length; /* DISCARD, WRITE_ZEROES; reads and writes take the segments' sum */
    const struct block_segment *segments;
    unsigned segment_count;
    int result;                           /* 0 or -errno when done is called */
    void (*done)(struct block_request *); /* the request may be freed or used again in it */
    void *ctx;
    struct block_request *next; /* the back-end's, while in flight */
};

struct block_backend;
struct block_ops {
    void (*submit)(struct block_backend *, struct block_request *);
    /* Waits until nothing is in flight and every done() has returned. The caller holds no lock
     * that done() takes. */
    void (*drain)(struct block_backend *);
    void (*destroy)(struct block_backend *);
};
struct block_backend {
    const struct block_ops *ops;
    u64 size;       /* bytes, a multiple of 512 */
    u32 block_size; /* logical, 512 or 4096 */
    bool read_only;
    char id[21]; /* serial number shown to the guest, NUL-terminated */
};

#endif
