/* SPDX-License-Identifier: BSD-2-Clause */
/* Exit port, debug port, progress code, port 92h. */
#include "../unit/cmocka_all.h"
#include "device/misc/debug_port.h"
#include "device/misc/exit_port.h"
#include "device/misc/post_port.h"
#include "device/misc/reset_port.h"
#include "fake.h"

static unsigned calls;
static int last_status;

static void on_exit_status(void *ctx, int status)
{
    assert_ptr_equal(ctx, &calls);
    calls++;
    last_status = status;
}

static void on_reset(void *ctx)
{
    assert_ptr_equal(ctx, &calls);
    calls++;
}

static void exit_status_as_written(void **state)
{
    (void)state;
    struct device *d = device_alloc(&exit_port_type, "exit");
    struct exit_port *p = container_of(d, struct exit_port, dev);
    p->exit = on_exit_status;
    p->exit_ctx = &calls;
    fake_device_start(d);
    fake_check_resets(d);
    assert_int_equal(p->port, EXIT_PORT_DEFAULT);
    assert_int_equal(device_set_options(d, "port=0x501", NULL), 0);
    assert_int_equal(p->port, 0x501);
    calls = 0;
    fake_write(d, 0, 0, 1, 0x2a);
    assert_int_equal(last_status, 0x2a);
    fake_write(d, 0, 0, 4, 0x12345678);
    assert_int_equal(last_status, 0x12345678);
    fake_write(d, 0, 1, 1, 3);
    (void)fake_read(d, 0, 0, 1);
    assert_int_equal(calls, 2);
    device_destroy(d);
}

static void debug_output(void **state)
{
    (void)state;
    static struct fake_chardev out;
    fake_chardev_init(&out);
    struct device *d = device_alloc(&debug_port_type, "debug");
    container_of(d, struct debug_port, dev)->chardev = &out.chardev;
    fake_device_start(d);
    fake_check_resets(d);
    fake_write(d, 0, 0, 1, 'h');
    fake_write(d, 0, 0, 1, 'i');
    out.room = 0;
    fake_write(d, 0, 0, 1, '!'); /* lost: there is no flow control */
    assert_int_equal(out.written, 2);
    assert_memory_equal(out.output, "hi", 2);
    device_destroy(d);
}

static void progress_code_is_kept(void **state)
{
    (void)state;
    struct device *d = device_alloc(&post_port_type, "post");
    fake_device_start(d);
    fake_check_resets(d);
    fake_write(d, 0, 0, 1, 0x5a);
    assert_int_equal(fake_read(d, 0, 0, 1), 0x5a);
    fake_check_round_trip(d);
    device_destroy(d);
}

static void fast_reset(void **state)
{
    (void)state;
    struct device *d = device_alloc(&reset_port_type, "reset");
    struct reset_port *p = container_of(d, struct reset_port, dev);
    p->reset = on_reset;
    p->reset_ctx = &calls;
    fake_device_start(d);
    fake_check_resets(d);
    calls = 0;
    fake_write(d, RESET_PORT_92, 0, 1, 0xfc);
    assert_int_equal(fake_read(d, RESET_PORT_92, 0, 1), 0);
    assert_int_equal(calls, 0);
    fake_write(d, RESET_PORT_92, 0, 1, 0x03);
    assert_int_equal(calls, 1);
    fake_write(d, RESET_PORT_92, 0, 1, 0x01); /* no transition */
    assert_int_equal(calls, 1);
    fake_check_round_trip(d);
    device_destroy(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exit_status_as_written),
        cmocka_unit_test(debug_output),
        cmocka_unit_test(progress_code_is_kept),
        cmocka_unit_test(fast_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
