/* replay.c - runs a fuzz target on every file of the folders it is given, so that what
 * a fuzzer has found stays fixed without a fuzzer. An empty corpus is a failure. */
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

/* False where the file cannot be read. */
static int replay_file(const char *path)
{
    struct stat info;
    FILE *f = fopen(path, "rb");
    if (!f || fstat(fileno(f), &info)) {
        perror(path);
        if (f)
            fclose(f);
        return 0;
    }
    size_t size = (size_t)info.st_size;
    uint8_t *bytes = malloc(size ? size : 1); /* exact, so that one byte more is seen */
    int done = bytes && fread(bytes, 1, size, f) == size;
    if (done)
        (void)LLVMFuzzerTestOneInput(bytes, size);
    free(bytes);
    fclose(f);
    return done;
}

/* The number of files read in `folder`, or -1. */
static int replay_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    int count = 0;
    if (!dir) {
        perror(folder);
        return -1;
    }
    while (count >= 0 && (entry = readdir(dir)) != NULL) {
        char path[4096];
        if (entry->d_name[0] == '.')
            continue;
        int length = snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        count = length < (int)sizeof path && replay_file(path) ? count + 1 : -1;
    }
    closedir(dir);
    return count;
}

int main(int argc, char **argv)
{
    for (int k = 1; k < argc; k++) {
        int count = replay_folder(argv[k]);
        if (count <= 0)
            return 1;
        printf("%s: %d files\n", argv[k], count);
    }
    return argc > 1 ? 0 : 2;
}
