/* folder.c - image files in a folder on disc. Hidden files and folders are passed over.
 */
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "data/listing.h"

enum { DEPTH_MAX = 8 }; /* also what ends a circle of symbolic links */

/* Lists what is below root/inner ("" or "a/b/"). */
static tn_status walk(tn__listing *listing, const char *root, const char *inner,
                      int depth, tn_error *err)
{
    tn_status status = TN_OK;
    char *path = tn__format("%s/%s", root, inner), *name = NULL;
    DIR *folder = path ? opendir(path) : NULL;
    if (!path)
        return tn__fail_memory(err, strlen(root) + strlen(inner));
    if (!folder) {
        status =
            tn__fail(err, TN_ERROR_IO, "cannot read '%s': %s", path, strerror(errno));
        goto done;
    }
    for (struct dirent *entry; !status && (entry = readdir(folder)) != NULL;) {
        struct stat info;
        tn__member *member = NULL;
        if (entry->d_name[0] == '.' ||
            fstatat(dirfd(folder), entry->d_name, &info, 0) != 0)
            continue;
        bool deeper = S_ISDIR(info.st_mode) && depth < DEPTH_MAX;
        if (!deeper && !(S_ISREG(info.st_mode) && tn__listing_wants(entry->d_name)))
            continue;
        tn__free(name);
        name = tn__format("%s%s%s", inner, entry->d_name, deeper ? "/" : "");
        if (!name)
            status = tn__fail_memory(err, strlen(entry->d_name));
        else if (deeper)
            status = walk(listing, root, name, depth + 1, err);
        else
            status = tn__listing_add(&member, listing, name, err);
    }
done:
    if (folder)
        closedir(folder);
    tn__free(name);
    tn__free(path);
    return status;
}

static tn_status load(void *user, tn__buffer **held, const uint8_t **bytes,
                      size_t *size, const tn__member *member, tn_error *err)
{
    const char *root = user;
    char *path = tn__format("%s/%s", root, member->path);
    if (!path)
        return tn__fail_memory(err, strlen(member->path));
    tn_status status = tn__buffer_map(held, path, err);
    tn__free(path);
    if (status)
        return status;
    *bytes = tn__buffer_bytes(*held);
    *size = tn__buffer_size(*held);
    return TN_OK;
}

tn_status tn__folder_read(tn_dataset *data, const tn__data_spec *spec,
                          const char *wanted, tn_error *err)
{
    tn__listing listing = {0};
    tn_status status = walk(&listing, spec->path, "", 0, err);
    if (!status)
        status = tn__listing_read(data, &listing, spec, wanted, load, spec->path, err);
    tn__listing_release(&listing);
    return status;
}
