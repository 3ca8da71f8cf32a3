/* SPDX-License-Identifier: BSD-2-Clause */
/* The runtime's parts that need no privileges: parsing, paths inside a root, tables. */
#include "container/cgroup_devices.h"
#include "container/config.h"
#include "container/intel_rdt.h"
#include "container/json.h"
#include "container/mount_options.h"
#include "container/path.h"
#include "container/runtime.h"
#include "container/selinux.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Last: it makes a macro of the name fail. */
#include "../cmocka_all.h"

static int parse(struct config *c, const char *members, struct err *e)
{
    char text[4096];
    int n = snprintf(text, sizeof text, "{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"r\"}%s%s}",
                     *members ? "," : "", members);
    return config_parse(c, text, (size_t)n, e);
}

static void refused(const char *members, const char *why)
{
    struct config c;
    struct err e;
    assert_true(parse(&c, members, &e) < 0);
    if (!strstr(e.text, why))
        fail_msg("`%s` is not in `%s`", why, e.text);
}

static void test_config_refuses(void **state)
{
    refused("\"hostname\":7", "`hostname` is not a string");
    refused("\"hostname\":\"x\"", "needs a uts namespace");
    refused("\"mounts\":[{}]", "`mounts[0].destination` is missing");
    refused("\"mounts\":{}", "`mounts` is not an array");
    refused("\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"pid\"}]}", "given twice");
    refused("\"linux\":{\"namespaces\":[{\"type\":\"moon\"}]}", "invalid namespace type `moon`");
    refused("\"linux\":{\"namespaces\":[{\"type\":\"user\"}]}", "needs uidMappings");
    refused("\"linux\":{\"intelRdt\":{\"closID\":\"a/b\"}}", "intelRdt.closID");
    refused("\"linux\":{\"intelRdt\":{\"closID\":\"..\"}}", "intelRdt.closID");
    refused("\"linux\":{\"intelRdt\":{\"memBwSchema\":\"L3:0=1\"}}", "starts with `MB:`");
    refused("\"linux\":{\"intelRdt\":{\"schemata\":[1]}}", "schemata[0]");
    refused("\"linux\":{\"netDevices\":{\"eth0\":{}}}", "without a NET namespace");
    refused("\"linux\":{\"namespaces\":[{\"type\":\"network\"}],\"netDevices\":{\"a/b\":{}}}",
            "\"a/b\" cannot be a network device");
    refused("\"linux\":{\"namespaces\":[{\"type\":\"network\"}],"
            "\"netDevices\":{\"eth0\":{\"name\":\"%d%d\"}}}",
            "netDevices.eth0.name");
    refused("\"vm\":{}", "not supported");
    refused("\"process\":{\"cwd\":\"a\",\"args\":[\"b\"]}", "`process.cwd`");
    refused("\"process\":{\"cwd\":\"/\",\"args\":[]}", "`process.args` is empty");
    refused("\"process\":{\"cwd\":\"/\",\"args\":[\"a\"],\"rlimits\":[{\"type\":\"RLIMIT_X\"}]}",
            "invalid rlimit type");
    refused("\"hooks\":{\"poststop\":[{\"path\":\"a\"}]}", "not an absolute path");
}

static void test_config_numbers(void **state)
{
    struct config c;
    struct err e;
    assert_int_equal(parse(&c,
                           "\"process\":{\"cwd\":\"/\",\"args\":[\"a\"],\"rlimits\":[{\"type\":"
                           "\"RLIMIT_CORE\",\"soft\":0,\"hard\":18446744073709551615}]}",
                           &e),
                     0);
    assert_true(c.process.rlimits[0].limit.rlim_max == RLIM_INFINITY);
    config_free(&c);
}

static char root_path[] = "/tmp/doppel-path-XXXXXX";

static int open_test_root(void **state)
{
    static int fd;
    if (!mkdtemp(root_path) || (fd = open(root_path, O_PATH | O_DIRECTORY)) < 0)
        return -1;
    *state = &fd;
    return mkdirat(fd, "a", 0755) || symlinkat("/", fd, "a/top") ||
           symlinkat("../../../../etc", fd, "up") || symlinkat("loop", fd, "loop") ||
           mkdirat(fd, "etc", 0755) || symlinkat("/nowhere/x", fd, "dangling") ||
           symlinkat("../../a/../etc/made", fd, "relative");
}

static int remove_test_root(void **state)
{
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", root_path);
    return system(command);
}

static bool same(int a, int root, const char *name)
{
    struct stat x, y;
    return !fstat(a, &x) && !fstatat(root, name, &y, 0) && x.st_ino == y.st_ino &&
           x.st_dev == y.st_dev;
}

static void test_path_stays_inside(void **state)
{
    int root = *(int *)*state;
    struct err e;
    for (unsigned walk = 0; walk < 2; walk++) {
        path_force_walk = walk;
        int fd = path_open(root, "/up", O_PATH, &e);
        assert_true(fd >= 0 && same(fd, root, "etc"));
        close(fd);
        fd = path_open(root, "a/top/etc", O_PATH, &e);
        assert_true(fd >= 0 && same(fd, root, "etc"));
        close(fd);
        fd = path_open(root, "../../a/../..", O_PATH, &e);
        assert_true(fd >= 0 && same(fd, root, "."));
        close(fd);
        assert_int_equal(path_open(root, "loop", O_PATH, &e), -ELOOP);
        assert_int_equal(path_open(root, "none/x", O_PATH, &e), -ENOENT);
        char name[32];
        snprintf(name, sizeof name, "/up/new%u/file", walk);
        fd = path_make(root, name, PATH_FILE, 0644, &e);
        assert_true(fd >= 0);
        snprintf(name, sizeof name, "etc/new%u/file", walk);
        assert_true(same(fd, root, name));
        close(fd);
        /* A link to nothing leads to a place in the root, not to the host's. */
        fd = path_make(root, "dangling/y", PATH_DIRECTORY, 0755, &e);
        assert_true(fd >= 0);
        assert_true(same(fd, root, "nowhere/x/y"));
        close(fd);
        assert_int_equal(access("/nowhere", F_OK), -1);
        fd = path_make(root, "relative", PATH_FILE, 0644, &e);
        assert_true(fd >= 0);
        assert_true(same(fd, root, "etc/made"));
        close(fd);
        assert_true(path_make(root, "loop", PATH_FILE, 0644, &e) < 0);
    }
    path_force_walk = false;
}

static void test_mount_options(void **state)
{
    static const char *const list[] = {"rbind", "ro", "rro", "rslave", "size=1k", "mode=755", NULL};
    struct mount_options o;
    struct err e;
    assert_int_equal(mount_options_parse(list, &o, &e), 0);
    assert_true(o.bind && o.recursive);
    assert_int_equal(o.propagations, 1);
    assert_string_equal(o.data, "size=1k,mode=755");
    assert_true(o.attr_set == 1 && o.rec_set == 1); /* MOUNT_ATTR_RDONLY */
}

/* The few instructions that device_rules_compile uses. */
static u64 run_bpf(const struct bpf_insn *p, unsigned n, const u32 context[3])
{
    u64 r[11] = {0};
    for (unsigned i = 0, steps = 0; i < n && steps < 100000; i++, steps++) {
        u64 *d = &r[p[i].dst_reg], k = (u32)p[i].imm;
        switch (p[i].code) {
        case BPF_LDX | BPF_MEM | BPF_W: *d = context[p[i].off / 4]; break;
        case BPF_ALU | BPF_AND | BPF_K: *d = (u32)(*d & k); break;
        case BPF_ALU | BPF_RSH | BPF_K: *d = (u32)*d >> k; break;
        case BPF_ALU64 | BPF_MOV | BPF_K: *d = k; break;
        case BPF_ALU64 | BPF_MOV | BPF_X: *d = r[p[i].src_reg]; break;
        case BPF_JMP | BPF_JNE | BPF_K: i += *d != k ? (unsigned)p[i].off : 0; break;
        case BPF_JMP | BPF_JEQ | BPF_K: i += *d == k ? (unsigned)p[i].off : 0; break;
        case BPF_JMP | BPF_EXIT: return r[0];
        default: fail_msg("unknown instruction %#x", p[i].code);
        }
    }
    fail_msg("the program does not end");
    return 0;
}

static void test_device_program(void **state)
{
    static struct bpf_insn code[DEVICE_PROGRAM_MAX];
    static struct device_rule rules[DEVICE_RULES_MAX];
    struct err e;
    unsigned n;
    json_t *j = json_loads("{\"devices\":[{\"allow\":true,\"type\":\"c\",\"major\":4,\"access\":"
                           "\"rw\"},{\"allow\":false,\"type\":\"c\",\"major\":4,\"minor\":7,"
                           "\"access\":\"w\"},{\"allow\":true,\"type\":\"b\",\"major\":8,\"minor\":"
                           "1}]}",
                           0, NULL);
    assert_int_equal(device_rules_parse(j, rules, &n, &e), 0);
    unsigned length = device_rules_compile(rules, n, code);
    unsigned allowed = 0;
    for (u32 block = 0; block < 2; block++)
        for (u32 major = 0; major < 10; major++)
            for (u32 minor = 0; minor < 10; minor++)
                for (u32 access = 1; access < 8; access++) {
                    u32 type = block ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR;
                    u32 context[3] = {type | access << 16, major, minor};
                    bool want =
                        device_rules_allow(rules, n, block ? 'b' : 'c', major, minor, access);
                    assert_int_equal(run_bpf(code, length, context), want);
                    allowed += want;
                }
    assert_true(allowed > 100 && allowed < 1400);
    assert_true(device_rules_allow(rules, n, 'c', 4, 7, DEVICE_READ));
    assert_false(device_rules_allow(rules, n, 'c', 4, 7, DEVICE_READ | DEVICE_WRITE));
    json_decref(j);
}

static void test_device_access(void **state)
{
    static const struct {
        const char *access;
        u32 parsed; /* 0: refused */
    } rows[] = {{"rwm", 7}, {"mrw", 7}, {"wr", 6}, {"rr", 2}, {"mmmm", 1}, {"", 7},   {"rwa", 6},
                {"am", 1},  {"a", 0},   {"x", 0},  {"R", 0},  {"r w", 0},  {"rwx", 0}};
    struct device_rule rules[DEVICE_RULES_MAX];
    struct err e;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        unsigned n;
        json_t *j = json_pack("{s[{sbss}{sbssss}]}", "devices", "allow", 0, "access", "rwm",
                              "allow", 1, "type", "c", "access", rows[i].access);
        int r = device_rules_parse(j, rules, &n, &e);
        json_decref(j);
        if (rows[i].parsed) {
            assert_int_equal(r, 0);
            assert_int_equal(rules[2].access, rows[i].parsed);
        } else {
            assert_int_equal(r, -EINVAL);
            assert_non_null(strstr(e.text, "`devices[1].access`"));
            assert_non_null(strstr(e.text, "m (mknod)"));
        }
    }
}

static void test_mount_label(void **state)
{
    static const struct {
        const char *label, *type, *data, *wanted;
    } rows[] = {
        {"u:r:t:s0:c1,c2", "tmpfs", "mode=755", "mode=755,context=\"u:r:t:s0:c1,c2\""},
        {"u:r:t:s0", "devpts", "", "context=\"u:r:t:s0\""},
        {"u:r:t:s0", "tmpfs", "rootcontext=x", "rootcontext=x"},
        {"u:r:t:s0", "proc", "hidepid=2", "hidepid=2"},
        {"u:r:t:s0", "cgroup2", "", ""},
        {NULL, "tmpfs", "mode=755", "mode=755"},
        {"", "tmpfs", "", ""},
    };
    char data[64];
    struct err e;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(
            selinux_mount_data(rows[i].label, rows[i].type, rows[i].data, data, sizeof data, &e),
            0);
        assert_string_equal(data, rows[i].wanted);
    }
    assert_int_equal(selinux_mount_data("u:r:t:s0", "tmpfs", "", data, 8, &e), -E2BIG);
    assert_int_equal(selinux_check_label("a\",mode=777", "linux.mountLabel", &e), -EINVAL);
    assert_int_equal(selinux_check_label("", "linux.mountLabel", &e), 0);
}

static char rdt_path[] = "/tmp/doppel-rdt-XXXXXX";

static int make_rdt_tree(void **state)
{
    char command[512];
    intel_rdt_test_root = mkdtemp(rdt_path);
    snprintf(command, sizeof command,
             "cd %s && mkdir -p info/L3_MON mon_groups old/mon_groups && "
             "echo llc_occupancy > info/L3_MON/mon_features && "
             "printf '    L3:0=00ff;1=0f\\n    MB:0= 20;1=100\\n' > old/schemata",
             rdt_path);
    return !intel_rdt_test_root || system(command);
}

static int remove_rdt_tree(void **state)
{
    char command[64];
    intel_rdt_test_root = NULL;
    snprintf(command, sizeof command, "rm -rf %s", rdt_path);
    return system(command);
}

/* The members of intelRdt through all steps, for container `box` and process 77; the error's text
 * is left in e. */
static int rdt_run(const char *members, struct err *e)
{
    char text[512];
    json_t *j;
    *e = (struct err){0};
    snprintf(text, sizeof text, "{%s}", members);
    assert_int_equal(json_parse(text, strlen(text), "test", &j, e), 0);
    int r = intel_rdt_check(j, e);
    if (!r && !(r = intel_rdt_check_host(j, "box", e)) && !(r = intel_rdt_make(j, "box", e)))
        r = intel_rdt_join(j, "box", 77, e);
    json_decref(j);
    return r;
}

/* What a file of the tree holds. The file and what must be gone for the next run are removed. */
static void rdt_holds(const char *group, const char *file, const char *wanted)
{
    char path[256], *text = NULL;
    snprintf(path, sizeof path, "%s/%s/%s", rdt_path, group, file);
    assert_int_equal(file_read(AT_FDCWD, path, 4096, &text, NULL), 0);
    assert_string_equal(text, wanted);
    free(text);
    unlink(path);
}

static void test_intel_rdt(void **state)
{
    static const char both[] =
        "\"l3CacheSchema\":\"L3:0=7f0\\nMB:0=5\",\"memBwSchema\":\"MB:0=20\"";
    struct err e;
    /* By the container's id: made, filled, and removed with it. */
    assert_int_equal(rdt_run(both, &e), 0);
    assert_int_equal(rdt_run(both, &e), -EEXIST);
    rdt_holds("box", "schemata", "L3:0=7f0\nMB:0=20\n");
    rdt_holds("box", "tasks", "77\n");
    assert_int_equal(intel_rdt_remove("box", &e), 0);
    assert_int_equal(intel_rdt_remove("box", &e), 0);
    assert_int_equal(rdt_run("\"schemata\":[\"L3:0=1\",\"L2:0=2\"]", &e), 0);
    rdt_holds("box", "schemata", "L3:0=1\nL2:0=2\n");
    rdt_holds("box", "tasks", "77\n");
    assert_int_equal(intel_rdt_remove("box", &e), 0);
    assert_int_equal(rdt_run("", &e), 0);
    rdt_holds("box", "tasks", "77\n");
    assert_int_equal(intel_rdt_remove("box", &e), 0);
    /* By a name: it must agree with what is there. */
    assert_int_equal(rdt_run("\"closID\":\"old\"", &e), 0);
    assert_int_equal(rdt_run("\"closID\":\"old\",\"l3CacheSchema\":\"L3:1=f\"", &e), 0);
    assert_int_equal(rdt_run("\"closID\":\"old\",\"l3CacheSchema\":\"L3:0=ff;1=f\",\"memBwSchema\":"
                             "\"MB:1=100;0=20\"",
                             &e),
                     0);
    assert_int_equal(rdt_run("\"closID\":\"old\",\"l3CacheSchema\":\"L3:0=fe\"", &e), -EEXIST);
    assert_non_null(strstr(e.hint, "closID"));
    assert_int_equal(rdt_run("\"closID\":\"old\",\"l3CacheSchema\":\"L2:0=ff\"", &e), -EEXIST);
    assert_int_equal(rdt_run("\"closID\":\"none\"", &e), -ENOENT);
    assert_non_null(strstr(e.text, "no resctrl group `none`"));
    /* Counting. */
    assert_int_equal(rdt_run("\"closID\":\"old\",\"enableMonitoring\":true", &e), 0);
    rdt_holds("old/mon_groups/box", "tasks", "77\n");
    assert_int_equal(intel_rdt_remove("old/mon_groups/box", &e), 0);
    assert_int_equal(rdt_run("\"closID\":\"/\",\"enableMonitoring\":true", &e), 0);
    rdt_holds("mon_groups/box", "tasks", "77\n");
    assert_int_equal(rdt_run("\"closID\":\"old\",\"enableCMT\":true", &e), 0);
    assert_int_equal(rdt_run("\"closID\":\"old\",\"enableMBM\":true", &e), -ENOTSUP);
    /* What goes with the container. */
    json_t *j = json_pack("{sssb}", "closID", "old", "enableMonitoring", 1);
    char *owned = intel_rdt_owned(j, "box");
    assert_string_equal(owned, "old/mon_groups/box");
    free(owned);
    json_object_del(j, "enableMonitoring");
    assert_null(intel_rdt_owned(j, "box"));
    json_t *update = json_pack("{ss}", "memBwSchema", "MB:0=70");
    assert_int_equal(intel_rdt_update(j, "box", update, &e), 0);
    assert_int_equal(intel_rdt_update(NULL, "box", update, &e), -EINVAL);
    json_decref(update);
    json_decref(j);
}

static void test_names(void **state)
{
    struct err e;
    assert_int_equal(signal_number("SIGTERM"), SIGTERM);
    assert_int_equal(signal_number("hup"), SIGHUP);
    assert_int_equal(signal_number("9"), 9);
    assert_int_equal(signal_number("999"), -1);
    assert_int_equal(signal_number("NONE"), -1);
    assert_int_equal(state_id_check("a-b_c.1+", &e), 0);
    assert_true(state_id_check("..", &e) < 0 && state_id_check("a/b", &e) < 0);
    char *path = NULL;
    assert_true(cgroup_path("/a/../b", "id", &path, &e) < 0);
    assert_int_equal(cgroup_path("a//", "id", &path, &e), 0);
    assert_string_equal(path, "/a");
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config_refuses),
        cmocka_unit_test(test_config_numbers),
        cmocka_unit_test_setup_teardown(test_path_stays_inside, open_test_root, remove_test_root),
        cmocka_unit_test(test_mount_options),
        cmocka_unit_test(test_device_program),
        cmocka_unit_test(test_device_access),
        cmocka_unit_test(test_mount_label),
        cmocka_unit_test_setup_teardown(test_intel_rdt, make_rdt_tree, remove_rdt_tree),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
