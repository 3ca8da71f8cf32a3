/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs a fuzz target without libFuzzer: replays the files and directories named on the command
 * line, or feeds `--random N [SEED]` pseudo-random inputs. The test suite smoke-runs every target
 * with it; a crash found elsewhere is reproduced by naming its file. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t next_random(uint64_t *s)
{
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    return *s;
}

static int run_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f) {
        perror(path);
        return 1;
    }
    size_t size = 0, room = 1 << 16;
    uint8_t *data = malloc(room);
    for (size_t n; data && (n = fread(data + size, 1, room - size, f)) > 0;) {
        size += n;
        if (size == room)
            data = realloc(data, room *= 2);
    }
    fclose(f);
    if (!data)
        return 1;
    LLVMFuzzerTestOneInput(data, size);
    free(data);
    return 0;
}

static int run_path(const char *path)
{
    struct stat st;
    if (stat(path, &st) || !S_ISDIR(st.st_mode))
        return run_file(path);
    DIR *d = opendir(path);
    int bad = !d;
    for (struct dirent *e; d && (e = readdir(d));) {
        char name[4096];
        if (e->d_name[0] == '.')
            continue;
        snprintf(name, sizeof name, "%s/%s", path, e->d_name);
        bad |= run_path(name);
    }
    if (d)
        closedir(d);
    return bad;
}

static void run_random(uint64_t count, uint64_t seed)
{
    static uint8_t data[4096];
    uint64_t s = seed * 0x9e3779b97f4a7c15u + 1;
    printf("seed %llu, %llu inputs\n", (unsigned long long)seed, (unsigned long long)count);
    for (uint64_t i = 0; i < count; i++) {
        size_t size = next_random(&s) % sizeof data;
        /* Mostly small values: lengths and register numbers that pass the first check. */
        uint64_t small = next_random(&s) % 3;
        for (size_t k = 0; k < size; k++) {
            uint64_t r = next_random(&s);
            data[k] = (uint8_t)(small && (r >> 8) % 3 ? r & 7 : r);
        }
        LLVMFuzzerTestOneInput(data, size);
    }
}

int main(int argc, char **argv)
{
    int bad = 0;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--random") && i + 1 < argc) {
            uint64_t count = strtoull(argv[++i], NULL, 0), seed = 1;
            if (i + 1 < argc && argv[i + 1][0] >= '0' && argv[i + 1][0] <= '9')
                seed = strtoull(argv[++i], NULL, 0);
            run_random(count, seed);
        } else {
            bad |= run_path(argv[i]);
        }
    }
    return bad;
}
