/* SPDX-License-Identifier: BSD-2-Clause */
/* Raw images: transfers, the end of the file, locks, errors that name the file. */
#include "../cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/os.h"
#include "base/types.h"
#include "host/block_file.h"
#include "host/entropy.h"

static char path[] = "/tmp/doppel-block-XXXXXX";

static int make_image(void **state)
{
    strcpy(path + sizeof path - 7, "XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    for (unsigned i = 0; i < 16; i++) {
        u8 sector[512];
        memset(sector, (int)i, sizeof sector);
        assert_int_equal(write(fd, sector, sizeof sector), sizeof sector);
    }
    close(fd);
    return 0;
}

static int remove_image(void **state)
{
    return unlink(path);
}

struct waiter {
    struct os_mutex lock;
    struct os_cond done;
    unsigned count;
};

static void count_done(struct block_request *r)
{
    struct waiter *w = r->ctx;
    with_lock(&w->lock);
    w->count++;
    os_cond_signal(&w->done);
}

static int run(struct block_backend *b, enum block_op op, u64 offset, u64 length,
               const struct block_segment *s, unsigned n)
{
    struct waiter w = {0};
    struct block_request r = {.op = op,
                              .offset = offset,
                              .length = length,
                              .segments = s,
                              .segment_count = n,
                              .done = count_done,
                              .ctx = &w};
    b->ops->submit(b, &r);
    os_mutex_lock(&w.lock);
    while (!w.count)
        os_cond_wait(&w.done, &w.lock);
    os_mutex_unlock(&w.lock);
    return r.result;
}

static struct block_backend *open_image(bool read_only)
{
    struct block_backend *b = NULL;
    struct err e;
    if (block_file_create(&b, path, read_only, "serial", &e))
        fail_msg("%s", e.text);
    return b;
}

static void test_transfers(void **state)
{
    struct block_backend *b = open_image(false);
    u8 one[700], two[324];
    const struct block_segment s[] = {{one, 700}, {two, 0}, {two, 324}};
    assert_int_equal(b->size, 16 * 512);
    assert_int_equal(b->block_size, 512);
    assert_string_equal(b->id, "serial");
    assert_int_equal(run(b, BLOCK_READ, 3 * 512, 1024, s, 3), 0);
    assert_int_equal(one[511], 3);
    assert_int_equal(one[512], 4);
    assert_int_equal(two[323], 4);
    memset(one, 0xaa, sizeof one);
    memset(two, 0xbb, sizeof two);
    assert_int_equal(run(b, BLOCK_WRITE, 512, 1024, s, 3), 0);
    assert_int_equal(run(b, BLOCK_FLUSH, 0, 0, NULL, 0), 0);
    b->ops->destroy(b);
    u8 back[1536];
    int fd = open(path, O_RDONLY);
    assert_int_equal(pread(fd, back, sizeof back, 512), sizeof back);
    close(fd);
    assert_int_equal(back[699], 0xaa);
    assert_int_equal(back[700], 0xbb);
    assert_int_equal(back[1023], 0xbb);
    assert_int_equal(back[1024], 3);
}

/* More segments than one system call takes. */
static void test_many_segments(void **state)
{
    static u8 data[200][32];
    struct block_segment s[200];
    struct block_backend *b = open_image(false);
    for (unsigned i = 0; i < 200; i++)
        s[i] = (struct block_segment){data[i], 32};
    assert_int_equal(run(b, BLOCK_READ, 0, 200 * 32, s, 200), 0);
    for (unsigned i = 0; i < 200; i++)
        assert_int_equal(data[i][31], i * 32 / 512);
    b->ops->destroy(b);
}

static void test_end_of_file(void **state)
{
    assert_int_equal(truncate(path, 700), 0);
    struct block_backend *b = open_image(false);
    u8 data[512];
    const struct block_segment s = {data, 512};
    assert_int_equal(b->size, 1024);
    memset(data, 0xff, sizeof data);
    assert_int_equal(run(b, BLOCK_READ, 512, 512, &s, 1), 0);
    assert_int_equal(data[187], 1);
    assert_int_equal(data[188], 0);
    assert_int_equal(data[511], 0);
    memset(data, 7, sizeof data);
    assert_int_equal(run(b, BLOCK_WRITE, 512, 512, &s, 1), 0);
    b->ops->destroy(b);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 1024);
}

static void test_zeroes_and_discard(void **state)
{
    struct block_backend *b = open_image(false);
    u8 data[512];
    const struct block_segment s = {data, 512};
    assert_int_equal(run(b, BLOCK_WRITE_ZEROES, 1024, 512, NULL, 0), 0);
    assert_int_equal(run(b, BLOCK_WRITE_ZEROES, 0, 0, NULL, 0), 0);
    assert_int_equal(run(b, BLOCK_READ, 1024, 512, &s, 1), 0);
    assert_int_equal(data[0] | data[511], 0);
    assert_int_equal(run(b, BLOCK_READ, 1536, 512, &s, 1), 0);
    assert_int_equal(data[0], 3);
    assert_int_equal(run(b, BLOCK_DISCARD, 2048, 512, NULL, 0), 0);
    assert_int_equal(run(b, BLOCK_READ, 2560, 512, &s, 1), 0);
    assert_int_equal(data[0], 5);
    b->ops->destroy(b);
}

static void test_two_writers(void **state)
{
    struct block_backend *b = open_image(false), *other = NULL;
    struct err e = {0};
    assert_int_equal(block_file_create(&other, path, false, NULL, &e), -EBUSY);
    assert_non_null(strstr(e.text, path));
    assert_non_null(strstr(e.hint, "readonly=on"));
    other = open_image(true);
    other->ops->destroy(other);
    b->ops->destroy(b);
    b = open_image(false);
    b->ops->destroy(b);
}

static void test_read_only(void **state)
{
    struct block_backend *b = open_image(true);
    u8 data[512] = {0};
    const struct block_segment s = {data, 512};
    assert_true(b->read_only);
    assert_int_equal(run(b, BLOCK_WRITE, 0, 512, &s, 1), -EROFS);
    assert_int_equal(run(b, BLOCK_WRITE_ZEROES, 0, 512, NULL, 0), -EROFS);
    assert_int_equal(run(b, BLOCK_FLUSH, 0, 0, NULL, 0), 0);
    assert_int_equal(run(b, BLOCK_READ, 512, 512, &s, 1), 0);
    assert_int_equal(data[0], 1);
    b->ops->destroy(b);
}

static void expect_refused(const char *file, int code)
{
    struct block_backend *b = NULL;
    struct err e = {0};
    assert_int_equal(block_file_create(&b, file, false, NULL, &e), code);
    assert_null(b);
    assert_non_null(strstr(e.text, file));
}

static void test_bad_files(void **state)
{
    expect_refused("/nonexistent/disk", -ENOENT);
    expect_refused("/tmp", -EISDIR);
    expect_refused("/dev/null", -EINVAL);
    assert_int_equal(truncate(path, 0), 0);
    expect_refused(path, -EINVAL);
}

static void test_full_disk(void **state)
{
    struct block_backend *b = open_image(false);
    u8 data[512] = {0};
    const struct block_segment s = {data, 512};
    /* The file system's limit of a file's size stands for a full one. */
    assert_true(run(b, BLOCK_WRITE, (u64)1 << 62, 512, &s, 1) < 0);
    assert_int_equal(run(b, BLOCK_WRITE, 0, 512, &s, 1), 0);
    b->ops->destroy(b);
}

static void test_drain(void **state)
{
    enum { REQUESTS = 100 };
    static u8 data[REQUESTS][512];
    struct block_segment s[REQUESTS];
    struct block_request r[REQUESTS];
    struct waiter w = {0};
    struct block_backend *b = open_image(true);
    for (unsigned i = 0; i < REQUESTS; i++) {
        s[i] = (struct block_segment){data[i], 512};
        r[i] = (struct block_request){.op = BLOCK_READ,
                                      .offset = i % 16 * 512,
                                      .segments = &s[i],
                                      .segment_count = 1,
                                      .done = count_done,
                                      .ctx = &w};
        b->ops->submit(b, &r[i]);
    }
    b->ops->drain(b);
    assert_int_equal(w.count, REQUESTS);
    assert_int_equal(data[17][0], 1);
    b->ops->destroy(b);
}

static void test_entropy(void **state)
{
    u8 a[64] = {0}, zero[64] = {0};
    assert_int_equal(entropy_host.fill(&entropy_host, a, sizeof a), 0);
    assert_memory_not_equal(a, zero, sizeof a);
}

int main(void)
{
#define ROW(t) cmocka_unit_test_setup_teardown(t, make_image, remove_image)
    const struct CMUnitTest tests[] = {
        ROW(test_transfers),   ROW(test_many_segments),
        ROW(test_end_of_file), ROW(test_zeroes_and_discard),
        ROW(test_two_writers), ROW(test_read_only),
        ROW(test_bad_files),   ROW(test_full_disk),
        ROW(test_drain),       cmocka_unit_test(test_entropy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
